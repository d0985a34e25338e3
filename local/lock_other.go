//go:build !unix

package local

import "os"

// lockFile and locked do nothing where there is no flock, which is also
// where no PostgreSQL of our own can be run.
func lockFile(file string) (lock *os.File, ok bool, err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	return f, err == nil, err
}

func locked(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func removeAbandoned(string) {}
