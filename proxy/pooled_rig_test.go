package proxy_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// inModes runs a test in both modes of the proxy.
func inModes(t *testing.T, test func(*testing.T, proxy.Mode)) {
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			test(t, mode)
		})
	}
}

// startPooled starts a proxy in transaction mode.
func startPooled(t testing.TB, cfg proxy.Config) *rig {
	t.Helper()
	cfg.PoolMode = proxy.TransactionMode
	return start(t, cfg)
}

// startAlone is start with an instance that no other test uses meanwhile, and a
// connection past the proxy to look at it.
func startAlone(t *testing.T, cfg proxy.Config) (*rig, *pgx.Conn) {
	t.Helper()
	connector := newConnector(t, leaseInstance(t))
	cfg.Targets = map[string]*lakebase.Connector{"shop": connector}
	r := start(t, cfg)
	return r, connectTo(t, connector)
}

// connectTo connects without a proxy.
func connectTo(t testing.TB, connector *lakebase.Connector) *pgx.Conn {
	t.Helper()
	conn, err := connector.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// createDatabase creates a database where conn is connected. Tokens are not valid in
// one that is created in SQL.
func createDatabase(t *testing.T, conn *pgx.Conn, name string) {
	t.Helper()
	for _, e := range upstreamServer.Status().Endpoints {
		if e.Host != conn.Config().Host {
			continue
		}
		if err := upstreamServer.CreateDatabase(t.Context(), e.Target, name); err != nil {
			t.Fatal(err)
		}
	}
}

// pool is what the only pool looks like.
func (r *rig) pool() snapshot.Pool {
	r.t.Helper()
	pools := r.Pools()
	if len(pools) != 1 {
		r.t.Fatalf("there are %d pools", len(pools))
	}
	return pools[0]
}

// pids are the process IDs of the server connections.
func (r *rig) pids() (pids []int) {
	for _, s := range r.Servers() {
		pids = append(pids, int(s.PID))
	}
	return pids
}

// settled waits until no client has a server connection and all of those are
// idle.
func (r *rig) settled() snapshot.Pool {
	r.t.Helper()
	var p snapshot.Pool
	testkit.Eventually(r.t, "every server connection is idle", func() bool {
		p = r.pool()
		return p.ClientsActive == 0 && p.ClientsWaiting == 0 && p.ServersActive == 0 && p.ServersResetting == 0 && p.ServersConnecting == 0
	})
	return p
}

// terminate ends backends, and waits until they are gone.
func terminate(t testing.TB, direct *pgx.Conn, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		exec(t, direct, "SELECT pg_terminate_backend("+strconv.Itoa(pid)+")")
	}
	testkit.Eventually(t, "the backends are gone", func() bool {
		return one[int](t, direct, "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1)", pids) == 0
	})
}

// lose is terminate for server connections that nobody uses: that of a client may not be
// released when the client already has its answer, and the last words of the server may
// take a while on the way to the proxy.
func (r *rig) lose(direct *pgx.Conn, pids ...int) {
	r.t.Helper()
	r.settled()
	terminate(r.t, direct, pids...)
	testkit.Eventually(r.t, "the proxy has lost them", func() bool {
		return !slices.ContainsFunc(r.pids(), func(pid int) bool { return slices.Contains(pids, pid) })
	})
}

// backend is the process ID of the server connection that answers.
func backend(t testing.TB, conn *pgx.Conn) int {
	t.Helper()
	return one[int](t, conn, "SELECT pg_backend_pid()")
}

// sqlstate is the code of an error of Postgres or the proxy, else the error.
func sqlstate(err error) string {
	var e *pgconn.PgError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return err.Error()
}

// asking is a statement on its way. Its end comes on the channel.
func asking(conn *pgx.Conn, sql string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
		done <- err
	}()
	return done
}

// soon is what comes on a channel, within the time that a busy machine needs.
func soon[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: not within 20 s", what)
		panic("unreachable")
	}
}

// runs waits until a statement with such a text is active.
func runs(t testing.TB, direct *pgx.Conn, text string) (pid int) {
	t.Helper()
	testkit.Eventually(t, text+" runs", func() bool {
		err := direct.QueryRow(t.Context(), "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%'||$1||'%' AND pid <> pg_backend_pid()", text).Scan(&pid)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			t.Fatal(err)
		}
		return err == nil
	})
	return pid
}

// stopped waits until no statement with such a text is active.
func stopped(t testing.TB, direct *pgx.Conn, text string) {
	t.Helper()
	testkit.Eventually(t, text+" is over", func() bool {
		return one[int](t, direct, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%'||$1||'%' AND pid <> pg_backend_pid()", text) == 0
	})
}

// loggedIn is a connection that is driven by messages.
func (r *rig) loggedIn() *pgproto3.Frontend {
	r.t.Helper()
	raw := r.dial()
	raw.SetDeadline(time.Now().Add(2 * time.Minute))
	front := pgproto3.NewFrontend(raw, raw)
	login(r.t, front, map[string]string{"user": "me", "database": "shop"})
	return front
}
