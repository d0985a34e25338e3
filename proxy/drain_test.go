package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// lastWord reads what a client is told unasked.
func lastWord(t *testing.T, conn *pgx.Conn) *pgproto3.ErrorResponse {
	t.Helper()
	conn.PgConn().Conn().SetReadDeadline(time.Now().Add(20 * time.Second))
	m, err := conn.PgConn().Frontend().Receive()
	e, ok := m.(*pgproto3.ErrorResponse)
	if err != nil || !ok {
		t.Fatalf("%#v, %v", m, err)
	}
	return e
}

// A shutdown disconnects each client, pinned or not, as soon as it has no
// transaction open, with an error that says why.
func TestDrainDisconnectsClientsBetweenTransactions(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode})
	exec(t, direct, "CREATE TABLE deeds (n int)")
	idle, within, working, pinned, pinnedWithin, pinnedWorking := r.connect(), r.busy(), r.connect(), r.connect(), r.connect(), r.connect()
	exec(t, idle, "SELECT 1")
	for _, conn := range []*pgx.Conn{pinned, pinnedWithin, pinnedWorking} {
		exec(t, conn, "LISTEN news")
	}
	exec(t, pinnedWithin, "BEGIN")
	done := asking(working, "INSERT INTO deeds VALUES (1); SELECT pg_sleep(1) -- the first")
	pinnedDone := asking(pinnedWorking, "INSERT INTO deeds VALUES (2); SELECT pg_sleep(1) -- the second")
	runs(t, direct, "-- the first")
	runs(t, direct, "-- the second")
	ended := make(chan error, 1)
	go func() { ended <- r.Shutdown(context.Background()) }()
	for what, conn := range map[string]*pgx.Conn{"idle": idle, "pinned": pinned} {
		if e := lastWord(t, conn); e.Code != "57P01" || e.Severity != "FATAL" {
			t.Errorf("%s: %+v", what, e)
		}
	}
	for what, d := range map[string]<-chan error{"working": done, "pinned and working": pinnedDone} {
		if err := soon(t, what, d); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, conn := range map[string]*pgx.Conn{"worked": working, "pinned and worked": pinnedWorking} {
		if e := lastWord(t, conn); e.Code != "57P01" {
			t.Errorf("%s: %+v", what, e)
		}
	}
	for _, conn := range []*pgx.Conn{within, pinnedWithin} {
		exec(t, conn, "INSERT INTO deeds VALUES (4)")
		select {
		case err := <-ended:
			t.Fatal("ended with a transaction open:", err)
		default:
		}
		exec(t, conn, "COMMIT")
		if e := lastWord(t, conn); e.Code != "57P01" {
			t.Errorf("%+v", e)
		}
	}
	if err := soon(t, "the proxy ends", ended); err != nil {
		t.Error(err)
	}
	if got := one[int](t, direct, "SELECT sum(n) FROM deeds"); got != 11 {
		t.Errorf("%d was done", got)
	}
}

// A shutdown disconnects every client, including those that are logging in.
func TestDrainReachesEveryone(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		for round := range 8 {
			r := start(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 2})
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					for {
						conn, err := pgx.Connect(context.Background(), r.url("shop", fmt.Sprint("&application_name=a", i%3)))
						if err != nil {
							return // there is no proxy any more
						}
						for range i {
							var n int
							if err := conn.QueryRow(context.Background(), "SELECT 7").Scan(&n); err != nil {
								if code := sqlstate(err); len(code) == 5 && code != "57P01" {
									t.Errorf("round %d: %v", round, err)
								}
								break
							}
						}
						if i%4 == 0 {
							conn.PgConn().Frontend().Receive() // and stays
						}
						conn.Close(context.Background())
					}
				})
			}
			testkit.Eventually(t, "there is some coming and going", func() bool { return r.Stats().Sessions > 10 })
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if err := r.Shutdown(ctx); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			cancel()
			wg.Wait()
		}
	})
}

// What a forced shutdown interrupts is canceled and rolled back.
func TestForcedShutdownCancelsAndRollsBack(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode})
	exec(t, direct, "CREATE TABLE deeds (n int)")
	working, within, pinned := r.connect(), r.busy(), r.connect()
	exec(t, within, "INSERT INTO deeds VALUES (1)")
	exec(t, pinned, "CREATE TEMP TABLE mine (n int)")
	done := asking(working, "INSERT INTO deeds VALUES (2); SELECT pg_sleep(60) -- forced")
	runs(t, direct, "-- forced")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if err := r.Shutdown(ctx); !errors.Is(err, context.Canceled) || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	wantCode(t, soon(t, "it is told", done), "57P01", "shutting down")
	stopped(t, direct, "-- forced")
	if n := one[int](t, direct, "SELECT count(*) FROM deeds"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// Idle time begins with the last answer, not with the request.
func TestIdleTimeBeginsWithTheLastAnswer(t *testing.T) {
	t.Parallel()
	limit := 2 * time.Second
	r := startPooled(t, proxy.Config{ClientIdleTimeout: limit})
	idle, within, pinned, working := r.connect(), r.busy(), r.connect(), r.connect()
	exec(t, pinned, "LISTEN nobody_speaks") // others do, on channels of their own in this database
	exec(t, idle, "SELECT 1")
	answered := time.Now().Add(5 * time.Second) // at the earliest
	done := asking(working, "SELECT pg_sleep(5)")
	for what, conn := range map[string]*pgx.Conn{"idle": idle, "pinned": pinned} {
		if e := lastWord(t, conn); e.Code != "57P05" {
			t.Errorf("%s: %+v", what, e)
		}
	}
	if err := soon(t, "it is answered", done); err != nil {
		t.Fatal(err)
	}
	if e := lastWord(t, working); e.Code != "57P05" || time.Since(answered) < limit*3/4 {
		t.Errorf("%s after the answer: %+v", time.Since(answered), e)
	}
	exec(t, within, "COMMIT")
}
