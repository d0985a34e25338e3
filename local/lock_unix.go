//go:build unix

package local

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile locks a data directory until the process ends, for whatever reason. ok
// is false if another process has the lock. It tries several times, because
// locked takes the lock for a moment.
func lockFile(file string) (lock *os.File, ok bool, err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, err
	}
	deadline := time.Now().Add(100 * time.Millisecond)
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return f, true, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			f.Close()
			return nil, false, err
		case time.Now().After(deadline):
			f.Close()
			return nil, false, nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// locked reports whether a process has the lock.
func locked(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// removeAbandoned removes the temporary data directories in dir of servers that
// were killed: this user's, older than a minute and not locked.
func removeAbandoned(dir string) {
	found, _ := filepath.Glob(filepath.Join(dir, ephemeralPrefix+"*")) // the pattern is well-formed
	for _, root := range found {
		lock := dataPaths{root}.lockFile()
		info, err := os.Lstat(lock)
		if err != nil || time.Since(info.ModTime()) < time.Minute || locked(lock) {
			continue
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) == os.Geteuid() {
			_ = os.RemoveAll(root) // the next start tries again
		}
	}
}
