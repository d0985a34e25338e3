package doctor

import (
	"context"
	"fmt"
)

// oldestVersion is the oldest major version that the project is tested with.
const oldestVersion = 14

const serverQuery = `
SELECT current_setting('server_version'),
       CASE WHEN pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' THEN 'read-only' ELSE 'read-write' END,
       current_setting('server_encoding'), current_setting('TimeZone'), current_setting('server_version_num')::int`

// serverFacts are the row of serverQuery.
type serverFacts struct {
	Version  string `detail:"version"`
	Access   string `detail:"access"`
	Encoding string `detail:"encoding"`
	TimeZone string `detail:"time zone"`
	Number   int
}

// checkServer looks at the version, and whether the server accepts writes.
func checkServer(ctx context.Context, v *visit) finding {
	s, details, err := readFacts[serverFacts](ctx, v, serverQuery)
	if err != nil {
		return v.queryFailed(err)
	}
	f := found(details, "PostgreSQL %s, %s", s.Version, s.Access)
	if s.Number/10000 < oldestVersion {
		f = f.warn(fmt.Sprintf("PostgreSQL %s is older than what this is tested with", s.Version), advice{
			meaning: "Lakebase has 16 and newer; this is another server", action: "use PostgreSQL 14 or newer",
		})
	}
	if s.Access == "read-only" && !v.cfg.ReadOnly && !v.isStatic() {
		f = f.warn("the server is read-only", advice{
			meaning: "writes fail with \"cannot execute ... in a read-only transaction\"; nothing in the configuration asks for that",
			action:  "connect to the read-write endpoint of the branch, if the program writes",
		})
	}
	return f
}
