//go:build race

package rawnet

const raceEnabled = true
