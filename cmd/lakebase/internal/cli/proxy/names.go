package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/spelling"
)

// checkNames finds names of targets and users that there are none of. The proxy
// would refuse them too, but cannot say where they are.
func (s *settings) checkNames(ts targets) error {
	targets := slices.Sorted(maps.Keys(ts))
	if name := s.config.DefaultTarget; !slices.Contains(targets, name) && name != "" {
		return noSuchName(s.where("default-target"), "target", name, targets)
	}
	for name, given := range s.databases.of {
		if !slices.Contains(targets, name) {
			return noSuchName(place("databases", given.source), "target", name, targets)
		}
	}
	for user, given := range s.userTargets.of {
		at := place("user-targets", given.source)
		if err := s.checkUser(at, user); err != nil {
			return err
		}
		for _, name := range s.userTargets.namesOf()[user] {
			if !slices.Contains(targets, name) {
				return noSuchName(at, "target", name, targets)
			}
		}
	}
	for _, setting := range []struct {
		name  string
		users []string
	}{{"admin-users", s.config.AdminUsers}, {"stats-users", s.config.StatsUsers}} {
		for _, user := range setting.users {
			if err := s.checkUser(s.where(setting.name), user); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkUser refuses a name that means nobody, or anybody.
func (s *settings) checkUser(at, user string) error {
	if len(s.users) == 0 {
		return command.UsageError(fmt.Sprintf("%s: nobody needs a password, so anybody can say to be %q", at, user), "give passwords with auth-file, or in [user NAME]")
	}
	if !slices.Contains(s.users, user) {
		return noSuchName(at, "user", user, s.users)
	}
	return nil
}

func noSuchName(at, kind, name string, known []string) error {
	hint := "known are " + strings.Join(known, ", ")
	if near := spelling.Nearest(name, known); near != "" {
		hint = "did you mean " + near + "?"
	}
	return command.UsageError(fmt.Sprintf("%s: there is no %s %q", at, kind, name), hint)
}

// misplaced says where a mistake is.
func misplaced(at string, err error) error {
	text := strings.TrimPrefix(err.Error(), "lakebase: ")
	return command.UsageError(at+": "+strings.TrimPrefix(text, "proxy: "), lakebase.Hint(err))
}
