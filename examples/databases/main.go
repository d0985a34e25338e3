// Command databases has a pool for each of several databases, and one token for all.
// Each pool has a limit of its own, because they share the limit of the endpoint.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, databases []string) error {
	cfg, err := lakebase.ParseConfig("") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close() // closes the pools as well

	for _, database := range databases {
		poolConfig, err := pgxpool.ParseConfig("pool_max_conns=2")
		if err != nil {
			return err
		}
		poolConfig.ConnConfig.Database = database
		pool, err := connector.NewPoolWithConfig(ctx, poolConfig)
		if err != nil {
			return err
		}
		var here string
		if err := pool.QueryRow(ctx, "SELECT current_database()").Scan(&here); err != nil {
			return err
		}
		fmt.Fprintln(out, here)
	}
	_, err = fmt.Fprintln(out, connector.Stats().Tokens, "token")
	return err
}
