package doctor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// oldest is the oldest major version that the project is tested with.
const oldest = 14

// serverFacts are what a server says of itself.
type serverFacts struct {
	Version  string
	Number   int
	Recovery bool
	ReadOnly string // default_transaction_read_only
	Encoding string
	TimeZone string
}

// checkServer looks at the server's version and whether it takes writes.
func checkServer(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	rows, err := v.conn.Query(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num')::int,
		pg_is_in_recovery(), current_setting('default_transaction_read_only'), current_setting('server_encoding'), current_setting('TimeZone')`)
	if err != nil {
		return v.queryFailed(err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[serverFacts])
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
	if s.Number/10000 < oldest {
		f = f.warn(fmt.Sprintf("PostgreSQL %s is older than what this is tested with", s.Version), advice{
			meaning: "Lakebase has 16 and newer; this is another server", action: "use PostgreSQL 14 or newer",
		})
	}
	if access == "read-only" && !v.cfg.ReadOnly && !v.isStatic() {
		f = f.warn("the server is read-only", advice{
			meaning: "writing ends in \"cannot execute ... in a read-only transaction\"; nothing in the configuration asks for that",
			action:  "connect to the read-write endpoint of the branch, if the program writes",
		})
	}
	return f
}
