package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/local"
)

// bench is one local Lakebase with two clients: a Connector, and a bare pgx that
// was given a token.
type bench struct {
	rounds   int
	span     time.Duration
	lakebase string // the program; empty to build it
	server   *local.Server
	env      []string // what has been set
	ours     *lakebase.Connector
	bare     *pgxpool.Config
}

func newBench(ctx context.Context, o options) (*bench, error) {
	server, err := local.Start(ctx, local.Options{})
	if err != nil {
		return nil, err
	}
	b := &bench{rounds: o.rounds, span: o.span, lakebase: o.lakebase, server: server}
	if err := b.connectors(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) connectors(ctx context.Context) error {
	env, err := b.server.Env("")
	if err != nil {
		return err
	}
	for _, v := range env {
		if err := os.Setenv(v.Name, v.Value); err != nil {
			return err
		}
		b.env = append(b.env, v.Name)
	}
	if b.ours, err = newConnector(); err != nil {
		return err
	}
	token, err := b.ours.Token(ctx)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(b.server.PostgresAddr())
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return err
	}
	b.bare, err = pgxpool.ParseConfig(fmt.Sprintf("host=%s sslmode=verify-full sslrootcert=%s dbname=databricks_postgres pool_max_conns=15",
		host, b.server.RootCertFile()))
	if err != nil {
		return err
	}
	conn := b.bare.ConnConfig
	conn.Port, conn.User, conn.Password = uint16(n), b.server.User(), token.Secret()
	// The same host name, so that the route and the certificate are the same.
	conn.Host, conn.TLSConfig.ServerName = "localhost", "localhost"
	return nil
}

func newConnector() (*lakebase.Connector, error) {
	cfg, err := lakebase.ParseConfig("")
	if err != nil {
		return nil, err
	}
	return lakebase.New(cfg)
}

func (b *bench) close() {
	if b.ours != nil {
		b.ours.Close()
	}
	for _, name := range b.env { // the proxy's measurements come next
		os.Unsetenv(name)
	}
	if err := b.server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// beforeConnect measures the hook of each login, with a fresh token.
func (b *bench) beforeConnect(ctx context.Context) (row, error) {
	cfg := b.bare.ConnConfig
	if err := b.ours.BeforeConnect(ctx, cfg.Copy()); err != nil {
		return row{}, err
	}
	copying := testing.Benchmark(func(t *testing.B) {
		t.ReportAllocs()
		for t.Loop() {
			cfg.Copy()
		}
	})
	hook := cfg.Copy()
	hooking := testing.Benchmark(func(t *testing.B) {
		t.ReportAllocs()
		for t.Loop() {
			hook.Tracer = nil
			if err := b.ours.BeforeConnect(ctx, hook); err != nil {
				t.Fatal(err)
			}
		}
	})
	return row{
		What:   "BeforeConnect on a fresh token (peer: pgx's own copy of the configuration)",
		Ours:   fmt.Sprintf("%d ns, %d allocs", hooking.NsPerOp(), hooking.AllocsPerOp()),
		Peer:   fmt.Sprintf("%d ns, %d allocs", copying.NsPerOp(), copying.AllocsPerOp()),
		Target: "under 2 µs, no more allocs",
		Met:    hooking.NsPerOp() < 2000 && hooking.AllocsPerOp() <= copying.AllocsPerOp(),
	}, nil
}

// pools opens one pool of each side.
func (b *bench) pools(ctx context.Context) (ours, bare *pgxpool.Pool, err error) {
	if ours, err = b.ours.NewPool(ctx); err != nil {
		return nil, nil, err
	}
	if bare, err = pgxpool.NewWithConfig(ctx, b.bare.Copy()); err != nil {
		ours.Close()
		return nil, nil, err
	}
	return ours, bare, nil
}

// query measures one query after another through each pool.
func (b *bench) query(ctx context.Context) (row, error) {
	ours, bare, err := b.pools(ctx)
	if err != nil {
		return row{}, err
	}
	defer ours.Close()
	defer bare.Close()
	c, err := b.pair(ctx, queryOnce(ours), queryOnce(bare))
	return c.row("query through our pool / bare pgxpool, 1 client", 1.05), err
}

func queryOnce(pool *pgxpool.Pool) side {
	return func(ctx context.Context) error {
		var n int
		return pool.QueryRow(ctx, "select 1").Scan(&n)
	}
}

// parallelQueries measures 8 clients at once, with 50 queries each.
func (b *bench) parallelQueries(ctx context.Context) (row, error) {
	ours, bare, err := b.pools(ctx)
	if err != nil {
		return row{}, err
	}
	defer ours.Close()
	defer bare.Close()
	c, err := b.pair(ctx, inParallel(queryOnce(ours)), inParallel(queryOnce(bare)))
	return c.row("400 queries through our pool / bare pgxpool, 8 clients", 1.05), err
}

func inParallel(s side) side {
	return func(ctx context.Context) error {
		errs := make(chan error, 8)
		for range cap(errs) {
			go func() {
				for range 50 {
					if err := s(ctx); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		var err error
		for range cap(errs) {
			err = errors.Join(err, <-errs)
		}
		return err
	}
}

// connect measures a login and the end of its session.
func (b *bench) connect(ctx context.Context) (row, error) {
	c, err := b.pair(ctx,
		func(ctx context.Context) error {
			conn, err := b.ours.Connect(ctx)
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		},
		func(ctx context.Context) error {
			conn, err := pgx.ConnectConfig(ctx, b.bare.ConnConfig)
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		})
	return c.row("connect / bare pgx TLS connect with a token at hand", 1.05), err
}

// emptyCache runs 1,000 callers of an empty cache, half of them cancelled.
func (b *bench) emptyCache(ctx context.Context) (row, error) {
	c, err := newConnector()
	if err != nil {
		return row{}, err
	}
	defer c.Close()
	before := b.server.Stats().CredentialCalls
	var wg sync.WaitGroup
	var failed atomic.Int64
	for i := range 1000 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			if i%2 == 0 {
				cancel()
			}
			if _, err := c.Token(ctx); err != nil && i%2 == 1 {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	calls := b.server.Stats().CredentialCalls - before
	return row{
		What:   "1,000 goroutines on an empty cache, half cancelled: credential calls",
		Ours:   fmt.Sprintf("%d (%d of the others failed)", calls, failed.Load()),
		Target: "1",
		Met:    calls == 1 && failed.Load() == 0,
	}, nil
}

// outage stops the credentials API for a third of a token's lifetime, while
// logins continue. The time scale is that of 60-minute tokens, 300 times faster.
func (b *bench) outage(ctx context.Context) (row, error) {
	lifetime := 12 * time.Second
	if b.span < time.Second { // only to show that it runs
		lifetime = 3 * time.Second
	}
	restore := b.server.Faults()
	short := restore
	short.Tokens.Lifetime = local.Duration(lifetime)
	if err := b.server.SetFaults(short); err != nil {
		return row{}, err
	}
	defer b.server.SetFaults(restore) //nolint:errcheck // the value came from the server itself
	c, err := newConnector()
	if err != nil {
		return row{}, err
	}
	defer c.Close()
	c.StartRefresh()

	var logins, failed int
	down, up := lifetime/3, 2*lifetime/3
	began := time.Now()
	state := short
	for took := time.Duration(0); took < 2*lifetime; took = time.Since(began) {
		want := 0
		if took > down && took < up {
			want = 503
		}
		if state.API.Status != want {
			state.API.Status = want
			if err := b.server.SetFaults(state); err != nil {
				return row{}, err
			}
		}
		conn, err := c.Connect(ctx)
		if err != nil {
			failed++
			continue
		}
		logins++
		if err := conn.Close(ctx); err != nil {
			return row{}, err
		}
	}
	return row{
		What:   fmt.Sprintf("API down for a third of a token's life (%s tokens): failed connections", lifetime),
		Ours:   fmt.Sprintf("%d of %d", failed, failed+logins),
		Target: "0",
		Met:    failed == 0 && logins > 0,
	}, nil
}
