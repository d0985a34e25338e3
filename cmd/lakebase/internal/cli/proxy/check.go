package proxy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/env"
	"github.com/lakebase-go/lakebase/internal/settings"
)

// check prints the settings in force, without listening.
func (r *runner) check() error {
	if err := r.start(); err != nil {
		return err
	}
	defer r.close()
	return env.Print(r.std, r.current.report(), r.output)
}

// report lists the settings in force, in the order of the flags, and then those
// with a value for each target or user.
func (c *configuration) report() (reports []env.Report) {
	for _, s := range c.table {
		if s.Name != "target" && s.Name != "databases" && s.Name != "user_targets" {
			reports = append(reports, env.Report{Name: s.Name, Value: s.Text(), Source: cmp.Or(s.Source, settings.FromDefault)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.targets)) {
		given, ok := c.addresses.of[name]
		if !ok && c.targets[name].address != "" {
			given = assigned{c.targets[name].address, settings.FromArgument}
		} else if !ok {
			given = assigned{name, strings.TrimSpace(settings.FromEnvironment)}
		}
		value, secret := shownAddress(given.value, c.targets[name].settings)
		reports = append(reports, env.Report{Name: "target " + name, Value: value, Source: given.source, Secret: secret})
	}
	return slices.Concat(reports, c.databases.report(), c.passwords.report(), c.userTargets.report())
}
