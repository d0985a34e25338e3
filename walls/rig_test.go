package walls_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"

	"github.com/lakebase-go/lakebase/proxy"
)

// Roles that clients log in with. The names of the proxy's targets are the same.
const (
	superuser = "super" // may do all
	ordinary  = "app"   // owns its database
	hurried   = "hurried"
	member    = "member" // has another role from the start
)

var roles = []string{superuser, ordinary, hurried, member}

// clusterSQL makes what all databases of a server share.
const clusterSQL = `
CREATE ROLE super LOGIN SUPERUSER;
CREATE ROLE app LOGIN REPLICATION;
CREATE ROLE other;
CREATE ROLE adm;
DO $$BEGIN IF pg_catalog.current_setting('server_version_num')::int >= 150000 THEN EXECUTE 'GRANT SET ON PARAMETER session_replication_role TO adm'; END IF; END$$;
GRANT other, adm TO app;
CREATE ROLE hurried LOGIN;
ALTER ROLE hurried SET statement_timeout = '5ms';
CREATE ROLE member LOGIN IN ROLE other, adm;
ALTER ROLE member SET role = 'other';
CREATE DATABASE template OWNER app;
`

// databaseSQL makes what is there before any composition. Its object IDs are
// below those of others, and the same on every server.
const databaseSQL = `
CREATE EXTENSION pg_trgm;
CREATE EXTENSION tablefunc;
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '%[1]s', port '5432', dbname 'template1');
CREATE USER MAPPING FOR super SERVER far OPTIONS (user 'super');
CREATE SCHEMA walls;
GRANT USAGE ON SCHEMA walls TO PUBLIC;
CREATE FOREIGN TABLE walls.far (datname name) SERVER far OPTIONS (schema_name 'pg_catalog', table_name 'pg_database');
CREATE TABLE public.accounts (x text);
INSERT INTO public.accounts VALUES ('the public table');
GRANT SELECT ON public.accounts TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;
`

// cluster is a PostgreSQL server with a database for each worker.
type cluster struct {
	*postgres.Server
	socket string
}

func startCluster(t testing.TB, workers int) *cluster {
	t.Helper()
	settings := map[string]string{
		"max_replication_slots": "50", "max_prepared_transactions": "20", "max_connections": "400", "jit": "off",
		"shared_preload_libraries": "plpgsql,pg_trgm,dblink,postgres_fdw", // each session would load them anew
	}
	// With fewer plans to choose from, the proxy's scans and inspections take two thirds.
	for _, plan := range []string{"mergejoin", "material", "memoize", "bitmapscan", "incremental_sort", "gathermerge"} {
		settings["enable_"+plan] = "off"
	}
	server := testpostgres.StartWith(t, settings)
	c := &cluster{server, filepath.Join(server.SocketDir(), ".s.PGSQL.5432")}
	c.run(t, "postgres", clusterSQL)
	c.run(t, "template", fmt.Sprintf(databaseSQL, server.SocketDir()))
	for i := range workers {
		c.run(t, "postgres", strings.Join(createDatabase(databaseOf(i)), ";\n"))
	}
	return c
}

// available reports whether a server has an extension.
func available(t testing.TB, c *cluster, name string) bool {
	t.Helper()
	conn, err := c.connect("postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(context.Background(), "SELECT FROM pg_catalog.pg_available_extensions WHERE name = "+literal(name)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return len(results[0].Rows) > 0
}

func databaseOf(worker int) string { return fmt.Sprintf("w%d", worker) }

func createDatabase(name string) []string {
	return []string{"CREATE DATABASE " + name + " TEMPLATE template OWNER app", "GRANT CREATE ON DATABASE " + name + " TO PUBLIC"}
}

// run runs statements as the server's own superuser, each in a transaction of its own.
func (c *cluster) run(t testing.TB, database, statements string) {
	t.Helper()
	conn, err := c.connect(database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range splitStatements(statements) {
		if _, err := conn.Exec(context.Background(), statement).ReadAll(); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func (c *cluster) connect(database string) (*pgconn.PgConn, error) {
	return pgconn.Connect(context.Background(), fmt.Sprintf("host=%s port=5432 user=%s dbname=%s", c.SocketDir(), postgres.Admin, database))
}

// startProxy starts a proxy in front of c, with one server connection for each
// role and database. It returns the path of the socket.
func startProxy(t testing.TB, c *cluster, resets bool) string {
	t.Helper()
	log := &testkit.Buffer{}
	targets := map[string]*lakebase.Connector{}
	for _, role := range roles {
		cfg, err := lakebase.ParseConfig(fmt.Sprintf("postgres://%s@/template?host=%s&port=5432&sslmode=disable", role, c.SocketDir()))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
		connector, err := lakebase.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(connector.Close)
		targets[role] = connector
	}
	dir := testkit.OpenDir(t)
	server, err := proxy.New(proxy.Config{
		Listen: "none", UnixSocketDir: filepath.Join(dir, "proxy"),
		Targets: targets, DefaultPoolSize: 1, QueryWaitTimeout: time.Minute, ServerResetQueryAlways: resets,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background()) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("sessions are still open at the end: %v", err)
		}
		if err := <-served; !errors.Is(err, proxy.ErrServerClosed) {
			t.Error("serve:", err)
		}
	})
	return filepath.Join(dir, "proxy", ".s.PGSQL.5432")
}
