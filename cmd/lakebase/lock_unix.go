//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockDir waits until no other process of this program has the directory
// locked, so that two that change a file in it do not undo each other.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err {
		case unix.EINTR:
			continue
		case nil, unix.ENOLCK, unix.ENOTSUP: // not every network file system locks
			return func() { f.Close() }, nil
		default:
			f.Close()
			return nil, err
		}
	}
}
