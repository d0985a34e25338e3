//go:build !linux

package local_test

func useMemory() {}
