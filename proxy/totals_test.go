package proxy_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
	"github.com/lakebase-go/lakebase/proxy"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// poolIn is the one pool of a mode.
func (r *rig) poolIn(mode proxy.Mode) snapshot.Pool {
	r.t.Helper()
	var found []snapshot.Pool
	for _, p := range r.Pools() {
		if p.Mode == string(mode) {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		r.t.Fatalf("%d pools in %s mode: %v", len(found), mode, r.Pools())
	}
	return found[0]
}

// Time that a client thinks, within its transaction, is not the server's.
func TestQueryTimeExcludesTheClientsOwn(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{})
	conn := r.connect()
	exec(t, conn, "BEGIN")
	exec(t, conn, "SELECT pg_sleep(0.3)")
	queried := r.poolIn(proxy.TransactionMode).Totals
	if queried.QueryTime < 300*time.Millisecond || queried.QueryTime > queried.TransactionTime {
		t.Errorf("%s of %s working after a query of 300 ms", queried.QueryTime, queried.TransactionTime)
	}
	// The transaction is looked at as long as it is idle, too.
	testkit.Eventually(t, "the client has thought for half a second", func() bool {
		return r.poolIn(proxy.TransactionMode).Totals.TransactionTime-queried.TransactionTime > 500*time.Millisecond
	})
	thought := r.poolIn(proxy.TransactionMode).Totals
	if more := thought.QueryTime - queried.QueryTime; more > 50*time.Millisecond {
		t.Errorf("the server has worked for %s between queries", more)
	}
	exec(t, conn, "SELECT pg_sleep(0.3)")
	exec(t, conn, "COMMIT")
	done := r.poolIn(proxy.TransactionMode).Totals
	if more := done.QueryTime - thought.QueryTime; more < 300*time.Millisecond {
		t.Errorf("%s more for a query of 300 ms", more)
	}
	if n := done.Assignments - queried.Assignments; n != 0 {
		t.Errorf("%d assignments within a transaction", n)
	}
}

// The time in which a client waits for a server connection is not query time.
func TestQueryTimeExcludesTheWaitQueue(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1})
	r.connect()
	var clients sync.WaitGroup
	for range 4 {
		conn := r.connect()
		clients.Go(func() {
			for range 10 {
				_, err := conn.Exec(context.Background(), "BEGIN; SELECT pg_sleep(0.005)")
				if err == nil {
					_, err = conn.Exec(context.Background(), "COMMIT")
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	totals := r.poolIn(proxy.TransactionMode).Totals
	if totals.QueryTime > totals.TransactionTime || totals.WaitTime < totals.QueryTime {
		t.Errorf("%s working, %s with a server connection, %s waiting", totals.QueryTime, totals.TransactionTime, totals.WaitTime)
	}
}

// The queries of a transaction are counted while it is open, which may be long.
func TestTotalsIncludeAnOpenTransaction(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{})
	conn := r.connect()
	exec(t, conn, "BEGIN")
	before := r.poolIn(proxy.TransactionMode).Totals
	for range 5 {
		one[int](t, conn, "SELECT 1")
	}
	after := r.poolIn(proxy.TransactionMode).Totals
	if after.Queries < before.Queries+5 || after.Sent <= before.Sent || after.QueryTime <= before.QueryTime {
		t.Errorf("before %+v, after %+v", before, after)
	}
	exec(t, conn, "COMMIT")
}

func TestCancelRequestsAreCounted(t *testing.T) {
	t.Parallel()
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		r := start(t, proxy.Config{PoolMode: mode})
		victim, observer := r.connect(), connectDirect(t)
		done := settled(victim, "SELECT pg_sleep(61)")
		testkit.Eventually(t, "the query runs", func() bool {
			return one[int](t, observer, "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(61)' AND state = 'active'") > 0
		})
		if err := victim.PgConn().CancelRequest(t.Context()); err != nil {
			t.Error(err)
		}
		wantCode(t, <-done, "57014", "user request")
		testkit.Eventually(t, "the cancel request is counted", func() bool { return r.poolIn(mode).Totals.Canceled == 1 })
	}
}

func TestSessionTotalsOutliveSessions(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	for range 3 {
		conn := r.connect()
		for range 4 {
			one[int](t, conn, "SELECT 1")
		}
		conn.Close(t.Context())
	}
	testkit.Eventually(t, "the clients have disconnected", func() bool { return r.poolIn(proxy.SessionMode).ClientsActive == 0 })
	totals := r.poolIn(proxy.SessionMode).Totals
	// pgx sends two requests for the first of four: to prepare and to execute.
	if totals.Sessions != 3 || totals.Queries != 15 || totals.Transactions != 15 || totals.Received == 0 || totals.Sent == 0 {
		t.Errorf("%+v", totals)
	}
}

// A client that replicates has a session beside the pool of its database, which
// does not hide the pool's own clients.
func TestReplicationDoesNotHideThePool(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{Targets: map[string]*lakebase.Connector{"shop": newConnector(t, testpostgres.Start(t).ConnInfo()+" dbname=postgres")}})
	pooled := r.connect()
	exec(t, pooled, "BEGIN")
	raw := r.dial()
	front := pgproto3.NewFrontend(raw, raw)
	login(t, front, map[string]string{"user": "me", "database": "shop", "replication": "database"})
	if p := r.poolIn(proxy.TransactionMode); p.ClientsActive != 1 || p.ServersActive != 1 {
		t.Errorf("the pool is %+v", p)
	}
	if p := r.poolIn(proxy.SessionMode); p.ClientsActive != 1 || p.ServersActive != 1 {
		t.Errorf("the session is %+v", p)
	}
	conn := r.console()
	_, rows := rowsOf(t, conn, "SHOW POOLS")
	if p := only(t, rows, "database", "shop"); p["cl_active"] != int64(2) || p["sv_active"] != int64(2) || p["pool_mode"] != "transaction" {
		t.Errorf("SHOW POOLS has %v", p)
	}
	_, rows = rowsOf(t, conn, "SHOW CLIENTS")
	if only(t, rows, "replication", "logical")["user"] != "me" {
		t.Error(rows)
	}
	exec(t, pooled, "COMMIT")
	front.Send(&pgproto3.Terminate{})
	if err := front.Flush(); err != nil {
		t.Error(err)
	}
}
