//go:build !linux

package local

// ephemeralParent is where data that nobody keeps goes.
func ephemeralParent() string { return "" }
