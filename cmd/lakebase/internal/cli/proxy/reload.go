package proxy

import (
	"maps"
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
	next, err := r.load()
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
func changes(before, after *configuration) []string {
	was, is := before.values(), after.values()
	differ := maps.Clone(was)
	maps.Copy(differ, is)
	maps.DeleteFunc(differ, func(name, _ string) bool { return was[name] == is[name] })
	return slices.Sorted(maps.Keys(differ))
}

// values returns all values, including passwords, by name.
func (c *configuration) values() map[string]string {
	values := map[string]string{}
	for _, s := range c.table {
		values[s.Name] = s.Text()
	}
	for _, a := range c.assignments() {
		for name, given := range a.of {
			values[a.name+" "+name] = given.value
		}
	}
	return values
}
