package proxy_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// endings are the ways in which clients go.
var endings = map[string]func(context.Context, *pgx.Conn){
	"goodbye":        func(ctx context.Context, c *pgx.Conn) { c.Close(ctx) },
	"vanish":         func(_ context.Context, c *pgx.Conn) { vanish(c) },
	"vanish in work": func(_ context.Context, c *pgx.Conn) { leaveWorking(c); vanish(c) },
	"reset in work":  func(_ context.Context, c *pgx.Conn) { leaveWorking(c); reset(c) },
	"half a message": func(_ context.Context, c *pgx.Conn) {
		c.PgConn().Conn().Write([]byte("Q\x00\x00\x00\xffSELECT"))
		vanish(c)
	},
	"the server ends": func(ctx context.Context, c *pgx.Conn) {
		c.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
		c.Close(ctx)
	},
	"goodbye in a transaction": func(ctx context.Context, c *pgx.Conn) { c.Exec(ctx, "BEGIN"); c.Close(ctx) },
	"vanish in a transaction":  func(ctx context.Context, c *pgx.Conn) { c.Exec(ctx, "BEGIN"); vanish(c) },
	"reset in a copy": func(ctx context.Context, c *pgx.Conn) {
		c.Exec(ctx, "CREATE TEMP TABLE t (n int)")
		m, _ := (&pgproto3.Query{String: "COPY t FROM STDIN"}).Encode(nil) // fails only beyond a gigabyte
		c.PgConn().Conn().Write(m)
		reset(c)
	},
	"vanish with a listener": func(ctx context.Context, c *pgx.Conn) { c.Exec(ctx, "LISTEN news"); vanish(c) },
}

// Clients that connect and disconnect in every possible way leave nothing behind.
func TestClientsThatComeAndGoLeaveNothing(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 3})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for name, end := range endings {
					conn, err := pgx.Connect(t.Context(), r.url("shop", ""))
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					var n, want = 0, rand.N(1000)
					if err := conn.QueryRow(t.Context(), "SELECT $1::int", want).Scan(&n); err != nil || n != want {
						t.Errorf("%s: got %d, want %d, %v", name, n, want, err)
					}
					end(t.Context(), conn)
				}
			})
		}
		wg.Wait()
		testkit.Eventually(t, "every client is forgotten", func() bool {
			s := r.Stats()
			return s.Clients == 0 && (mode == proxy.TransactionMode || s.ServerConns["shop"] == 0)
		})
		if mode == proxy.TransactionMode {
			p := r.settled()
			if p.ClientsIdle != 0 || p.ServersIdle > 3 || r.Stats().ServerConns["shop"] != int64(p.ServersIdle) {
				t.Errorf("%+v, %+v", p, r.Stats())
			}
		}
		testkit.Eventually(t, "nothing is left running", func() bool {
			return one[int](t, direct, "SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL AND state <> 'idle' AND pid <> pg_backend_pid()") == 0
		})
		if n := one[int](t, direct, "SELECT count(*) FROM pg_class WHERE relpersistence = 't'"); n != 0 {
			t.Errorf("%d temporary tables are left", n)
		}
	})
}

// leaveWorking asks for what takes a minute, and does not wait.
func leaveWorking(c *pgx.Conn) {
	m, _ := (&pgproto3.Query{String: "SELECT pg_sleep(60) -- left working"}).Encode(nil) // fails only beyond a gigabyte
	c.PgConn().Conn().Write(m)
}

func reset(c *pgx.Conn) {
	tcp := c.PgConn().Conn().(*net.TCPConn)
	tcp.SetLinger(0)
	tcp.Close()
}

// A client that does not read costs buffers of fixed size, and does not delay a
// shutdown.
func TestClientThatDoesNotReadCostsFixedBuffers(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	raw := r.dial()
	front := pgproto3.NewFrontend(raw, raw)
	login(t, front, map[string]string{"user": "me", "database": "shop"})
	front.Send(&pgproto3.Query{String: "SELECT repeat('x', 10000) FROM generate_series(1, 100000)"}) // a gigabyte
	if err := front.Flush(); err != nil {
		t.Fatal(err)
	}
	conn := connectDirect(t)
	testkit.Eventually(t, "the server waits for its client", func() bool {
		return one[int](t, conn, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND query LIKE '%100000)%' AND pid <> pg_backend_pid()") == 1
	})
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapInuse > 400<<20 {
		t.Errorf("%d MiB in use", m.HeapInuse>>20)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if err := r.Shutdown(ctx); !errors.Is(err, context.Canceled) || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func BenchmarkQuery(b *testing.B) {
	r := start(b, proxy.Config{PoolMode: proxy.SessionMode})
	conn := r.connect()
	for b.Loop() {
		one[int](b, conn, "SELECT 1")
	}
}

func BenchmarkConnect(b *testing.B) {
	r := start(b, proxy.Config{PoolMode: proxy.SessionMode})
	for b.Loop() {
		conn, err := pgx.Connect(b.Context(), r.url("shop", ""))
		if err != nil {
			b.Fatal(err)
		}
		conn.Close(b.Context())
	}
}
