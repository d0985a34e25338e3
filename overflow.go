package lakebase

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// poolTracer gives a plain pgxpool what its configuration has no word for: a
// limit on waiting (see TraceAcquireStart), and overflow connections that go
// away when the load does.
type poolTracer struct {
	next     pgx.QueryTracer // the owner's own tracer; may be nil
	pool     atomic.Pointer[pgxpool.Pool]
	resource string
	timeout  time.Duration // to acquire; negative: none
	size     int32         // connections to keep
	max      int32

	claims   atomic.Int32 // connections held or waited for
	peak     atomic.Int32 // the most of them since the last trim
	watching atomic.Bool  // a trim is due
}

// trimInterval is how long the pool must have needed fewer connections than
// it has before the surplus is closed.
const trimInterval = time.Second

// claim counts one more caller that wants a connection, and returns how many
// there are. Up to the pool's maximum each is sure of one.
func (t *poolTracer) claim() int32 {
	n := t.claims.Add(1)
	for {
		peak := t.peak.Load()
		if n <= peak || t.peak.CompareAndSwap(peak, n) {
			return n
		}
	}
}

// opened is called for each new connection. Only they can make a surplus, so
// a pool within its size costs nothing.
func (t *poolTracer) opened() {
	if t.size < t.max && t.watching.CompareAndSwap(false, true) {
		time.AfterFunc(trimInterval, t.trim)
	}
}

// trim closes idle connections above both the pool's size and the most that
// were in use at once since the last trim, and comes back while there are any
// above the size.
func (t *poolTracer) trim() {
	pool := t.pool.Load()
	if pool == nil { // unreachable: only a pool that was returned opens connections
		return
	}
	stat := pool.Stat()
	needed := max(t.size, t.peak.Swap(stat.AcquiredConns()))
	if surplus := stat.TotalConns() - needed; surplus > 0 {
		t.closeIdle(pool, surplus)
	}
	t.watching.Store(false)
	if pool.Stat().TotalConns() > t.size {
		t.opened()
	}
}

// closeIdle closes up to n connections that nobody uses, one at a time: to
// hold more, if only for a moment, would make callers open new ones.
func (t *poolTracer) closeIdle(pool *pgxpool.Pool, n int32) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for range n {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return // closed, or busy after all
		}
		// What cannot say goodbye is closed all the same.
		_ = conn.Hijack().Close(ctx)
		t.claims.Add(-1) // a hijacked connection is never released
	}
}
