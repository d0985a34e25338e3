package proxy_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// A client between transactions does not notice that its last server
// connection has been killed.
func TestKilledIdleServerIsReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode})
	conn := r.connect()
	if _, err := conn.Prepare(t.Context(), "kept", "SELECT $1::int * 2"); err != nil {
		t.Fatal(err)
	}
	was := backend(t, conn)
	for range 5 {
		r.lose(direct, r.pids()...)
		if got := one[int](t, conn, "kept", 21); got != 42 {
			t.Fatal(got)
		}
		if now := backend(t, conn); now == was {
			t.Fatal("the backend was not killed")
		} else {
			was = now
		}
	}
	p := r.settled()
	if p.Totals.LostIdle != 5 || p.Totals.Lost != 0 || r.Stats().Lost != 0 {
		t.Errorf("%+v", p.Totals)
	}
}

// A server connection that min_pool_size has opened has never been used when it
// is killed.
func TestKilledUnusedServerConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, MinPoolSize: 4})
	conn := r.connect()
	warm := func() bool { return r.pool().ServersIdle == 4 }
	testkit.Eventually(t, "four are warm", warm)
	before := r.pids()
	r.lose(direct, before...)
	if one[int](t, conn, "SELECT 3") != 3 {
		t.Error("wrong answer")
	}
	testkit.Eventually(t, "four are warm again", warm)
	if r.pool().Totals.Lost != 0 {
		t.Errorf("%+v", r.pool().Totals)
	}
}

// No client notices when all idle server connections are killed at once.
func TestLossOfAllIdleServerConnectionsIsUnnoticed(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 20})
	conns := make([]*pgx.Conn, 20)
	for i := range conns {
		conns[i] = r.connect()
		exec(t, conns[i], "BEGIN")
	}
	for _, conn := range conns {
		exec(t, conn, "COMMIT")
	}
	for range 3 {
		pids := r.pids()
		if len(pids) != 20 {
			t.Fatalf("%d server connections", len(pids))
		}
		r.lose(direct, pids...)
		var wg sync.WaitGroup
		var begun sync.WaitGroup
		begun.Add(len(conns))
		for i, conn := range conns {
			wg.Go(func() {
				// In transactions at once, so that all of the pool is used.
				tx, err := conn.Begin(context.Background())
				got := -1
				if err == nil {
					err = tx.QueryRow(context.Background(), "SELECT $1::int", i).Scan(&got)
				}
				begun.Done()
				begun.Wait()
				if err == nil {
					err = tx.Commit(context.Background())
				}
				if err != nil || got != i {
					t.Errorf("got %d, want %d, %v", got, i, err)
				}
			})
		}
		wg.Wait()
	}
	if p := r.settled(); p.Totals.LostIdle != 60 || p.Totals.Lost != 0 {
		t.Errorf("%+v", p.Totals)
	}
}

// A server connection that is killed within a transaction is not replaced: its
// client gets an error, the transaction is rolled back, and no other client
// notices.
func TestServerLostInATransactionDisconnectsTheClient(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode})
		exec(t, direct, "CREATE TABLE deeds (who text)")
		stop := bystander(t, r)
		for name, victim := range map[string]func(*pgx.Conn) error{
			"idle in transaction": func(conn *pgx.Conn) error {
				terminate(t, direct, backend(t, conn))
				_, err := conn.Exec(t.Context(), "INSERT INTO deeds VALUES ('again')")
				return err
			},
			"in a query": func(conn *pgx.Conn) error {
				done := asking(conn, "SELECT pg_sleep(60) -- mine; INSERT INTO deeds VALUES ('after')")
				terminate(t, direct, runs(t, direct, "-- mine"))
				return soon(t, "the client is told", done)
			},
			"in a simple query of several": func(conn *pgx.Conn) error {
				done := asking(conn, "INSERT INTO deeds VALUES ('first'); SELECT pg_sleep(60); INSERT INTO deeds VALUES ('last')")
				terminate(t, direct, runs(t, direct, "'last'"))
				return soon(t, "the client is told", done)
			},
			"in a copy": func(conn *pgx.Conn) error {
				pid := backend(t, conn)
				rows := &endless{conn: func() { terminate(t, direct, pid) }}
				_, err := conn.CopyFrom(t.Context(), pgx.Identifier{"deeds"}, []string{"who"}, rows)
				return err
			},
		} {
			conn := r.connect()
			exec(t, conn, "BEGIN")
			exec(t, conn, "INSERT INTO deeds VALUES ('"+name+"')")
			if code := sqlstate(victim(conn)); code != "57P01" && code != "08006" {
				t.Errorf("%s: the client got %s", name, code)
			}
			if n := one[int](t, direct, "SELECT count(*) FROM deeds"); n != 0 {
				t.Errorf("%s: %d rows are there", name, n)
			}
			if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
				t.Errorf("%s: the client goes on as if nothing were", name)
			}
		}
		stop()
		if p := r.Stats().Lost; mode == proxy.TransactionMode && p != 4 {
			t.Errorf("%d are counted as lost", p)
		}
	})
}

// endless are rows that go on after something has happened.
type endless struct {
	n    int
	conn func()
}

func (e *endless) Next() bool {
	if e.n++; e.n == 10000 {
		e.conn()
	}
	return e.n < 10_000_000
}
func (e *endless) Values() ([]any, error) { return []any{"copied"}, nil }
func (e *endless) Err() error             { return nil }

// bystander has a client of its own query all the time, which must not notice
// anything.
func bystander(t *testing.T, r *rig) (stop func()) {
	t.Helper()
	conn := r.connect()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(10 * time.Millisecond): // the others need the processor too
			}
			var got int
			if err := conn.QueryRow(context.Background(), "SELECT $1::int", i).Scan(&got); err != nil || got != i {
				t.Errorf("another client got %d, want %d, %v", got, i, err)
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// A COMMIT whose server connection is lost is not sent again: the client gets an
// error, as with Postgres itself.
func TestServerLostDuringCommitIsNotRetried(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode})
		exec(t, direct, "CREATE TABLE once (n int); CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'")
		exec(t, direct, "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON once DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION linger()")
		conn := r.connect()
		exec(t, conn, "BEGIN")
		exec(t, conn, "INSERT INTO once VALUES (1)")
		done := asking(conn, "COMMIT -- under way")
		terminate(t, direct, runs(t, direct, "-- under way"))
		wantCode(t, soon(t, "the client is told", done), "57P01", "administrator command")
		if n := one[int](t, direct, "SELECT count(*) FROM once"); n != 0 {
			t.Errorf("%d rows", n)
		}
	})
}

// When the connection breaks without an error of the server, the proxy sends one.
func TestClientGetsAnErrorWhenThePooledServerConnectionBreaks(t *testing.T) {
	t.Parallel()
	cut := newInstance(t)
	r := startPooled(t, proxy.Config{Targets: map[string]*lakebase.Connector{"shop": newConnector(t, cut)}})
	working, within, between := r.connect(), r.connect(), r.connect()
	exec(t, within, "BEGIN")
	exec(t, between, "SELECT 1")
	done := asking(working, "SELECT pg_sleep(60) -- cut")
	runs(t, connectTo(t, newConnector(t, cut)), "-- cut")
	if upstreamServer.CloseConnections(cut) == 0 {
		t.Fatal("there was nothing to cut")
	}
	wantCode(t, soon(t, "the working one is told", done), "08006", "lost")
	m, err := within.PgConn().Frontend().Receive()
	if e, ok := m.(*pgproto3.ErrorResponse); err != nil || !ok || e.Code != "08006" || e.Severity != "FATAL" {
		t.Fatalf("%#v, %v", m, err)
	}
	if one[int](t, between, "SELECT 4") != 4 {
		t.Error("wrong answer")
	}
}

// Requests that follow the loss of the server connection must not reach another
// one: they are the rest of a transaction.
func TestRestOfALostTransactionReachesNoServer(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode})
	exec(t, direct, "CREATE TABLE rest (round int)")
	const rounds = 25
	for i := range rounds {
		front := r.loggedIn()
		front.Send(&pgproto3.Query{String: "BEGIN"})
		front.Send(&pgproto3.Query{String: "SELECT pg_backend_pid()"})
		if err := front.Flush(); err != nil {
			t.Fatal(err)
		}
		var pid int
		for ready := 0; ready < 2; {
			m, err := front.Receive()
			if err != nil {
				t.Fatal(err)
			}
			switch m := m.(type) {
			case *pgproto3.DataRow:
				fmt.Sscan(string(m.Values[0]), &pid)
			case *pgproto3.ReadyForQuery:
				ready++
			}
		}
		killed := asking(direct, fmt.Sprint("SELECT pg_terminate_backend(", pid, ")"))
		// Whatever of this meets the end, none of it is alone.
		for range 200 {
			front.Send(&pgproto3.Query{String: fmt.Sprint("INSERT INTO rest VALUES (", i, ")")})
			if front.Flush() != nil {
				break
			}
		}
		for {
			if _, err := front.Receive(); err != nil {
				break
			}
		}
		if err := soon(t, "the backend is killed", killed); err != nil {
			t.Fatal(err)
		}
	}
	if n := one[int](t, direct, "SELECT count(*) FROM rest"); n != 0 {
		t.Errorf("%d rows were inserted outside their transactions", n)
	}
}
