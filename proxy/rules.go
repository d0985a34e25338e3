package proxy

import (
	"slices"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// rules turn something on or off for databases, including those that no client
// has named yet. The zero value is off for all. A later rule overrides the
// earlier ones.
type rules []rule

type rule struct {
	pattern snapshot.Database
	on      bool
}

// set adds a rule. It drops those that the new one overrides altogether.
func (r *rules) set(pattern snapshot.Database, on bool) {
	kept := slices.DeleteFunc(*r, func(old rule) bool { return pattern.Matches(old.pattern) })
	*r = append(kept, rule{pattern, on})
}

// on reports what the last rule for a database says.
func (r rules) on(db snapshot.Database) bool {
	for _, one := range slices.Backward(r) {
		if one.pattern.Matches(db) {
			return one.on
		}
	}
	return false
}
