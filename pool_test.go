package lakebase_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

func TestPoolLimits(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	pool, err := connector(t, s, "", func(c *lakebase.Config) { c.PoolTimeout = time.Second }).NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var held []*pgxpool.Conn
	for range 15 { // one by one: opening them all at once may take longer than the timeout
		held = append(held, acquire(t, pool, 1)...)
	}
	if n := s.Stats().Connections; n != 15 {
		t.Errorf("%d connections at the server, want 15", n)
	}

	began := time.Now()
	_, err = pool.Acquire(t.Context())
	var e *lakebase.Error
	if !errors.As(err, &e) || e.Kind != lakebase.KindPoolTimeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the 16th got %v, want a pool timeout", err)
	}
	if !strings.Contains(err.Error(), "15 in use") || !strings.Contains(lakebase.Hint(err), "DB_POOL_SIZE") {
		t.Errorf("unclear error: %v (hint %q)", err, lakebase.Hint(err))
	}
	if took := time.Since(began); took < 900*time.Millisecond || took > 20*time.Second {
		t.Errorf("waited %v, want about 1s", took)
	}

	// A caller's own, shorter patience stays the caller's own error.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := pool.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.Kind == lakebase.KindPoolTimeout {
		t.Errorf("a caller's deadline became %v", err)
	}

	// A waiter gets the first connection that comes free.
	got := make(chan error, 1)
	go func() {
		c, err := pool.Acquire(t.Context())
		if err == nil {
			c.Release()
		}
		got <- err
	}()
	held[0].Release()
	if err := <-got; err != nil {
		t.Errorf("the waiter got %v", err)
	}
	for _, c := range held[1:] {
		c.Release()
	}

	testkit.EventuallyWithin(t, 10*time.Second, "back to at most 5 connections", func() bool { return pool.Stat().TotalConns() <= 5 })
	testkit.Eventually(t, "the server sees at most 5", func() bool { return s.Stats().Connections <= 5 })
	if n := pool.Stat().TotalConns(); n != 5 {
		t.Errorf("%d connections kept, want 5", n)
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	pool.Close()
	testkit.Eventually(t, "no connection left", func() bool { return s.Stats().Connections == 0 })
}

func acquire(t *testing.T, pool *pgxpool.Pool, n int) []*pgxpool.Conn {
	t.Helper()
	ctx := within(t, 30*time.Second)
	type acquired struct {
		conn *pgxpool.Conn
		err  error
	}
	results := make(chan acquired, n)
	for range n {
		go func() {
			conn, err := pool.Acquire(ctx)
			results <- acquired{conn, err}
		}()
	}
	var held []*pgxpool.Conn
	var failed error
	for range n {
		r := <-results
		if r.err != nil {
			failed = r.err
			continue
		}
		t.Cleanup(r.conn.Release) // a pool whose connections are held cannot be closed
		held = append(held, r.conn)
	}
	if failed != nil {
		t.Fatal(failed)
	}
	return held
}

func TestOverflowStaysWhileItIsNeeded(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	pool, err := connector(t, s, "").NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range acquire(t, pool, 10) {
		c.Release()
	}
	before := s.Stats().Logins
	deadline := time.Now().Add(3 * time.Second) // several trims
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for time.Now().Before(deadline) {
		<-pace.C
		for _, c := range acquire(t, pool, 8) {
			c.Release()
		}
	}
	if n := s.Stats().Logins - before; n != 0 {
		t.Errorf("%d new logins under a steady load of 8: overflow was closed while needed", n)
	}
}

func TestPoolRecyclesWithJitter(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	c := connector(t, s, "", func(c *lakebase.Config) { c.PoolRecycle = time.Second })
	pool, err := c.NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pid := one[int](t, pool, "select pg_backend_pid()")
	testkit.EventuallyWithin(t, 10*time.Second, "another connection", func() bool {
		return one[int](t, pool, "select pg_backend_pid()") != pid
	})
	if s.Stats().Logins < 2 {
		t.Error("no second login was seen")
	}
	cfg := pool.Config()
	if cfg.MaxConnLifetime != time.Second || cfg.MaxConnLifetimeJitter != time.Second/10 {
		t.Errorf("lifetime %v and jitter %v", cfg.MaxConnLifetime, cfg.MaxConnLifetimeJitter)
	}

	db := c.OpenDB()
	pid = one2(t, db, "select pg_backend_pid()")
	testkit.EventuallyWithin(t, 10*time.Second, "another database/sql connection", func() bool {
		return one2(t, db, "select pg_backend_pid()") != pid
	})
}

// database/sql gives up when it has been handed three connections in a row that
// are not to be used any more, which happens when all are old and all are busy.
func TestRecyclingFailsNoQuery(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	db := connector(t, s, "", func(c *lakebase.Config) {
		c.PoolRecycle, c.PoolSize, c.MaxOverflow = 5*time.Millisecond, 2, -1
	}).OpenDB()
	ctx := within(t, time.Minute)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 15 {
				if _, err := db.ExecContext(ctx, "select pg_sleep(0.01)"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := s.Stats().Logins; n < 20 {
		t.Errorf("only %d logins: connections were not recycled", n)
	}
}

func TestCloseClosesEverything(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	c := connector(t, s, "")
	c.StartRefresh()
	pool, err := c.NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, conn := range acquire(t, pool, 10) {
		conn.Release()
	}
	db := c.OpenDB()
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close()
	testkit.Eventually(t, "no connection left", func() bool { return s.Stats().Connections == 0 })
	if err := pool.Ping(t.Context()); err == nil {
		t.Error("the pool is still open")
	}
	// Goroutines are counted by TestMain.
}

func TestPoolTimeoutSurvivesAcquireAllIdle(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	pool, err := connector(t, s, "", func(c *lakebase.Config) {
		c.PoolSize, c.MaxOverflow, c.PoolTimeout = 2, -1, 200*time.Millisecond
	}).NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range acquire(t, pool, 2) {
		c.Release()
	}
	for range 3 { // pgxpool traces these releases, but not what they release
		idle := pool.AcquireAllIdle(t.Context())
		if len(idle) != 2 {
			t.Fatalf("%d idle connections, want 2: the test proves nothing", len(idle))
		}
		for _, c := range idle {
			c.Release()
		}
	}
	for _, c := range acquire(t, pool, 2) {
		defer c.Release()
	}
	var e *lakebase.Error
	if _, err := pool.Acquire(within(t, 5*time.Second)); !errors.As(err, &e) || e.Kind != lakebase.KindPoolTimeout {
		t.Errorf("the third got %v, want a pool timeout", err)
	}
}

// countingTracer is a user's own tracer.
type countingTracer struct{ queries, connects, acquires, releases int }

func (c *countingTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.queries++
	return ctx
}
func (c *countingTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (c *countingTracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return ctx
}
func (c *countingTracer) TraceConnectEnd(context.Context, pgx.TraceConnectEndData) { c.connects++ }
func (c *countingTracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return ctx
}
func (c *countingTracer) TraceAcquireEnd(context.Context, *pgxpool.Pool, pgxpool.TraceAcquireEndData) {
	c.acquires++
}
func (c *countingTracer) TraceRelease(*pgxpool.Pool, pgxpool.TraceReleaseData) { c.releases++ }

// keepingTracer keeps the context of a login.
type keepingTracer struct {
	countingTracer
	login context.Context
}

func (k *keepingTracer) TraceConnectEnd(ctx context.Context, _ pgx.TraceConnectEndData) {
	k.login = ctx
}

// The runtime keeps the context of a login for as long as the timer of its deadline,
// which may be until long after the login.
func TestContextOfALoginKeepsNoToken(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	cfg, err := pgx.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	tracer := &keepingTracer{}
	cfg.Tracer, cfg.Database = tracer, ""
	conn, err := connector(t, s, "").ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if password, ok := lakebase.PasswordOf(tracer.login); !ok || password != "" {
		t.Errorf("the context of a login has a password of %d characters (%t)", len(password), ok)
	}
}

func TestTracerOfTheCallerStillTraces(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	cfg, err := pgxpool.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	tracer := &countingTracer{}
	cfg.ConnConfig.Tracer = tracer
	cfg.ConnConfig.Database = ""
	pool, err := connector(t, s, "").NewPoolWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	one[int](t, pool, "select 1")
	one[int](t, pool, "select 2")
	pool.Close()
	if *tracer != (countingTracer{queries: 2, connects: 1, acquires: 2, releases: 2}) {
		t.Errorf("traced %+v", *tracer)
	}
}
