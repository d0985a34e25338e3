//go:build !linux

package local

import "os"

// ephemeralParent is where data that nobody keeps goes.
func ephemeralParent() string { return os.TempDir() }
