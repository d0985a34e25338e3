//go:build unix

package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
)

const socketName = ".s.PGSQL." + port

// newSocketDir creates a private directory for a server's socket. It is not in
// the data directory, whose path may be longer than the path of a socket can be.
func newSocketDir(a *account) (string, error) {
	parent := "/tmp"
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		parent = os.TempDir()
	}
	dir, err := os.MkdirTemp(parent, "lkb-")
	if err != nil {
		return "", fmt.Errorf("create a directory for the server's socket: %w", err)
	}
	err = checkSocketLength(dir)
	if err == nil {
		err = a.own(dir)
	}
	if err != nil {
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

// checkSocketLength returns an error for a path that is too long for a socket. A
// server would only log a warning and exit.
func checkSocketLength(dir string) error {
	limit := 103
	if runtime.GOOS == "linux" {
		limit = 107
	}
	if path := filepath.Join(dir, socketName); len(path) > limit {
		return fmt.Errorf("socket path %s has %d bytes, and %d is the limit: set TMPDIR to a shorter path", path, len(path), limit)
	}
	return nil
}

// socketList returns dir as a value of unix_socket_directories, which is a list.
func socketList(dir string) string {
	if strings.ContainsAny(dir, `," `) {
		return `"` + strings.ReplaceAll(dir, `"`, `""`) + `"`
	}
	return dir
}
