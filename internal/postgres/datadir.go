//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// orphanTimeout limits the shutdown of a server whose parent process is gone.
const orphanTimeout = 10 * time.Second

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// createDir creates dir, which must not exist: fill creates it at another path, as
// filler, and nothing is left if it fails.
func createDir(dir string, filler *account, fill func(path string) error) error {
	if exists(dir) {
		return fmt.Errorf("directory %s: %w", dir, fs.ErrExist)
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := filler.own(tmp); err != nil {
		return err
	}
	path := filepath.Join(tmp, "data")
	if err := fill(path); err != nil {
		return err
	}
	return os.Rename(path, dir)
}

// forDataDir returns an installation of the major version that created the data
// directory: others cannot use it.
func (in *Installation) forDataDir(ctx context.Context, dir string) (*Installation, error) {
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return nil, fmt.Errorf("%s is not a PostgreSQL data directory: %w", dir, err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s/PG_VERSION is %q, not a version of PostgreSQL", dir, text)
	}
	if major == in.Major {
		return in, nil
	}
	if other := systemFinder().ofMajor(ctx, major); other != nil {
		return other, nil
	}
	return nil, fmt.Errorf("data directory %s was made by PostgreSQL %d, and %s holds version %s: install PostgreSQL %d (%s may name its directory), or delete the data to begin anew",
		dir, major, in.BinDir, in.Version, major, binEnv)
}

// dirLock is the lock of this package on a data directory. PostgreSQL's own,
// postmaster.pid, contains little and can be stale.
type dirLock struct{ dir *os.File }

func lockDataDir(path string) (dirLock, error) {
	dir, err := os.Open(path)
	if err != nil {
		return dirLock{}, err
	}
	err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return dirLock{dir}, nil
	}
	dir.Close()
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return dirLock{}, fmt.Errorf("lock data directory %s (on a file system without locks?): %w", path, err)
	}
	if pid := postmasterPID(path); pid != 0 {
		return dirLock{}, fmt.Errorf("data directory %s is in use: a PostgreSQL server runs on it already, process %d", path, pid)
	}
	return dirLock{}, fmt.Errorf("data directory %s is in use by another process", path)
}

func (l dirLock) release() {
	// Close alone does not unlock while a process that is just being started
	// elsewhere in this program has a duplicate, until its exec.
	syscall.Flock(int(l.dir.Fd()), syscall.LOCK_UN)
	l.dir.Close()
}

// postmasterPID returns the process id in postmaster.pid, or 0.
func postmasterPID(dir string) int {
	text, _ := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	line, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(strings.TrimSpace(line))
	return max(pid, 0)
}

// clearPostmasterPID waits for a server whose parent was killed, and removes the
// postmaster.pid of one that was killed itself. The caller holds the lock.
// PostgreSQL ignores the file if the process is gone, but takes any other
// process of the same user that has this id for a server.
func clearPostmasterPID(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, orphanTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		pid := postmasterPID(dir)
		if pid == 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return nil
		}
		if !isPostmaster(pid, dir) {
			err := os.Remove(filepath.Join(dir, "postmaster.pid"))
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("data directory %s is in use by PostgreSQL process %d, which does not belong to this program: stop it with kill -INT %d", dir, pid, pid)
		}
	}
}

const socketName = ".s.PGSQL." + port

// newSocketDir creates a private directory for a server's socket. It is neither in
// the data directory nor in TMPDIR, which may have a longer path than a socket
// can have.
func newSocketDir(a *account) (string, error) {
	dir, err := os.MkdirTemp("/tmp", "lkb-")
	if err != nil {
		return "", fmt.Errorf("create a directory for the server's socket: %w", err)
	}
	if err := a.own(dir); err != nil {
		os.Remove(dir)
		return "", err
	}
	return dir, nil
}

// lastSocketDir finds the socket's directory in the command line that a server
// writes to postmaster.opts.
var lastSocketDir = regexp.MustCompile(`"-k" "(/[^"]*/lkb-[0-9]+)"`)

// removeLastSocketDir removes the socket directory of the last server on dataDir,
// which still exists if that server's parent was killed. The caller holds the
// lock.
func removeLastSocketDir(dataDir string, a *account) {
	options, _ := os.ReadFile(filepath.Join(dataDir, "postmaster.opts"))
	m := lastSocketDir.FindSubmatch(options)
	if m == nil {
		return
	}
	dir := string(m[1])
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() || !a.is(int(info.Sys().(*syscall.Stat_t).Uid)) {
		return
	}
	for _, path := range []string{filepath.Join(dir, socketName), filepath.Join(dir, socketName+".lock"), dir} {
		os.Remove(path) // it does no harm if it stays
	}
}
