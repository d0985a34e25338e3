//go:build !linux

package testkit

import "os"

// tempDir returns the parent of temporary directories.
func tempDir() string { return os.TempDir() }
