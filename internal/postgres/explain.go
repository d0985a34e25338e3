//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// explain adds the likely reason to the error of cmd, which ran as the account.
func (a *account) explain(err error, cmd *exec.Cmd) error {
	text := err.Error()
	if strings.Contains(text, "could not look up effective user ID") {
		return fmt.Errorf("user id %d has no entry in /etc/passwd, which PostgreSQL needs to make a new database: add one, or set LAKEBASE_LOCAL_DATABASE_URL to a server that already runs: %w", os.Geteuid(), err)
	}
	if !errors.Is(err, fs.ErrPermission) && !strings.Contains(text, "Permission denied") {
		return err
	}
	for _, path := range []string{cmd.Path, cmd.Dir} {
		if dir := a.blockedAt(path); dir != "" {
			return fmt.Errorf("user %s, which runs PostgreSQL, cannot enter %s on the way to %s: open it to others (chmod o+x), or choose another place: %w", a, dir, path, err)
		}
	}
	if onNoexec(cmd.Path) {
		return fmt.Errorf("%s is on a file system mounted noexec, programs cannot run from there: set %s to a directory elsewhere: %w", cmd.Path, cacheEnv, err)
	}
	return err
}

// String names the user, for messages.
func (a *account) String() string {
	if a == nil {
		return userName(os.Geteuid())
	}
	return a.name
}

// blockedAt returns the first directory of an absolute path that the account
// cannot enter, or "".
func (a *account) blockedAt(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	for i, c := range path + "/" {
		if c != '/' {
			continue
		}
		dir := path[:max(i, 1)]
		if info, err := os.Stat(dir); err == nil && info.IsDir() && !a.canEnter(dir, info) {
			return dir
		}
	}
	return ""
}

func (a *account) canEnter(dir string, info os.FileInfo) bool {
	if a == nil {
		return unix.Access(dir, unix.X_OK) == nil
	}
	stat := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode().Perm(); {
	case int(stat.Uid) == a.uid:
		return mode&0o100 != 0
	case int(stat.Gid) == a.gid:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}
