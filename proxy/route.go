package proxy

import (
	"fmt"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// route is where a client goes.
type route struct {
	target   *target
	database string // empty means the target's own
}

// route finds where a database name of a client leads. Where several targets'
// names begin it, the longest counts.
func (s *configuration) route(name string) (route, error) {
	if t := s.targets[name]; t != nil {
		return route{target: t}, nil
	}
	for i := strings.LastIndexByte(name, '/'); i >= 0; i = strings.LastIndexByte(name[:i], '/') {
		if t := s.targets[name[:i]]; t != nil {
			return t.database(name[i+1:]), nil
		}
	}
	t := s.targets[s.DefaultTarget]
	if t == nil {
		return route{}, &pgwire.Error{Code: "3D000", Message: fmt.Sprintf("no target is called %q, and there is no default one", name),
			Hint: "name the target as the database: TARGET or TARGET/DATABASE"}
	}
	return t.database(name), nil
}

// database is the route to a database of t, the same one however its own is
// spelled.
func (t *target) database(name string) route {
	if name == t.connector.Database() {
		name = ""
	}
	return route{target: t, database: name}
}
