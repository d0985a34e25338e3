package lakebase_test

// What README and docs show in Go, so that it is compiled: TestGoOfPagesIsCompiled
// looks each block up here, in the examples and in their tests.

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
	"github.com/lakebase-go/lakebase/proxy"
)

var _ = []any{snippetNewPool, snippetConnector, snippetConnect, snippetService, snippetOwnPool, snippetOpenDB, snippetErrors,
	snippetUsers, snippetProxy, snippetMigration, snippetFaults}

func snippetNewPool(ctx context.Context) error {
	pool, err := lakebase.NewPool(ctx, "projects/my-project") // a plain *pgxpool.Pool
	if err != nil {
		return err
	}
	defer pool.Close()

	var name string
	err = pool.QueryRow(ctx, "SELECT current_user").Scan(&name)
	return err
}

func snippetConnector(ctx context.Context, pgxCfg *pgxpool.Config) error {
	cfg, err := lakebase.ParseConfig("") // LAKEBASE_ENDPOINT, LAKEBASE_DATABASE_NAME, PGHOST, ...
	c, err := lakebase.New(cfg)          // no network yet
	defer c.Close()

	c.StartRefresh()
	pool, err := c.NewPool(ctx)            // pgx
	db := c.OpenDB()                       // database/sql: GORM, sqlx, goose, ...
	pgxCfg.BeforeConnect = c.BeforeConnect // or a pool that you configure yourself
	_, _ = pool, db
	return err
}

func snippetConnect(ctx context.Context) error {
	conn, err := lakebase.Connect(ctx, "projects/my-project")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return nil
}

func snippetService(ctx context.Context) error {
	cfg, err := lakebase.ParseConfig("") // the environment
	if err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close() // stops the refresh, closes its pools

	connector.StartRefresh()
	pool, err := connector.NewPool(ctx)
	_ = pool
	return err
}

func snippetMigration(poolConfig *pgxpool.Config) error {
	cfg, err := lakebase.ParseConfig("") // ENDPOINT_NAME, PGHOST, PGDATABASE and so on
	if err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	connector.StartRefresh()
	poolConfig.BeforeConnect = connector.BeforeConnect
	return nil
}

func snippetOwnPool(ctx context.Context, connector *lakebase.Connector, registerTypes func(context.Context, *pgx.Conn) error) error {
	poolConfig, err := pgxpool.ParseConfig("")
	poolConfig.MaxConns = 50
	poolConfig.AfterConnect = registerTypes
	pool, err := connector.NewPoolWithConfig(ctx, poolConfig)
	_ = pool
	return err
}

func snippetOpenDB(connector *lakebase.Connector) {
	db := connector.OpenDB() // *sql.DB
	_ = db
}

func snippetErrors(w http.ResponseWriter, log *slog.Logger, err error) {
	switch {
	case err == nil:
	case lakebase.Retryable(err): // the workspace, DNS or the database may be back soon
		w.Header().Set("Retry-After", "1")
		http.Error(w, "try again", http.StatusServiceUnavailable)
	default:
		log.Error("connect failed", "error", err, "hint", lakebase.Hint(err))
	}
}

func snippetUsers(connector *lakebase.Connector, r *http.Request) error {
	users := &lakebase.Users{Connector: connector, MaxUsers: 50, MaxConns: 4}

	pool, err := users.Pool(r.Context(), r.Header.Get("X-Forwarded-Access-Token"))
	if err != nil {
		return err // lakebase.Hint(err) says what to do
	}
	defer pool.Close() // ends this request's use of it
	return nil
}

func snippetProxy(ctx context.Context, connector *lakebase.Connector) error {
	server, err := proxy.New(proxy.Config{
		Targets: map[string]*lakebase.Connector{"shop": connector},
	})
	err = server.Serve(ctx) // until ctx ends, or server.Shutdown
	return err
}

func snippetFaults(t *testing.T) error {
	server := lakebasetest.New(t)             // stops and cleans up with the test
	cfg := lakebasetest.Config(t, server, "") // for lakebase.New
	err := server.SetFaults(local.Faults{API: local.APIFault{Status: 503}})
	_ = cfg
	return err
}
