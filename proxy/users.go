package proxy

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Users are the names that clients may log in with, and what is kept of their
// passwords. It is not modified once made.
type Users struct {
	verifiers map[string]verifier
	secret    [sha256.Size]byte // makes up salts for those who do not exist
}

// NewUsers returns Users from passwords by name. A password may also be a
// SCRAM-SHA-256 verifier as PostgreSQL's pg_authid has it. Passwords are used
// byte by byte; those beyond ASCII should be in Unicode's composed form.
func NewUsers(passwords map[string]string) (*Users, error) {
	if len(passwords) == 0 {
		return nil, errors.New("proxy: no user: nobody could log in")
	}
	u := &Users{verifiers: make(map[string]verifier, len(passwords))}
	rand.Read(u.secret[:])
	for name, password := range passwords {
		if name == "" || password == "" {
			return nil, fmt.Errorf("proxy: user %q needs a name and a password", name)
		}
		make := newVerifier
		if strings.HasPrefix(password, verifierPrefix) {
			make = parseVerifier
		}
		v, err := make(password)
		if err != nil {
			return nil, fmt.Errorf("proxy: password of user %q: %w", name, err)
		}
		u.verifiers[name] = v
	}
	return u, nil
}

// ReadUsers is NewUsers of what ReadPasswords reads.
func ReadUsers(file string) (*Users, error) {
	passwords, err := ReadPasswords(file)
	if err != nil {
		return nil, err
	}
	return NewUsers(passwords)
}

// ReadPasswords reads passwords by name, or their verifiers, from a file of
// lines USER:PASSWORD; empty lines and those that begin with # are ignored. The
// file must be its owner's alone.
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

// find returns the verifier for name. One who does not exist gets a salt that
// stays the same, so that an attacker learns nothing from it, and keys that
// nothing fits.
func (u *Users) find(name string) verifier {
	if v, ok := u.verifiers[name]; ok {
		return v
	}
	keys := make([]byte, sha256.Size)
	rand.Read(keys)
	return verifier{salt: mac(u.secret[:], name)[:16], iterations: scramIterations, storedKey: keys, serverKey: keys}
}
