// Command readreplica writes to the primary of a project and reads from its read-only
// endpoint. A replica may be behind, so a read that needs an earlier write waits for its
// position in the log (LSN); a write to the replica is refused with SQLSTATE 25006.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	primary, err := open(ctx, false)
	if err != nil {
		return err
	}
	defer primary.Close()
	replica, err := open(ctx, true)
	if err != nil {
		return err
	}
	defer replica.Close()

	if _, err := primary.Exec(ctx, `
		CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL);
		INSERT INTO lakes VALUES ('Baikal', 1642) ON CONFLICT DO NOTHING`); err != nil {
		return err
	}
	var written string
	if err := primary.QueryRow(ctx, "SELECT pg_current_wal_lsn()::text").Scan(&written); err != nil {
		return err
	}
	if err := waitFor(ctx, replica, written); err != nil {
		return err
	}
	var name string
	var standby bool
	if err := replica.QueryRow(ctx, "SELECT name, pg_is_in_recovery() FROM lakes").Scan(&name, &standby); err != nil {
		return err
	}
	fmt.Fprintf(out, "read %s, from a replica: %t\n", name, standby)

	_, err = replica.Exec(ctx, "DELETE FROM lakes")
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return fmt.Errorf("the replica did not refuse to write: %w", err)
	}
	_, err = fmt.Fprintln(out, "write refused:", refused.Code)
	return err
}

// open returns a pool to the branch of the environment, or to its read-only endpoint:
// LAKEBASE_ENDPOINT is projects/P or projects/P/branches/B, without an endpoint.
func open(ctx context.Context, readOnly bool) (*pgxpool.Pool, error) {
	cfg, err := lakebase.ParseConfig("")
	if err != nil {
		return nil, err
	}
	cfg.ReadOnly = readOnly
	connector, err := lakebase.New(cfg)
	if err != nil {
		return nil, err
	}
	return connector.NewPool(ctx)
}

// waitFor returns once the replica has what was written up to lsn.
func waitFor(ctx context.Context, replica *pgxpool.Pool, lsn string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var reached bool
		if err := replica.QueryRow(ctx, "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", lsn).Scan(&reached); err != nil || reached {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
