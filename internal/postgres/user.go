//go:build unix

package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// account is the user that root runs a server as, because PostgreSQL refuses to
// run as root. A nil account is this process's own user.
type account struct {
	uid, gid int
	name     string
	home     string
}

// newAccount returns the account for new data directories: the user who called
// sudo, else postgres, else nobody. It is nil unless this process is root's.
func newAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.LookupId(cmp.Or(os.Getenv("SUDO_UID"), "0"))
	if err != nil || u.Uid == "0" {
		u, err = user.Lookup("postgres")
	}
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as: create one, or run this as an ordinary user")
	}
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	return &account{uid: uid, gid: gid, name: u.Username, home: u.HomeDir}, errors.Join(uidErr, gidErr)
}

// ownerAccount returns the account for a server on dataDir: its owner. It is nil
// for this process's own user.
func ownerAccount(dataDir string) (*account, error) {
	info, err := os.Stat(dataDir)
	if err != nil {
		return nil, err
	}
	owner := info.Sys().(*syscall.Stat_t)
	uid, gid := int(owner.Uid), int(owner.Gid)
	switch {
	case os.Geteuid() == 0 && uid == 0:
		return nil, fmt.Errorf("data directory %s belongs to root, which may not run PostgreSQL: give it to another user with chown -R", dataDir)
	case os.Geteuid() == 0:
		a := &account{uid: uid, gid: gid, name: userName(uid)}
		if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
			a.home = u.HomeDir
		}
		return a, nil
	case os.Geteuid() != uid:
		return nil, fmt.Errorf("data directory %s belongs to user %s: run this as that user, or use another directory", dataDir, userName(uid))
	}
	return nil, nil
}

// userName returns the name of a user, or the number if it has none.
func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// is reports whether uid is the account's user.
func (a *account) is(uid int) bool {
	if a == nil {
		return uid == os.Geteuid()
	}
	return uid == a.uid
}

// own makes the account the owner of a file.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return rootlessError(os.Lchown(path, a.uid, a.gid))
}

// baseEnv is the environment of PostgreSQL's programs: PGDATA, PGPORT and the
// like would change what they do. LC_ALL makes their messages English, which
// this package reads, and keeps macOS from starting threads in the postmaster.
func baseEnv(home string) []string {
	return []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH"), "HOME=" + home}
}

// prepare makes cmd run as the account, without this process's environment.
func (a *account) prepare(cmd *exec.Cmd) {
	home := os.Getenv("HOME")
	// Ctrl-C in a terminal must not reach it: its server is stopped in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
		home = a.home
	}
	cmd.Env = baseEnv(home)
}

// rootlessError explains why root cannot act for another user: this is a
// container without capabilities or with a single user.
func rootlessError(err error) error {
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("this root user has no right to run PostgreSQL as another user (capabilities dropped?), and PostgreSQL refuses to run as root: run this as an ordinary user: %w", err)
	}
	return err
}

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
