//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
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
	if id := os.Getenv("SUDO_UID"); id != "" && id != "0" {
		if u, err := user.LookupId(id); err == nil {
			return accountOf(u)
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return accountOf(u)
		}
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as: create one, or run this as an ordinary user")
}

func accountOf(u *user.User) (*account, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, fmt.Errorf("user %s has the id %q, which is not a number", u.Username, u.Uid)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, fmt.Errorf("user %s has the group %q, which is not a number", u.Username, u.Gid)
	}
	return &account{uid: uid, gid: gid, name: u.Username, home: u.HomeDir}, nil
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

// ownFile makes the account the owner of an open file.
func (a *account) ownFile(f *os.File) error {
	if a == nil {
		return nil
	}
	return rootlessError(f.Chown(a.uid, a.gid))
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
