package proxy

import "slices"

// switches say for which databases something is on, those included that
// nobody has asked for yet. The zero value is off for all.
type switches []rule

// rule turns something on or off for a database of a target. An empty name
// means any.
type rule struct {
	target, database string
	on               bool
}

func (r rule) covers(target, database string) bool {
	return (r.target == "" || r.target == target) && (r.database == "" || r.database == database)
}

// set turns the databases on or off that the names cover. What was said of
// them before does not count any more.
func (s *switches) set(target, database string, on bool) {
	now := rule{target, database, on}
	rules := slices.DeleteFunc(*s, func(r rule) bool { return now.covers(r.target, r.database) })
	*s = append(rules, now)
}

// on reports what was said last of a database.
func (s switches) on(target, database string) bool {
	for _, r := range slices.Backward(s) {
		if r.covers(target, database) {
			return r.on
		}
	}
	return false
}
