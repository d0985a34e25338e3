package proxy

import (
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

// reload reads the configuration again. An error is logged and leaves
// everything as it was.
func (r *runner) reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notify(reloading)
	defer r.notify(ready)
	next, err := r.load(r.current)
	if err == nil {
		if err = r.server.Reload(next.proxy); err != nil {
			next.targets.closeBut(r.current.targets)
		}
	}
	if err != nil {
		attributes := []any{"error", oneline.Text(err.Error())}
		if hint := command.Hint(err); hint != "" {
			attributes = append(attributes, "hint", oneline.Text(hint))
		}
		r.logger.Error("configuration not reloaded, nothing changed", attributes...)
		return err
	}
	r.level.Set(next.logLevel)
	var attributes []any
	if changed := changes(r.current, next); len(changed) > 0 {
		attributes = []any{"changed", strings.Join(changed, ", ")}
	}
	r.logger.Info("configuration reloaded", attributes...)
	r.current = next
	return nil
}

// changes returns the names of the settings that differ, in order.
func changes(before, after *configuration) (names []string) {
	for i, s := range after.table {
		if s.Text() != before.table[i].Text() {
			names = append(names, s.Name)
		}
	}
	was, is := before.lists(), after.lists()
	for i := range is {
		all := append(was[i].names(), is[i].names()...)
		slices.Sort(all)
		for _, name := range slices.Compact(all) {
			if was[i].of[name].value != is[i].of[name].value {
				names = append(names, is[i].name+" "+name)
			}
		}
	}
	slices.Sort(names)
	return names
}
