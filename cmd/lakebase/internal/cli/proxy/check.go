package proxy

import (
	"cmp"
	"maps"
	"slices"

	"github.com/spf13/pflag"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/env"
)

// hidden stands for a secret.
const hidden = "[redacted]"

// check reports the settings of a proxy that could be started.
func (r *runner) check() error {
	if err := r.start(); err != nil {
		return err
	}
	defer r.close()
	return env.Print(r.std, r.current.report(), r.output)
}

// report lists the settings as they are in force, in the order of the flags,
// and after them those that there is one of for each target and user.
func (p *setup) report() (reports []env.Report) {
	s := p.settings
	s.flags.VisitAll(func(f *pflag.Flag) {
		if _, several := f.Value.(*assignments); several {
			return
		}
		value := f.Value.String()
		if f.Name == "default-target" {
			value = p.targets.defaultOf(p.config)
		}
		reports = append(reports, env.Report{Name: f.Name, Value: value, Source: cmp.Or(s.sources[f.Name], fromDefault)})
	})
	for _, name := range slices.Sorted(maps.Keys(p.targets)) {
		given, ok := s.targetsGiven.of[name]
		if !ok { // the argument, or what the environment names
			given = assigned{p.targets[name].address, "argument"}
			if given.value == "" {
				given = assigned{name, "environment"}
			}
		}
		value, secret := shownAddress(given.value, p.targets[name].settings)
		reports = append(reports, env.Report{Name: "target " + name, Value: value, Source: given.source, Secret: secret})
	}
	reports = append(reports, reportAll("databases", s.databases, false)...)
	reports = append(reports, reportAll("user", s.passwords, true)...)
	return append(reports, reportAll("user-targets", s.userTargets, false)...)
}

func reportAll(kind string, all assignments, secret bool) (reports []env.Report) {
	for _, name := range slices.Sorted(maps.Keys(all.of)) {
		r := env.Report{Name: kind + " " + name, Value: all.of[name].value, Source: all.of[name].source, Secret: secret}
		if secret {
			r.Value = hidden
		}
		reports = append(reports, r)
	}
	return reports
}
