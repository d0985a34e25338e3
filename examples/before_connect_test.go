package examples

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
)

// A pool that the program already configures itself: the hook gives each new
// connection its host, user, token and TLS, and leaves the rest alone.
func Example_beforeConnect() {
	ctx := context.Background()
	cfg, err := lakebase.ParseConfig("my-instance/databricks_postgres")
	if err != nil {
		fmt.Println(err)
		return
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer connector.Close()

	poolConfig, err := pgxpool.ParseConfig("pool_max_conns=2")
	if err != nil {
		fmt.Println(err)
		return
	}
	poolConfig.BeforeConnect = connector.BeforeConnect
	poolConfig.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET statement_timeout = '5s'")
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	var user, timeout string
	if err := pool.QueryRow(ctx, "SELECT current_user, current_setting('statement_timeout')").Scan(&user, &timeout); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(user, timeout)
	// Output: dev@example.com 5s
}
