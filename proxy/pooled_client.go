package proxy

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/txpool"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// pooledClient is the handler of a client in transaction mode. Its goroutine
// reads requests and forwards them to the server connection that the client is
// linked to from the first request to the end of the transaction; answers come
// from that server connection's reader. An idle client has no buffer.
type pooledClient struct {
	client  *client
	conn    *clientConn // the client's
	env     *env
	pool    *pool
	session *txpool.Client
	waiter  waiter                     // guarded by the pool's mutex
	server  atomic.Pointer[serverConn] // linked; changed under its mutex

	requested atomic.Int64 // time of the last request, in Unix nanoseconds
	shrunk    atomic.Int64 // requested, when the stack was last shrunk

	// Guarded by the mutex of the linked server connection.
	answered     chan struct{} // has room for one; nil unless the client has waited for answers
	introduction introduction

	// The others are those of the goroutine that runs the client: its own, or the one that
	// has the turn.
	incoming     incoming
	received     int64  // bytes of requests, which is about what its statements take
	held         []byte // requests that need a server connection
	waits        bool   // for that
	finalRequest bool   // its current request ends in Terminate
	midMessage   bool   // the server connection has the beginning of a message
	task         task   // for the next interrupt; guarded by the client's mutex
	turn         turn
}

// task is what the janitor wants of a client that is idle.
type task uint8

const (
	noTask          task = iota
	taskShrinkStack      // go on in a new goroutine
	taskCheckIdle        // disconnect if it has been idle for too long, or within a message
)

func newPooledClient(c *client, p *pool, settings txpool.Settings) *pooledClient {
	pooled := &pooledClient{client: c, conn: c.conn, env: c.env, pool: p, session: txpool.NewClient(&p.statements)}
	pooled.session.SetSettings(settings)
	if c.authenticated {
		pooled.session.SetUser(c.user)
	}
	pooled.requested.Store(time.Now().UnixNano()) // its idle time begins now
	return pooled
}

// begin begins the session and returns its run loop, nil if the event loop serves it.
func (c *pooledClient) begin() runLoop {
	c.opened()
	if c.conn.isServed() {
		c.conn.raw.KeepWrites()
	}
	if conn := c.conn.loopConn(); conn != nil {
		c.client.byEvents = true
		c.serveByEvents(conn)
		return nil
	}
	return c.run()
}

// opened counts the session and logs that it has begun.
//
//go:noinline
func (c *pooledClient) opened() {
	c.env.counts.sessions.Add(1)
	c.pool.count(&c.pool.totals.Sessions)
	c.requested.Store(time.Now().UnixNano())
	if c.env.logs(slog.LevelDebug) {
		c.env.log.Debug("session began", "client", c.conn.raw.RemoteAddr(), "target", c.pool.database.target.name)
	}
}

// run is the run loop, and the next one after the stack has been shrunk. While
// the client is idle, its frame and those that it calls must leave the stack at 2 KiB:
// a garbage collection makes the first stack of each goroutine as large as the mean of
// what goroutines use, and a runtime guard of 928 bytes, rounded up to a power of two.
func (c *pooledClient) run() runLoop {
	end := c.serve()
	if end == (ending{}) {
		return c.run
	}
	c.finish(end)
	return nil
}

// serve forwards requests until the session ends, or until the client should go
// on in another goroutine.
func (c *pooledClient) serve() ending {
	for {
		end, err := c.receive()
		switch {
		case err != nil:
			return c.failed(err)
		case end != ending{}:
			return end
		}
	}
}

// failed returns what an error of a read means.
func (c *pooledClient) failed(err error) ending {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return c.handleInterrupt()
	}
	return ending{reason: reasonGone}
}

// forward forwards requests. It returns those that are not complete. Without any, it
// completes the introduction.
func (c *pooledClient) forward(requests []byte) (rest []byte, end ending) {
	c.requested.Store(time.Now().UnixNano())
	return c.proceed(requests, unlinked)
}

// proceed forwards what is left of requests after an outcome.
func (c *pooledClient) proceed(rest []byte, how outcome) ([]byte, ending) {
	for {
		switch how {
		case forwarded:
			if c.client.current() < clientKilled && (len(rest) == 0 || !isComplete(rest)) {
				return rest, ending{}
			}
		case stalled:
			if !c.awaitAnswer() {
				return nil, ending{reason: reasonGone}
			}
		case terminated:
			return nil, c.awaitLastAnswers()
		}
		var s *serverConn
		for s == nil {
			s = c.server.Load()
			// The state is read after the link: who ends the session changes the link
			// last, and the requests must not go to another server connection.
			if c.client.current() >= clientKilled {
				return nil, c.handleInterrupt()
			}
			// In this order: until it is done, the server connection may change
			// whether the introduction is active.
			if c.introduction.done.Load() && c.introduction.active {
				return nil, ending{}
			}
			if s != nil {
				break
			}
			if isTerminate(rest) {
				return nil, ending{reason: reasonTerminated}
			}
			if !c.introduction.active && !isComplete(rest) {
				return rest, ending{}
			}
			c.finalRequest = endsInTerminate(rest)
			switch granted, e := c.pool.acquire(c); {
			case e != nil:
				return nil, c.refuse(rest, e)
			case granted == nil:
				return nil, ending{reason: reasonGone}
			}
		}
		rest, how = link{s, c}.forward(rest)
	}
}

// isComplete reports whether requests begin with as much of a message as a server
// connection takes.
func isComplete(requests []byte) bool {
	wanted, err := txpool.Wanted(requests)
	return err == nil && len(requests) >= wanted
}

// await waits for what the pool grants.
func (c *pooledClient) await() (*serverConn, *pgwire.Error) {
	for {
		g := <-c.waiter.granted
		if g != (grant{}) {
			return g.server, g.refused
		}
		_ = c.client.notify(c.pool.database.target.waitingFor(time.Since(c.waiter.since))) // a read finds out whether the client has disconnected
	}
}

// awaitAnswer waits for an answer. It reports whether the client is still
// connected.
func (c *pooledClient) awaitAnswer() bool {
	check := time.NewTicker(clientCheckInterval)
	defer check.Stop()
	for {
		select {
		case <-c.answered:
			return true
		case <-check.C:
			if c.conn.raw.Gone() {
				return false
			}
		}
	}
}

// awaitLastAnswers waits until a client that has sent Terminate has the answers
// to its earlier requests.
func (c *pooledClient) awaitLastAnswers() ending {
	for s := c.server.Load(); s != nil && (link{s, c}).owesAnswer(); s = c.server.Load() {
		<-c.answered
		if c.client.current() >= clientKilled {
			return c.handleInterrupt()
		}
	}
	return ending{reason: reasonTerminated}
}

// isGone reports whether the client cannot be answered any more. One that has
// sent Terminate may have closed its side and still read.
func (c *pooledClient) isGone() bool {
	if c.finalRequest {
		return c.conn.raw.Broken()
	}
	return c.conn.raw.Gone()
}

// isTerminate reports whether requests are a Terminate message and nothing else.
func isTerminate(requests []byte) bool {
	return len(requests) == pgwire.HeaderSize && pgwire.ClientType(requests[0]) == pgwire.ClientTerminate
}

// endsInTerminate reports whether the last bytes of requests look like a
// Terminate message.
func endsInTerminate(requests []byte) bool {
	n := len(requests) - pgwire.HeaderSize
	return n >= 0 && isTerminate(requests[n:]) && string(requests[n+1:]) == "\x00\x00\x00\x04"
}

// refuse answers requests with an error, so that the client may go on. If the
// requests are incomplete or the proxy is shutting down, the session ends.
func (c *pooledClient) refuse(requests []byte, e *pgwire.Error) ending {
	c.env.errors.add(e)
	c.env.log.Info("cannot serve a request", "client", c.conn.raw.RemoteAddr(), "target", c.pool.database.target.name, "code", e.Code, "error", e.Message)
	answer, ok := refusal(requests, e)
	if !ok || c.introduction.active || c.env.isDraining() {
		answer, ok = e.Append(nil), false
	}
	switch {
	case c.conn.write(answer) != nil:
		return ending{reason: reasonGone}
	case ok:
		return ending{}
	}
	return ending{e.Message, true}
}

// prepareStall must be called before the client can wait for answers. The caller
// holds the mutex of the linked server connection.
func (c *pooledClient) prepareStall() {
	if c.answered == nil {
		c.answered = make(chan struct{}, 1)
	}
}

// resumeRequests lets the client go on if it waits for answers. The caller holds
// the mutex of the linked server connection.
func (c *pooledClient) resumeRequests() {
	if c.answered == nil {
		return
	}
	select {
	case c.answered <- struct{}{}:
	default:
	}
}

// unlinked is called when the server connection has been unlinked. The caller
// holds its mutex.
func (c *pooledClient) unlinked() {
	if c.env.config().ClientIdleTimeout > 0 {
		c.requested.Store(time.Now().UnixNano()) // its idle time begins now
	}
	c.server.Store(nil)
	c.resumeRequests() // on another server connection
	c.retryDrain()
}

// disconnected is called when the server connection has ended the session. The
// caller holds its mutex.
func (c *pooledClient) disconnected(reason string) {
	c.client.disconnectAndInterrupt(reason)
	c.resumeRequests()
}

// cancel cancels what the client waits for. Like Postgres, it does nothing if
// that is nothing.
func (c *pooledClient) cancel(ctx context.Context) error {
	canceled := &pgwire.Error{Code: "57014", Message: "canceling statement due to user request"}
	if c.pool.refuseClient(c, canceled) {
		return nil
	}
	if s := c.server.Load(); s != nil {
		return link{s, c}.cancel(ctx)
	}
	return nil
}

// request asks c to do a task, unless its session is about to end.
func (c *pooledClient) request(t task) {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	if c.client.current() == clientActive && c.task < t {
		c.task = t
		c.interrupt()
	}
}

// interrupt ends what c reads now, and has it handle the interrupt.
func (c *pooledClient) interrupt() {
	c.conn.raw.Interrupt()
	if c.turn.isShared() {
		go c.wake(isInterrupted)
	}
}

// drain disconnects c once it has no transaction open.
func (c *pooledClient) drain() { c.client.interrupt() }

// retryDrain makes c look again whether it can be disconnected.
func (c *pooledClient) retryDrain() {
	if c.client.current() == clientDraining {
		c.interrupt()
	}
}

// kill disconnects c now, whatever it waits for.
func (c *pooledClient) kill() {
	c.client.interrupt()
	c.pool.refuseClient(c, c.client.disconnecting())
	if s := c.server.Load(); s != nil {
		l := link{s, c}
		go l.resumeRequests()
		time.AfterFunc(lingerTimeout, l.abandon)
	}
}

// handleInterrupt does what c has been interrupted for.
func (c *pooledClient) handleInterrupt() ending {
	c.client.mu.Lock()
	c.conn.raw.SetReadDeadline(time.Time{}) // before the state is read, so that a later change interrupts again
	state, reason, task := c.client.current(), c.client.reason, c.task
	c.task = noTask
	c.client.mu.Unlock()
	switch state {
	case clientDisconnected:
		return ending{reason, true}
	case clientKilled:
		return c.sendLast("killed", c.client.disconnecting(), true)
	case clientDraining:
		return c.sendLast("shutdown", errShuttingDown(), false)
	}
	switch task {
	case taskShrinkStack:
		c.shrunk.Store(c.requested.Load())
		if len(c.incoming.begun) == 0 {
			c.incoming.begun = nil
		}
	case taskCheckIdle:
		cfg := c.env.config()
		if limit := cfg.QueryWaitTimeout; c.incoming.age() >= limit {
			return c.sendLast("message not completed", errUnfinished(limit), true)
		}
		if limit := cfg.ClientIdleTimeout; limit > 0 && c.idleTime() >= limit {
			return c.sendLast("idle", errIdle(limit), false)
		}
	}
	return ending{}
}

// sendLast ends the session with an error: if no transaction is open, or in any
// case if it is forced.
func (c *pooledClient) sendLast(reason string, e *pgwire.Error, forced bool) ending {
	for {
		s := c.server.Load()
		if s == nil {
			c.env.errors.add(e)
			c.conn.writeLast(e.Append(nil))
			return ending{reason, true}
		}
		if ended, linked := (link{s, c}).sendError(e, forced); ended {
			c.env.errors.add(e)
			return ending{reason, true}
		} else if linked {
			return ending{}
		}
	}
}

// finish ends the session and logs that.
//
//go:noinline
func (c *pooledClient) finish(end ending) {
	c.close(end)
	if c.env.logs(slog.LevelDebug) {
		c.env.log.Debug("session ended", "client", c.conn.raw.RemoteAddr(), "target", c.pool.database.target.name,
			"reason", end.reason, "duration", time.Since(c.client.connected))
	}
}

// close ends the session: it gives up what c has, and lets the client read its
// last message.
func (c *pooledClient) close(end ending) {
	c.incoming.drop(&c.env.unfinished)
	c.env.unfinished.freed.Add(c.received)
	if s := c.server.Load(); s != nil {
		link{s, c}.disconnect(end.reason != reasonTerminated)
	} else {
		c.session.Close()
	}
	c.client.disconnect(end.reason)
	if end.notified {
		c.conn.linger()
	}
}

// idleTime is the time since the last request, or since the last transaction
// ended if there is an idle timeout.
func (c *pooledClient) idleTime() time.Duration { return time.Since(time.Unix(0, c.requested.Load())) }

// isShrunk reports whether there is no stack that has not been shrunk since the last
// request.
func (c *pooledClient) isShrunk() bool {
	return c.turn.isShared() || c.shrunk.Load() == c.requested.Load()
}

func (c *pooledClient) describe(info *snapshot.Client) {
	db := c.pool.database.label()
	info.Target, info.Database, info.State = db.Target, db.Name, snapshot.ClientIdle
	info.Requested = time.Unix(0, c.requested.Load())
	if s := c.server.Load(); s != nil {
		info.State = snapshot.ClientActive
		s.mu.Lock()
		if s.client == c {
			info.ServerPID, info.Pinned = s.conn.pid(), c.session.Pinned()
		}
		s.mu.Unlock()
		return
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if c.waiter.queued {
		info.State, info.Waiting = snapshot.ClientWaiting, time.Since(c.waiter.since)
	}
}
