package proxy_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy"
)

// runner executes a text that is hidden from the proxy, which is told to trust it.
const runner = `CREATE FUNCTION run(VARIADIC parts text[]) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE array_to_string(parts, ''); END$$`

// leftBehind are texts that leave something in a session, cut where their keywords are,
// and what shows it.
var leftBehind = []struct{ name, parts, look string }{
	{"a setting", `'SE', 'T work_mem = ''7MB'''`, `current_setting('work_mem')`},
	{"a custom setting", `'SE', 'T app.k = 1'`, `coalesce(current_setting('app.k', true), '')`},
	{"search_path", `'SE', 'T search_path = pg_temp, public'`, `current_setting('search_path')`},
	{"a limit of time", `'SE', 'T statement_timeout = 7777'`, `current_setting('statement_timeout')`},
	{"a temporary table", `'CREATE TE', 'MP TABLE x AS SELECT 1 AS y'`, `coalesce(to_regclass('x')::text, '')`},
	{"a lock", `'SELECT pg_adv', 'isory_lock(1)'`, `(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())::text`},
	{"a channel", `'LIS', 'TEN c'`, `(SELECT count(*) FROM pg_listening_channels())::text`},
	{"a value of a sequence", `'SELECT next', 'val(''s'')'`, `currval('s')::text`},
	{"the last value of a sequence", `'SELECT next', 'val(''s'')'`, `lastval()::text`},
	{"a seed", `'SELECT set', 'seed(0.5)'`, isSeeded},
}

// With server_reset_query_always a client finds nothing that another one has left,
// though the proxy knows of none of it.
func TestResetAlwaysLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range leftBehind {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			connector := newConnector(t, leaseInstance(t))
			direct := connectTo(t, connector)
			exec(t, direct, runner)
			exec(t, direct, "CREATE SEQUENCE s")
			want := look(t, connectTo(t, connector), tt.look)
			r := start(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1, TrustFunctions: true, ServerResetQueryAlways: true,
				Targets: map[string]*lakebase.Connector{"shop": connector}})
			first, second := r.connect(), r.connect()
			exec(t, first, "SELECT run("+tt.parts+")")
			pid := r.pids()
			if got := look(t, second, tt.look); got != want {
				t.Errorf("another client finds %s, want %s as on a connection of its own", got, want)
			}
			exec(t, second, "SELECT run("+tt.parts+")")
			second.Close(t.Context())
			if got := look(t, r.connect(), tt.look); got != want {
				t.Errorf("the next client finds %s, want %s as on a connection of its own", got, want)
			}
			if now := r.pids(); fmt.Sprint(now) != fmt.Sprint(pid) {
				t.Errorf("server connections %v, now %v", pid, now)
			}
		})
	}
}

// look returns what an expression yields, or the error.
func look(t *testing.T, conn *pgx.Conn, expression string) (found string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT "+expression).Scan(&found); err != nil {
		return sqlstate(err)
	}
	return found
}

// Clients that have logged in as different users are separated by a reset, those of
// one user are not.
func TestUsersAreSeparatedByAReset(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1, TrustFunctions: true,
		Users: users(t, map[string]string{"ann": "pw", "bob": "pw"})})
	exec(t, direct, runner)
	ann, bob := connect(t, r.connectionString("ann", "shop")), connect(t, r.connectionString("bob", "shop"))
	const setting = `coalesce(current_setting('app.k', true), '')`
	for range 3 {
		exec(t, ann, `SELECT run('SE', 'T app.k = 1')`)
		if got := look(t, connect(t, r.connectionString("ann", "shop")), setting); got != "1" {
			t.Errorf("a client of the same user finds %q: there was a reset without need", got)
		}
		if got := look(t, bob, setting); got != "" {
			t.Errorf("another user finds %q", got)
		}
		if got := look(t, ann, setting); got != "" {
			t.Errorf("after a reset the first user finds %q", got)
		}
	}
}

// The setting takes effect at a reload.
func TestReloadSetsResetAlways(t *testing.T) {
	t.Parallel()
	cfg := proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1, TrustFunctions: true}
	connector := newConnector(t, leaseInstance(t))
	cfg.Targets = map[string]*lakebase.Connector{"shop": connector}
	exec(t, connectTo(t, connector), runner)
	r := start(t, cfg)
	first, second := r.connect(), r.connect()
	for _, want := range []string{"1", "", "1"} {
		exec(t, first, `SELECT run('SE', 'T app.k = 1')`)
		if got := look(t, second, `coalesce(current_setting('app.k', true), '')`); got != want {
			t.Errorf("server_reset_query_always is %t, and another client finds %q", cfg.ServerResetQueryAlways, got)
		}
		cfg.ServerResetQueryAlways = !cfg.ServerResetQueryAlways
		r.reload(cfg)
	}
}

// A server connection is idle although its clients are not: a limit of that time ends
// neither it nor, should a request come right then, the session of another client.
func TestIdleSessionTimeoutEndsNoOtherSession(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	first, second := r.connect(), r.connect()
	starting := connect(t, r.url("shop", "&idle_session_timeout=1s"))
	before := one[int](t, second, "SELECT pg_backend_pid()")
	exec(t, first, "SET idle_session_timeout = '1s'")
	for _, client := range []*pgx.Conn{first, starting} {
		if got := one[string](t, client, "SHOW idle_session_timeout"); got != "1s" {
			t.Errorf("the client's own limit is %s", got)
		}
		exec(t, direct, "SELECT pg_sleep(1.5)")
	}
	if after := one[int](t, second, "SELECT pg_backend_pid()"); after != before {
		t.Error("the limit of another client has ended the server connection")
	}
}

// A client may make all its transactions wait for those of others. Neither the proxy's
// own queries nor another client wait with it.
func TestDeferrableTransactionsDelayNothingElse(t *testing.T) {
	t.Parallel()
	for _, always := range []bool{false, true} {
		t.Run(fmt.Sprintf("reset always %v", always), func(t *testing.T) {
			t.Parallel()
			r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1, ServerResetQueryAlways: always})
			first, second := r.connect(), r.connect()
			exec(t, direct, "BEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE t (x int)")
			for _, name := range []string{"isolation = serializable", "read_only = on", "deferrable = on"} {
				exec(t, first, "DO $$BEGIN EXECUTE format('SET default_transaction_"+name+"'); END$$")
			}
			exec(t, second, "SELECT 1")
			exec(t, first, "SET app.k = 1")
			exec(t, connect(t, r.url("shop", "&work_mem=3MB")), "SELECT 1") // which is applied to the first one's server connection
			if err := first.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			exec(t, second, "CREATE TABLE s (x int)") // the definition makes a scan due
			exec(t, second, "SELECT * FROM s")
		})
	}
}
