package proxy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// A pool that no client uses logs in neither when its server connections are too old
// nor afterwards.
func TestUnusedPoolMakesNoLogin(t *testing.T) {
	t.Parallel()
	r, _ := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, ServerIdleTimeout: time.Hour})
	conn := r.connect()
	exec(t, conn, "SELECT 1")
	for logins := uint64(1); logins < 4; logins++ {
		r.settled()
		r.Expire()
		if p := r.pool(); p.ServersIdle != 0 || p.ServersConnecting != 0 || p.Totals.ServerLogins != logins {
			t.Fatalf("%+v", p)
		}
		r.Expire()
		exec(t, conn, "SELECT 1") // the client has not noticed
	}
}

// A server connection that min_pool_size asks for is replaced when it is too old.
func TestMinPoolSizeReplacesOldServerConnections(t *testing.T) {
	t.Parallel()
	r, _ := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, MinPoolSize: 1})
	exec(t, r.connect(), "SELECT 1")
	for logins := uint64(2); logins < 5; logins++ {
		before := r.settled()
		pids := r.pids()
		if before.ServersIdle != 1 || before.Totals.ServerLogins != logins-1 {
			t.Fatalf("%+v", before)
		}
		r.Expire()
		testkit.Eventually(t, "another one replaces it", func() bool {
			now := r.pids()
			return len(now) == 1 && !slices.Contains(now, pids[0])
		})
	}
}

// Statements that need a database for themselves find no idle server connection in
// their way, whether a client that has used it is still connected or not.
func TestIdleServerConnectionsLeaveDatabases(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode})
		admin := r.connect()
		use := func(database string) *pgx.Conn {
			conn := connect(t, r.url(database, ""))
			exec(t, conn, "SELECT 1")
			if mode == proxy.SessionMode { // its server connection is its own
				conn.Close(t.Context())
			}
			return conn
		}
		quickly := func(do func(sql string), sql string) {
			t.Helper()
			began := time.Now()
			if do(sql); time.Since(began) > 20*time.Second { // PostgreSQL itself gives up after 5 s, with an error
				t.Errorf("%s has taken %s", sql, time.Since(began))
			}
		}
		simply := func(sql string) {
			t.Helper()
			if err := soon(t, sql, asking(admin, sql)); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		prepared := func(sql string) { t.Helper(); exec(t, admin, sql) }
		createDatabase(t, direct, "dd")
		createDatabase(t, direct, "D D")
		use("dd")
		quickly(simply, `ALTER DATABASE DD RENAME TO ee`)
		use("ee").Close(t.Context())
		quickly(simply, `CREATE DATABASE ff TEMPLATE Ee`)
		use("ee")
		use("ff")
		quickly(prepared, `/* any */ drop database if exists Ff;`)
		quickly(simply, `DROP DATABASE ee`)
		use("D%20D")
		quickly(prepared, `DROP DATABASE "D D"`)
		if n := one[int](t, direct, "SELECT count(*) FROM pg_database WHERE datname IN ('dd', 'ee', 'ff', 'D D')"); n != 0 {
			t.Errorf("%d databases are left", n)
		}
	})
}

// If the proxy does not see which database a statement needs, a second attempt
// succeeds.
func TestSecondAttemptToDropADatabaseSucceeds(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode})
	createDatabase(t, direct, "dd")
	user := connect(t, r.url("dd", ""))
	exec(t, user, "SELECT 1")
	admin := r.connect()
	const drop = `DROP DATABASE U&"d\0064"`
	if _, err := admin.Exec(t.Context(), drop); sqlstate(err) != "55006" {
		t.Errorf("the first attempt: %v", err)
	}
	exec(t, admin, drop)
}

// A database that a client uses is in use, as by a direct connection.
func TestDatabaseInUseIsNotDropped(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode})
	createDatabase(t, direct, "dd")
	user := connect(t, r.url("dd", ""))
	exec(t, user, "BEGIN")
	admin := r.connect()
	if _, err := admin.Exec(t.Context(), "DROP DATABASE dd"); sqlstate(err) != "55006" {
		t.Error(err)
	}
	exec(t, user, "COMMIT")
	exec(t, admin, "DROP DATABASE dd")
}
