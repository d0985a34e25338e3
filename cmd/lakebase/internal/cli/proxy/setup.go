package proxy

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/proxy"
)

// setup is a configuration that is ready to be served.
type setup struct {
	settings *settings
	config   proxy.Config
	targets  targets
}

// newSetup makes what the settings say, of what there was before where
// that is the same.
func newSetup(s *settings, args []string, before *setup, logger *slog.Logger) (*setup, error) {
	s.config.PoolMode = proxy.Mode(s.mode)
	s.config.Logger = logger
	if s.config.HTTPListen == "none" {
		s.config.HTTPListen = ""
	}
	s.config.Databases, s.config.UserTargets = s.databases.namesOf(), s.userTargets.namesOf()
	if err := s.setTLS(); err != nil {
		return nil, err
	}
	if err := s.setUsers(); err != nil {
		return nil, err
	}
	var former targets
	if before != nil {
		former = before.targets
	}
	targets, err := s.setTargets(args, former, logger)
	if err != nil {
		return nil, err
	}
	s.config.Targets = targets.connectors()
	return &setup{settings: s, config: s.config, targets: targets}, nil
}

// setTLS reads the certificate.
func (s *settings) setTLS() error {
	if (s.tlsCert == "") != (s.tlsKey == "") {
		one := "client-tls-cert-file"
		if s.tlsCert == "" {
			one = "client-tls-key-file"
		}
		return command.UsageError(s.where(one)+" stands alone: client-tls-cert-file and client-tls-key-file belong together", "give both or none")
	}
	if s.tlsCert == "" {
		return nil
	}
	certificate, err := tls.LoadX509KeyPair(s.tlsCert, s.tlsKey)
	if err != nil {
		return misplaced(s.where("client-tls-cert-file"), err)
	}
	s.config.ClientTLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	return nil
}

// setUsers reads the passwords: of the file for them, and of the file that has
// everything.
func (s *settings) setUsers() error {
	passwords := map[string]string{}
	if s.authFile != "" {
		var err error
		if passwords, err = proxy.ReadPasswords(s.authFile); err != nil {
			return misplaced(s.where("auth-file"), err)
		}
	}
	for name, given := range s.passwords.of {
		at := place("password", given.source)
		if _, twice := passwords[name]; twice {
			return command.UsageError(fmt.Sprintf("%s: %q has one in %s, too", at, name, s.authFile), "keep one of them")
		}
		if _, err := proxy.NewUsers(map[string]string{name: given.value}); err != nil {
			return misplaced(at, err)
		}
		passwords[name] = given.value
	}
	if s.authFile == "" && len(passwords) == 0 {
		return nil
	}
	users, err := proxy.NewUsers(passwords)
	if err != nil {
		return misplaced(s.where("auth-file"), err)
	}
	s.users, s.config.Users = slices.Sorted(maps.Keys(passwords)), users
	return nil
}
