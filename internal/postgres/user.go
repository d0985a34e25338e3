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

// account is the user that root hands a server to, because PostgreSQL refuses
// to run as root. A nil account stands for our own user: nothing is changed.
type account struct {
	uid, gid int
	name     string
	home     string
}

// newAccount chooses who gets new data directories: the user who called sudo,
// else postgres, else nobody. It is nil unless we are root.
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
		return nil, fmt.Errorf("user %s has the odd id %q", u.Username, u.Uid)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, fmt.Errorf("user %s has the odd group %q", u.Username, u.Gid)
	}
	return &account{uid: uid, gid: gid, name: u.Username, home: u.HomeDir}, nil
}

// ownerAccount is who must run a server on dataDir: its owner. It is nil if
// that is us.
func ownerAccount(dataDir string) (*account, error) {
	info, err := os.Stat(dataDir)
	if err != nil {
		return nil, err
	}
	owner := info.Sys().(*syscall.Stat_t)
	uid, gid := int(owner.Uid), int(owner.Gid)
	switch {
	case os.Geteuid() == 0 && uid == 0:
		return nil, fmt.Errorf("data directory %s belongs to root, who may not run PostgreSQL: give it to another user with chown -R", dataDir)
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

// userName is for messages: the name of a user, else the number.
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

// own gives a file to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return rootlessError(os.Lchown(path, a.uid, a.gid))
}

// run prepares cmd to run as the account, with nothing of our environment.
func (a *account) run(cmd *exec.Cmd) {
	home := os.Getenv("HOME")
	// Ctrl-C in a terminal must reach us only: we stop our servers in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
		home = a.home
	}
	cmd.Env = baseEnv(home)
}

// rootlessError explains why root cannot act for another user: it is root in
// name only, in a container without capabilities or with a single user.
func rootlessError(err error) error {
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("this root user has no right to run PostgreSQL as another user (capabilities dropped?), and PostgreSQL refuses to run as root: run this as an ordinary user: %w", err)
	}
	return err
}
