package proxy_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// console logs in to the console.
func (r *rig) console() *pgx.Conn { return connect(r.t, r.url("pgbouncer", "")) }

// consoleIn logs in to the console with one of pgx's ways to query.
func (r *rig) consoleIn(mode pgx.QueryExecMode) *pgx.Conn {
	r.t.Helper()
	cfg, err := pgx.ParseConfig(r.url("pgbouncer", ""))
	if err != nil {
		r.t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = mode
	conn, err := pgx.ConnectConfig(r.t.Context(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

var allModes = []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeCacheStatement}

// rowsOf queries a console and returns rows by column name, with int64 for all integers.
func rowsOf(t testing.TB, conn *pgx.Conn, sql string) (columns []string, rows []map[string]any) {
	t.Helper()
	result, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	rows, err = pgx.CollectRows(result, pgx.RowToMap)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for _, f := range result.FieldDescriptions() {
		columns = append(columns, f.Name)
	}
	for _, r := range rows {
		for name, value := range r {
			if n, ok := value.(int32); ok {
				r[name] = int64(n)
			}
		}
	}
	return columns, rows
}

// only is the one row that matches.
func only(t testing.TB, rows []map[string]any, column string, value any) map[string]any {
	t.Helper()
	var found []map[string]any
	for _, r := range rows {
		if r[column] == value {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d rows with %s = %v, want one: %v", len(found), column, value, rows)
	}
	return found[0]
}

func TestConsoleShowsPools(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1})
	working := connect(t, r.url("shop", "&application_name=worker"))
	waiting := r.connect()
	exec(t, working, "BEGIN")
	answered := settled(waiting, "SELECT 1")
	conn := r.console()
	testkit.Eventually(t, "a client waits", func() bool {
		_, rows := rowsOf(t, conn, "SHOW POOLS")
		return only(t, rows, "database", "shop")["cl_waiting"] == int64(1)
	})
	_, rows := rowsOf(t, conn, "show pools extended;")
	pool := only(t, rows, "database", "shop")
	for column, want := range map[string]any{"user": "dev@example.com", "cl_active": int64(1), "sv_active": int64(1), "sv_idle": int64(0),
		"pool_mode": "transaction", "target": "shop", "pool_size": int64(1), "paused": int64(0)} {
		if pool[column] != want {
			t.Errorf("SHOW POOLS: %s is %v, want %v", column, pool[column], want)
		}
	}
	_, clients := rowsOf(t, conn, "SHOW CLIENTS")
	client := only(t, clients, "application_name", "worker")
	_, servers := rowsOf(t, conn, "SHOW SERVERS")
	server := only(t, servers, "database", "shop")
	if client["link"] != server["ptr"] || server["link"] != client["ptr"] || client["state"] != "active" || server["state"] != "active" {
		t.Errorf("client %v and server %v do not name each other", client, server)
	}
	if pid := one[int64](t, working, "SELECT pg_backend_pid()"); server["remote_pid"] != pid {
		t.Errorf("server process %v, want %d", server["remote_pid"], pid)
	}
	if tls, _ := server["tls"].(string); !strings.HasPrefix(tls, "TLSv1.3/TLS_") {
		t.Errorf("tls is %q", tls)
	}
	if own := only(t, clients, "database", "pgbouncer"); own["id"] != int64(conn.PgConn().PID()) {
		t.Errorf("the console's own id is %v, want %d", own["id"], conn.PgConn().PID())
	}
	exec(t, working, "COMMIT")
	if err := <-answered; err != nil {
		t.Error(err)
	}
	_, rows = rowsOf(t, conn, "SHOW TARGETS")
	target := only(t, rows, "target", "shop")
	if host, _ := target["host"].(string); target["token"] != "valid" || target["is_default"] != int64(1) || host == "" || target["user"] != "dev@example.com" {
		t.Errorf("SHOW TARGETS: %v", target)
	}
}

// A login to another database of the target does not change what its own is.
func TestConsoleShowsEachTargetsOwnDatabase(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode})
		for _, database := range []string{"shop/postgres", "shop", "shop/postgres"} {
			one[int](t, connect(t, r.url(database, "")), "SELECT 1")
			_, databases := rowsOf(t, r.console(), "SHOW DATABASES")
			_, targets := rowsOf(t, r.console(), "SHOW TARGETS")
			if got := []any{only(t, databases, "name", "shop")["database"], only(t, databases, "name", "shop/postgres")["database"], only(t, targets, "target", "shop")["database"]}; !slices.Equal(got, []any{"databricks_postgres", "postgres", "databricks_postgres"}) {
				t.Errorf("after a login to %s: %v", database, got)
			}
		}
	})
}

func TestConsoleAnswersPsql(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{})
	one[int](t, r.connect(), "SELECT 1")
	out := runPsql(t, "-d", r.url("pgbouncer", ""), "-c", "SHOW STATE", "-c", "SHOW VERSION; SELECT 1;", "-c", "PAUSE shop", "-c", "RESUME")
	lines := strings.Split(out, "\n")
	if !slices.Contains(lines, "active|yes") || !slices.Contains(lines, "1") || !slices.Contains(lines, "PAUSE") || !slices.Contains(lines, "RESUME") ||
		!slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "lakebase proxy ") }) || strings.Contains(out, "WARNING") {
		t.Errorf("psql printed %q", out)
	}
}

// settled runs a command in the background.
func settled(conn *pgx.Conn, sql string) chan error {
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), sql)
		done <- err
	}()
	return done
}

func isPaused(t testing.TB, conn *pgx.Conn, database string) bool {
	_, rows := rowsOf(t, conn, "SHOW DATABASES")
	return only(t, rows, "name", database)["paused"] == int64(1)
}

func pending(done chan error) bool {
	select {
	case err := <-done:
		done <- err
		return false
	default:
		return true
	}
}

// A client that waits for RESUME gets no notice about a database that wakes up.
func TestNothingWakesUpWhilePaused(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.TransactionMode, QueryWaitTimeout: 7 * time.Second})
	exec(t, r.console(), "PAUSE")
	cfg, err := pgx.ParseConfig(r.url("shop", ""))
	if err != nil {
		t.Fatal(err)
	}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { t.Errorf("notice: %s", n.Message) }
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err == nil {
		conn.Close(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "57P03") {
		t.Errorf("a paused pool lets a client in: %v", err)
	}
}

func TestPauseWaitsForTransactionsUntilResume(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{})
	working, waiting := r.connect(), r.connect()
	exec(t, working, "BEGIN")
	before := one[int](t, working, "SELECT pg_backend_pid()")
	operator, observer := r.console(), r.console()
	paused := settled(operator, "PAUSE")
	testkit.Eventually(t, "PAUSE has begun", func() bool { return isPaused(t, observer, "shop") })
	answered := settled(waiting, "SELECT 1")
	testkit.Eventually(t, "the other client waits", func() bool {
		_, rows := rowsOf(t, observer, "SHOW POOLS")
		return only(t, rows, "database", "shop")["cl_waiting"] == int64(1)
	})
	if !pending(paused) {
		t.Fatal("PAUSE does not wait for the transaction")
	}
	if got := one[int](t, working, "SELECT pg_backend_pid()"); got != before {
		t.Error("the open transaction has changed its server connection")
	}
	exec(t, working, "COMMIT")
	if err := <-paused; err != nil {
		t.Fatal(err)
	}
	if n := r.Stats().ServerConns["shop"]; n != 0 {
		t.Errorf("%d server connections are open after PAUSE", n)
	}
	if !pending(answered) {
		t.Error("a client was served while the pool was paused")
	}
	late := make(chan error, 1) // of a database that had no pool
	go func() {
		conn, err := pgx.Connect(context.Background(), r.url("postgres", ""))
		if err == nil {
			err = conn.Close(context.Background())
		}
		late <- err
	}()
	testkit.Eventually(t, "a client of a new pool waits", func() bool {
		_, rows := rowsOf(t, observer, "SHOW POOLS")
		return slices.ContainsFunc(rows, func(row map[string]any) bool {
			return row["database"] == "shop/postgres" && row["cl_waiting"] == int64(1)
		})
	})
	exec(t, operator, "RESUME")
	for _, done := range []chan error{answered, late} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if isPaused(t, observer, "shop") {
		t.Error("still paused after RESUME")
	}
}
