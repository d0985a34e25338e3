package proxy

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

// reload reads the configuration again. What is wrong with it is logged, and
// then nothing has changed.
func (r *runner) reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notify(reloading)
	defer r.notify(ready)
	next, err := r.load(r.current)
	if err == nil {
		if err = r.server.Reload(next.config); err != nil {
			next.targets.closeBut(r.current.targets)
		}
	}
	if err != nil {
		r.logger.Error("the configuration was not reloaded, nothing has changed", "err", oneline.Text(err.Error()), "hint", oneline.Text(command.Hint(err)))
		return err
	}
	r.level.Set(next.settings.logLevel)
	r.logger.Info("the configuration was reloaded", "changed", strings.Join(changes(r.current, next), ", "))
	r.current = next
	return nil
}

// changes names the settings that differ.
func changes(before, after *setup) (names []string) {
	differ := func(name, was, is string) {
		if was != is {
			names = append(names, name)
		}
	}
	after.settings.flags.VisitAll(func(f *pflag.Flag) {
		if _, ok := f.Value.(*assignments); !ok {
			differ(f.Name, before.settings.flags.Lookup(f.Name).Value.String(), f.Value.String())
		}
	})
	was, is := before.settings, after.settings
	for _, kind := range []struct {
		name    string
		was, is assignments
	}{{"target", was.targetsGiven, is.targetsGiven}, {"databases", was.databases, is.databases}, {"user-targets", was.userTargets, is.userTargets}, {"user", was.passwords, is.passwords}} {
		for name, given := range kind.was.of {
			differ(kind.name+" "+name, given.value, kind.is.of[name].value)
		}
		for name := range kind.is.of {
			if _, ok := kind.was.of[name]; !ok {
				names = append(names, kind.name+" "+name)
			}
		}
	}
	slices.Sort(names)
	return names
}
