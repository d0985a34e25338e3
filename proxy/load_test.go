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

	"github.com/lakebase-go/lakebase/proxy"
)

// Clients that come and go in every way there is leave nothing behind.
func TestChurn(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{})
	endings := map[string]func(context.Context, *pgx.Conn){
		"goodbye":        func(ctx context.Context, c *pgx.Conn) { c.Close(ctx) },
		"vanish":         func(_ context.Context, c *pgx.Conn) { c.PgConn().Conn().Close() },
		"vanish in work": func(_ context.Context, c *pgx.Conn) { leaveWorking(c); c.PgConn().Conn().Close() },
		"reset in work":  func(_ context.Context, c *pgx.Conn) { leaveWorking(c); reset(c) },
		"half a message": func(_ context.Context, c *pgx.Conn) {
			c.PgConn().Conn().Write([]byte("Q\x00\x00\x00\xffSELECT"))
			c.PgConn().Conn().Close()
		},
		"the server ends": func(ctx context.Context, c *pgx.Conn) {
			c.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
			c.Close(ctx)
		},
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 3 {
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
			}
		})
	}
	wg.Wait()
	eventually(t, "every connection is given back", func() bool {
		s := r.Stats()
		return s.Clients == 0 && s.ServerConns["shop"] == 0
	})
	conn := connectDirect(t)
	eventually(t, "nothing is left running", func() bool {
		return one[int](t, conn, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%left working%' AND state = 'active' AND pid <> pg_backend_pid()") == 0
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

// A client that does not read costs buffers of fixed size, and cannot keep
// the proxy from ending.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{})
	raw := r.dial()
	front := pgproto3.NewFrontend(raw, raw)
	login(t, front, map[string]string{"user": "me", "database": "shop"})
	front.Send(&pgproto3.Query{String: "SELECT repeat('x', 10000) FROM generate_series(1, 100000)"}) // a gigabyte
	if err := front.Flush(); err != nil {
		t.Fatal(err)
	}
	conn := connectDirect(t)
	eventually(t, "the server waits for its client", func() bool {
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
	r := start(b, proxy.Config{})
	conn := r.connect()
	for b.Loop() {
		one[int](b, conn, "SELECT 1")
	}
}

func BenchmarkConnect(b *testing.B) {
	r := start(b, proxy.Config{})
	for b.Loop() {
		conn, err := pgx.Connect(b.Context(), r.url("shop", ""))
		if err != nil {
			b.Fatal(err)
		}
		conn.Close(b.Context())
	}
}
