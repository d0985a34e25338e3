//go:build !unix

package local

import "os"

// lockFile and locked do nothing on systems without flock, on which this program
// cannot run PostgreSQL either.
func lockFile(file string) (lock *os.File, ok bool, err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	return f, err == nil, err
}

func locked(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func removeAbandoned(string) {}
