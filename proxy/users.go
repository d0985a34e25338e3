package proxy

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/xdg-go/scram"
)

// Users are the user names that clients can log in with, and the verifiers of
// their passwords. It is not modified after it is made.
type Users struct {
	verifiers map[string]verifier
	factors   []scram.KeyFactors // of all verifiers
}

// NewUsers returns Users from passwords by name. A password may also be a
// SCRAM-SHA-256 verifier as PostgreSQL's pg_authid stores it. Passwords are
// normalized by SASLprep, as PostgreSQL does.
func NewUsers(passwords map[string]string) (*Users, error) {
	if len(passwords) == 0 {
		return nil, errors.New("proxy: no users: no client could log in")
	}
	u := &Users{verifiers: make(map[string]verifier, len(passwords))}
	for name, password := range passwords {
		if name == "" || password == "" {
			return nil, fmt.Errorf("proxy: user %q needs a name and a password", name)
		}
		var v verifier
		var err error
		if strings.HasPrefix(password, verifierPrefix) {
			v, err = parseVerifier(password)
		} else {
			v, err = newVerifier(name, password)
		}
		if err != nil {
			return nil, fmt.Errorf("proxy: password of user %q: %w", name, err)
		}
		u.verifiers[name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(u.verifiers)) {
		u.factors = append(u.factors, u.verifiers[name].KeyFactors)
	}
	return u, nil
}

// ReadUsers returns [NewUsers] of [ReadPasswords].
func ReadUsers(file string) (*Users, error) {
	passwords, err := ReadPasswords(file)
	if err != nil {
		return nil, err
	}
	return NewUsers(passwords)
}

// ReadPasswords reads passwords, or their verifiers, by user name from a file of
// lines USER:PASSWORD. Empty lines and those that begin with # are ignored. The
// file must not be accessible to other users of the machine.
func ReadPasswords(file string) (map[string]string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("proxy: %s can be read by other users (mode %#o): chmod 600 it", file, mode)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	passwords := map[string]string{}
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, password, ok := strings.Cut(line, ":")
		if _, twice := passwords[name]; !ok || twice {
			return nil, fmt.Errorf("proxy: %s line %d: want one line USER:PASSWORD for each user", file, number)
		}
		passwords[name] = password
	}
	return passwords, nil
}

// has reports whether there is such a user.
func (u *Users) has(name string) bool {
	_, ok := u.verifiers[name]
	return ok
}

// conversation begins the server's side of a SCRAM exchange. As in PostgreSQL,
// the user is that of the startup packet, whatever the exchange names.
func (u *Users) conversation(user string) (*scram.ServerConversation, error) {
	mock := mockVerifier(user, u.factors[int(newSalt("factors of "+user, 1)[0])%len(u.factors)])
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		if v, ok := u.verifiers[user]; ok {
			return v, nil
		}
		return mock, nil
	})
	if err != nil {
		return nil, err
	}
	return server.NewConversation(), nil
}
