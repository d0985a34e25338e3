package txpool

import (
	"bytes"

	"github.com/lakebase-go/lakebase/internal/routines"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// objectInUse is the SQLSTATE of a statement that needs a database for itself while
// others are connected to it.
const objectInUse = "55006"

// AllDatabases stands for all databases of the target: a role or a database may have got
// other settings, which only new sessions have.
const AllDatabases = ""

// Vacated returns the databases to which no server connection should be open without
// need when the bytes are written that the relay has returned: a statement for the
// server needs them for itself, or has failed because others are connected to them, or
// see [AllDatabases]. It returns each of them once.
func (x *Relay) Vacated() []string {
	databases := x.vacated
	x.vacated = nil
	return databases
}

// Vacates reports whether [Relay.Vacated] has any.
func (x *Relay) Vacates() bool { return len(x.vacated) > 0 }

// vacate notes a database that a statement which is now sent needs for itself, unless
// it is "".
func (p *pipeline) vacate(database string) {
	if database != "" {
		p.vacated = append(p.vacated, database)
	}
}

// vacatedBy returns the database that a text needs for itself, "" for none.
func vacatedBy(text []byte, r routines.Reading) string {
	if r.Impact&routines.Unknown == 0 { // no such text is known to leave nothing behind
		return ""
	}
	return sqlscan.VacatedDatabase(text)
}

// firstQuoted returns what the first quotes in an error's message enclose, "" if there
// are none.
func firstQuoted(message []byte) string {
	if parts := bytes.SplitN(message, []byte{'"'}, 3); len(parts) == 3 {
		return string(parts[1])
	}
	return ""
}
