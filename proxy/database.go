package proxy

import (
	"cmp"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// database is one database of a target: where a client connects to, and the key
// of a pool. Two targets are different even if they have the same name, as after
// a reload.
type database struct {
	target *target
	name   string // empty for the target's own database, however a client spells it
}

// label is the name of d in the console and in rules: the target's own database
// is named like the target.
func (d database) label() snapshot.Database {
	return snapshot.Database{Target: d.target.name, Name: cmp.Or(d.name, d.target.name)}
}
