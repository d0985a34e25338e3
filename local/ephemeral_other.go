//go:build !linux

package local

import "os"

// ephemeralParent returns the parent of temporary data directories.
func ephemeralParent() string { return os.TempDir() }
