package proxy

import (
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/spelling"
	"github.com/lakebase-go/lakebase/proxy"
)

// readCertificate reads the certificate that clients see, if there is one.
func (c *configuration) readCertificate() error {
	switch {
	case c.certFile == "" && c.keyFile == "":
		return nil
	case c.keyFile == "":
		return command.UsageError(c.where("client_tls_cert_file")+" needs client_tls_key_file", "give both or neither")
	case c.certFile == "":
		return command.UsageError(c.where("client_tls_key_file")+" needs client_tls_cert_file", "give both or neither")
	}
	certificate, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return misplaced(c.where("client_tls_cert_file"), err)
	}
	c.proxy.ClientTLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	return nil
}

// readUsers reads the passwords of auth_file and of the configuration file.
func (c *configuration) readUsers() error {
	passwords := map[string]string{}
	if c.authFile != "" {
		var err error
		if passwords, err = proxy.ReadPasswords(c.authFile); err != nil {
			return misplaced(c.where("auth_file"), err)
		}
	}
	for name, given := range c.passwords.of {
		at := place("user", given.source)
		if _, twice := passwords[name]; twice {
			return command.UsageError(fmt.Sprintf("%s: user %q has a password in %s too", at, name, c.authFile), "keep one of them")
		}
		if _, err := proxy.NewUsers(map[string]string{name: given.value}); err != nil {
			return misplaced(at, err)
		}
		passwords[name] = given.value
	}
	if c.authFile == "" && len(passwords) == 0 {
		return nil
	}
	users, err := proxy.NewUsers(passwords)
	if err != nil {
		return misplaced(c.where("auth_file"), err)
	}
	c.users, c.proxy.Users = slices.Sorted(maps.Keys(passwords)), users
	return nil
}

// checkNames finds unknown targets and users. The proxy refuses them too, but
// does not know where they are given.
func (c *configuration) checkNames() error {
	known := slices.Sorted(maps.Keys(c.targets))
	if name := c.proxy.DefaultTarget; name != "" && !slices.Contains(known, name) {
		return unknownName(c.where("default_target"), "target", name, known)
	}
	for _, name := range c.databases.names() {
		if !slices.Contains(known, name) {
			return unknownName(place("databases", c.databases.of[name].source), "target", name, known)
		}
	}
	for _, user := range c.userTargets.names() {
		at := place("user_targets", c.userTargets.of[user].source)
		if err := c.checkUser(at, user); err != nil {
			return err
		}
		for _, name := range c.proxy.UserTargets[user] {
			if !slices.Contains(known, name) {
				return unknownName(at, "target", name, known)
			}
		}
	}
	for _, setting := range []string{"admin_users", "stats_users"} {
		for _, user := range map[string][]string{"admin_users": c.proxy.AdminUsers, "stats_users": c.proxy.StatsUsers}[setting] {
			if err := c.checkUser(c.where(setting), user); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkUser refuses a user that cannot log in, or whose name every client may
// use.
func (c *configuration) checkUser(at, user string) error {
	if len(c.users) == 0 {
		return command.UsageError(at+" needs auth_file: without passwords the user name is not verified", "give passwords in auth_file, or in [user NAME]")
	}
	if !slices.Contains(c.users, user) {
		return unknownName(at, "user", user, c.users)
	}
	return nil
}

func unknownName(at, kind, name string, known []string) error {
	hint := "known are " + strings.Join(known, ", ")
	if near := spelling.Nearest(name, known); near != "" {
		hint = "did you mean " + near + "?"
	}
	return command.UsageError(fmt.Sprintf("%s: unknown %s %q", at, kind, name), hint)
}

// misplaced adds the place to an error of the library or the proxy.
func misplaced(at string, err error) error {
	text := strings.TrimPrefix(err.Error(), "lakebase: ")
	return command.UsageError(at+": "+strings.TrimPrefix(text, "proxy: "), lakebase.Hint(err))
}
