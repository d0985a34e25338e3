package lakebase

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// poolTracer gives a plain pgxpool what its configuration lacks: a limit on
// waiting (see TraceAcquireStart), and overflow connections that are closed when
// the load decreases.
type poolTracer struct {
	noQueryTracer
	next     pgx.QueryTracer // the owner's own tracer; may be nil
	pool     atomic.Pointer[pgxpool.Pool]
	resource string
	limits   string        // the settings that allow more; empty for those of a Config
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

// claim counts one more caller that wants a connection, and returns how many there
// are. Up to the pool's maximum each of them gets one without waiting.
func (t *poolTracer) claim() int32 {
	n := t.claims.Add(1)
	for {
		peak := t.peak.Load()
		if n <= peak || t.peak.CompareAndSwap(peak, n) {
			return n
		}
	}
}

// opened is called for each new connection. Only a new one can be a surplus, so a
// pool within its size costs nothing.
func (t *poolTracer) opened() {
	if t.size < t.max && t.watching.CompareAndSwap(false, true) {
		time.AfterFunc(trimInterval, t.trim)
	}
}

// trim closes idle connections above both the pool's size and the most that
// were in use at once since the last trim, and schedules the next trim while there
// are any above the size.
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

// closeIdle closes up to n idle connections, one at a time: to hold more, if only
// for a moment, would make callers open new ones.
func (t *poolTracer) closeIdle(pool *pgxpool.Pool, n int32) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for range n {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return // closed, or busy after all
		}
		// Without a Terminate message it is closed all the same.
		_ = conn.Hijack().Close(ctx)
		t.claims.Add(-1) // a hijacked connection is never released
	}
}

// claimKey marks a connection whose holder is counted in claims.
const claimKey = "lakebase.claim"

// TraceAcquireStart implements pgxpool.AcquireTracer: the context it returns
// is the one that pgxpool waits with, which is how a plain *pgxpool.Pool gets
// a timeout of its own. Only a caller that may find every connection taken
// needs one: the others wait at most for a login, which has its own limit.
func (t *poolTracer) TraceAcquireStart(ctx context.Context, pool *pgxpool.Pool, data pgxpool.TraceAcquireStartData) context.Context {
	if next, ok := t.next.(pgxpool.AcquireTracer); ok {
		ctx = next.TraceAcquireStart(ctx, pool, data)
	}
	if t.claim() <= t.max || t.timeout < 0 {
		return ctx
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= t.timeout {
		return ctx
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.timeout, errPoolTimeout)
	return &acquireContext{Context: ctx, tracer: t, pool: pool, cancel: cancel}
}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (t *poolTracer) TraceAcquireEnd(ctx context.Context, pool *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	if data.Err != nil {
		t.claims.Add(-1)
	} else {
		data.Conn.PgConn().CustomData()[claimKey] = true
	}
	if a, ok := ctx.(*acquireContext); ok {
		a.cancel()
		ctx = a.Context
	}
	if next, ok := t.next.(pgxpool.AcquireTracer); ok {
		next.TraceAcquireEnd(ctx, pool, data)
	}
}

// TraceRelease implements pgxpool.ReleaseTracer. It is called for connections
// of AcquireAllIdle too, whose acquisition was not traced and claims nothing.
func (t *poolTracer) TraceRelease(pool *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	if custom := data.Conn.PgConn().CustomData(); custom[claimKey] == true {
		custom[claimKey] = false
		t.claims.Add(-1)
	}
	if next, ok := t.next.(pgxpool.ReleaseTracer); ok {
		next.TraceRelease(pool, data)
	}
}

// ownersTracer takes off what NewPool put around the owner's tracer.
func ownersTracer(t pgx.QueryTracer) pgx.QueryTracer {
	if p, ok := t.(*poolTracer); ok {
		return p.next
	}
	return t
}

// acquireContext is the context of one wait for a connection. pgxpool returns its
// error as it is.
type acquireContext struct {
	context.Context
	tracer *poolTracer
	pool   *pgxpool.Pool
	cancel context.CancelFunc
}

// errPoolTimeout is the cause of a context that ended with the pool timeout, not
// with the caller's context.
var errPoolTimeout = fmt.Errorf("no connection came free: %w", context.DeadlineExceeded)

// Err returns nil, the caller's own context error, or an *Error of kind
// PoolTimeout, which is a context.DeadlineExceeded too.
func (a *acquireContext) Err() error {
	err := a.Context.Err()
	if err == nil || context.Cause(a.Context) != errPoolTimeout {
		return err
	}
	s := a.pool.Stat()
	return &Error{
		Kind:     KindPoolTimeout,
		Resource: a.tracer.resource,
		Message:  fmt.Sprintf("waited %s for one of %d pool connections (%d in use, %d being opened)", a.tracer.timeout, a.tracer.max, s.AcquiredConns(), s.ConstructingConns()),
		Hint:     "release connections sooner, or raise " + cmp.Or(a.tracer.limits, "DB_POOL_SIZE, DB_MAX_OVERFLOW or DB_POOL_TIMEOUT"),
		Err:      errPoolTimeout,
	}
}
