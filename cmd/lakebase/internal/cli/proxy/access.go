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
	shown, err := newCertificate(c.certFile, c.keyFile, c.proxy.Logger)
	if err != nil {
		return misplaced(c.where("client_tls_cert_file"), err)
	}
	c.proxy.ClientTLS = &tls.Config{GetCertificate: shown.get, MinVersion: tls.VersionTLS12}
	return nil
}

// readUsers reads the passwords of auth_file and of the configuration file.
func (c *configuration) readUsers() (err error) {
	passwords := map[string]string{}
	if c.authFile != "" {
		if passwords, err = proxy.ReadPasswords(c.authFile); err != nil {
			return misplaced(c.where("auth_file"), err)
		}
	}
	for name, given := range c.passwords.of {
		if _, twice := passwords[name]; twice {
			return command.UsageError(fmt.Sprintf("%s: user %q has a password in %s too", c.passwords.where(name), name, c.authFile), "keep one of them")
		}
		if _, err := proxy.NewUsers(map[string]string{name: given.value}); err != nil {
			return misplaced(c.passwords.where(name), err)
		}
		passwords[name] = given.value
	}
	if c.authFile == "" && len(passwords) == 0 {
		return nil
	}
	if c.proxy.Users, err = proxy.NewUsers(passwords); err != nil {
		return misplaced(c.where("auth_file"), err)
	}
	c.users = slices.Sorted(maps.Keys(passwords))
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
			return unknownName(c.databases.where(name), "target", name, known)
		}
	}
	at := map[string]string{} // by user, where it is named
	for _, user := range c.proxy.StatsUsers {
		at[user] = c.where("stats_users")
	}
	for _, user := range c.proxy.AdminUsers {
		at[user] = c.where("admin_users")
	}
	for _, user := range c.userTargets.names() {
		at[user] = c.userTargets.where(user)
		for _, name := range c.proxy.UserTargets[user] {
			if !slices.Contains(known, name) {
				return unknownName(at[user], "target", name, known)
			}
		}
	}
	for _, user := range slices.Sorted(maps.Keys(at)) {
		if len(c.users) == 0 {
			return command.UsageError(at[user]+" needs auth_file: without passwords the user name is not verified", "give passwords in auth_file, or in [user NAME]")
		}
		if !slices.Contains(c.users, user) {
			return unknownName(at[user], "user", user, c.users)
		}
	}
	return nil
}

func unknownName(at, kind, name string, known []string) error {
	hint := "known names: " + strings.Join(known, ", ")
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
