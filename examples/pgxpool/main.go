// Command pgxpool configures its pool itself: limits, hooks and parameters are pgx's own.
// The connector adds host, user, token and TLS to each new connection, in NewPoolWithConfig
// or, where something else creates the pool, by the hook BeforeConnect.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
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
	cfg, err := lakebase.ParseConfig("") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()

	poolConfig, err := pgxpool.ParseConfig("application_name=reports pool_max_conns=2")
	if err != nil {
		return err
	}
	poolConfig.MaxConnIdleTime = 5 * time.Minute
	poolConfig.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET statement_timeout = '5s'")
		return err
	}
	pool, err := connector.NewPoolWithConfig(ctx, poolConfig)
	if err != nil {
		return err
	}
	if err := show(ctx, pool, out); err != nil {
		return err
	}

	// The same for a pool that is not the connector's.
	poolConfig.BeforeConnect = connector.BeforeConnect
	own, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return err
	}
	defer own.Close() // before the connector
	return show(ctx, own, out)
}

func show(ctx context.Context, pool *pgxpool.Pool, out io.Writer) error {
	var user, application, timeout string
	if err := pool.QueryRow(ctx, `
		SELECT current_user, current_setting('application_name'), current_setting('statement_timeout')`,
	).Scan(&user, &application, &timeout); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s as %s, at most %d connections, statements of at most %s\n", application, user, pool.Config().MaxConns, timeout)
	return err
}
