package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// admit lets a client that has logged in go where it wants, if it may. Whoever
// is admitted must leave by [Server.exit].
func (s *Server) admit(startup *pgwire.Startup) (route, error) {
	for {
		settings := s.settings.Load()
		if err := settings.checkParameters(startup); err != nil {
			return route{}, err
		}
		r, err := settings.route(startup.Get("database"))
		if err != nil {
			return route{}, err
		}
		if err := settings.checkAccess(r, startup); err != nil {
			return route{}, err
		}
		if s.enter(r.target) {
			return r, nil
		}
		// It has just been removed: there are new settings.
	}
}

// checkParameters refuses what no client may ask for as it connects. Servers
// take names of settings in any case.
func (s *configuration) checkParameters(startup *pgwire.Startup) error {
	asked, err := sqlscan.ParseOptions(startup.Get("options"))
	if err != nil {
		return &pgwire.Error{Code: "22023", Message: err.Error()}
	}
	if s.AllowSetRole {
		return nil
	}
	for _, p := range startup.Parameters {
		if err := checkParameter(p.Name); err != nil {
			return err
		}
	}
	for _, o := range asked {
		if err := checkParameter(o.Name); err != nil {
			return err
		}
	}
	return nil
}

func checkParameter(name string) error {
	switch strings.ToLower(name) {
	case "role", "session_authorization":
		return &pgwire.Error{Code: "42501", Message: fmt.Sprintf("permission denied to set parameter %q while connecting", name),
			Hint: "the proxy takes no role from its clients, unless it is started with allow_set_role"}
	}
	return nil
}

// checkAccess refuses routes that the configuration does not allow.
func (s *configuration) checkAccess(r route, startup *pgwire.Startup) error {
	name := r.target.name
	if allowed, ok := s.UserTargets[startup.User()]; ok && !slices.Contains(allowed, name) {
		return &pgwire.Error{Code: "42501", Message: fmt.Sprintf("user %q may not connect to the target %q", startup.User(), name),
			Hint: "the proxy's user_targets say where each user may connect"}
	}
	allowed, limited := s.Databases[name]
	if !limited {
		return nil
	}
	if r.database != "" && !slices.Contains(allowed, r.database) {
		return &pgwire.Error{Code: "42501", Message: fmt.Sprintf("clients may not connect to the database %q of the target %q", r.database, name),
			Hint: "the proxy's databases say which ones they may name"}
	}
	if replication(startup) != replicationNone {
		return &pgwire.Error{Code: "42501", Message: fmt.Sprintf("clients may not replicate from the target %q: that reads all its databases", name),
			Hint: "the proxy must not limit the databases of a target that is replicated from"}
	}
	return nil
}

// isOpen reports whether clients may still come to a database of t.
func (s *configuration) isOpen(t *target, database string) bool {
	allowed, limited := s.Databases[t.name]
	return s.targets[t.name] == t && (database == "" || !limited || slices.Contains(allowed, database))
}

// validateAccess finds names that mean nobody or nothing: whoever mistypes one
// must not find out by who gets in.
func (c *Config) validateAccess() error {
	for target := range c.Databases {
		if c.Targets[target] == nil {
			return fmt.Errorf("proxy: databases are named for the target %q, which there is not", target)
		}
	}
	for user, targets := range c.UserTargets {
		if c.Users == nil {
			return fmt.Errorf("proxy: targets are named for the user %q, but without passwords anybody can say to be that", user)
		}
		if !c.Users.has(user) {
			return fmt.Errorf("proxy: targets are named for the user %q, who cannot log in", user)
		}
		for _, target := range targets {
			if c.Targets[target] == nil {
				return fmt.Errorf("proxy: user %q may connect to the target %q, which there is not", user, target)
			}
		}
	}
	for _, user := range slices.Concat(c.AdminUsers, c.StatsUsers) {
		if c.Users != nil && !c.Users.has(user) {
			return fmt.Errorf("proxy: %q may use the console, but cannot log in", user)
		}
	}
	return nil
}

// cloneAccess makes c's lists its own.
func (c *Config) cloneAccess() {
	c.Databases, c.UserTargets = maps.Clone(c.Databases), maps.Clone(c.UserTargets)
	for _, lists := range []map[string][]string{c.Databases, c.UserTargets} {
		for name, list := range lists {
			lists[name] = slices.Clone(list)
		}
	}
	c.AdminUsers, c.StatsUsers = slices.Clone(c.AdminUsers), slices.Clone(c.StatsUsers)
}
