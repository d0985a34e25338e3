package doctor

import (
	"context"
	"fmt"
)

// oldestVersion is the oldest major version that the project is tested with.
const oldestVersion = 14

const serverQuery = `
SELECT current_setting('server_version'), current_setting('server_version_num')::int, pg_is_in_recovery(),
       current_setting('default_transaction_read_only'), current_setting('server_encoding'), current_setting('TimeZone')`

// serverFacts are what a server reports about itself.
type serverFacts struct {
	Version  string
	Number   int
	Recovery bool
	ReadOnly string // default_transaction_read_only
	Encoding string
	TimeZone string
}

// checkServer looks at the version, and whether the server accepts writes.
func checkServer(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	s, err := queryFacts[serverFacts](ctx, v.conn, serverQuery)
	if err != nil {
		return v.queryFailed(err)
	}
	access := "read-write"
	if s.Recovery || s.ReadOnly == "on" {
		access = "read-only"
	}
	f := found([]Detail{
		{Name: "version", Value: s.Version}, {Name: "access", Value: access},
		{Name: "encoding", Value: s.Encoding}, {Name: "time zone", Value: s.TimeZone},
	}, "PostgreSQL %s, %s", s.Version, access)
	if s.Number/10000 < oldestVersion {
		f = f.warn(fmt.Sprintf("PostgreSQL %s is older than what this is tested with", s.Version), advice{
			meaning: "Lakebase has 16 and newer; this is another server", action: "use PostgreSQL 14 or newer",
		})
	}
	if access == "read-only" && !v.cfg.ReadOnly && !v.isStatic() {
		f = f.warn("the server is read-only", advice{
			meaning: "writes fail with \"cannot execute ... in a read-only transaction\"; nothing in the configuration asks for that",
			action:  "connect to the read-write endpoint of the branch, if the program writes",
		})
	}
	return f
}
