package proxy_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/proxy"
)

// Cancel requests that arrive after their query must not hit the query of another
// client, although all share one server connection.
func TestLateCancelHitsNoOtherClient(t *testing.T) {
	t.Parallel()
	const rounds = 1500
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	canceler, victim := r.connect(), r.connect()
	var wg sync.WaitGroup
	var hits, misses atomic.Int64
	over := make(chan struct{})
	wg.Go(func() {
		defer close(over)
		slots := make(chan struct{}, 4)
		for i := range rounds {
			done := asking(canceler, fmt.Sprintf("SELECT %d, pg_sleep(%d * 0.0002)", i, i%4))
			slots <- struct{}{}
			canceled := make(chan struct{})
			wg.Go(func() {
				defer close(canceled)
				canceler.PgConn().CancelRequest(context.Background())
				<-slots
			})
			switch err := <-done; sqlstate(err) {
			case "":
				misses.Add(1)
			case "57014":
				hits.Add(1)
			default:
				t.Error(err)
				return
			}
			if i%3 > 0 { // else the next question meets the last cancel
				<-canceled
			}
		}
	})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			default:
			}
			var got int
			if err := victim.QueryRow(context.Background(), "SELECT $1::int FROM pg_sleep(0.0003)", i).Scan(&got); err != nil || got != i {
				t.Errorf("the other client got %d, want %d, %v", got, i, err)
				return
			}
		}
	})
	wg.Wait()
	t.Logf("%d cancels hit, %d came too late or too early", hits.Load(), misses.Load())
	if hits.Load() == 0 || misses.Load() == 0 {
		t.Errorf("%d hits and %d misses: this shows nothing", hits.Load(), misses.Load())
	}
	if n := r.settled().Totals.ServerLogins; n != 1 {
		t.Errorf("%d logins", n)
	}
	if one[int](t, direct, "SELECT 1") != 1 {
		t.Error("wrong answer")
	}
}

// A cancel request must not hit internal queries: those that apply settings or
// find out what a session holds.
func TestCancelDoesNotHitInternalQueries(t *testing.T) {
	t.Parallel()
	const rounds = 400
	r, _ := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	var wg sync.WaitGroup
	for worker := range 3 {
		conn := r.connect()
		zone := []string{"Asia/Tokyo", "America/Lima", "Europe/Oslo"}[worker]
		exec(t, conn, "SET TimeZone = '"+zone+"'")
		wg.Go(func() {
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					select {
					case <-stop:
						return
					default:
						conn.PgConn().CancelRequest(context.Background())
					}
				}
			}()
			defer func() { close(stop); <-stopped }()
			for range rounds {
				var got string
				err := conn.QueryRow(context.Background(), "SHOW TimeZone", pgx.QueryExecModeSimpleProtocol).Scan(&got)
				if code := sqlstate(err); code != "" && code != "57014" || code == "" && got != zone {
					t.Errorf("got %q, want %q, %v", got, zone, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// The query of a client that vanishes before the server has begun it is canceled
// too, with a second request if need be.
func TestQueryOfAClientThatVanishesAtOnceIsCanceled(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 2})
	began := time.Now()
	for range 60 {
		conn := r.connect()
		leaveWorking(conn)
		vanish(conn)
	}
	stopped(t, direct, "left working")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	r.settled()
}
