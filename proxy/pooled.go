package proxy

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/rawnet"
	"github.com/lakebase-go/lakebase/internal/txpool"
)

// order is what somebody wants of a client's goroutine. Later ones prevail.
type order int32

const (
	noOrder    order = iota
	orderRest        // go on with a small stack
	orderIdle        // end if the client has been silent for too long
	orderDrain       // end as soon as no transaction is open
	orderForce       // end now
	ended            // the client has been told its last: end
)

// pooled is a client in transaction mode. Its goroutine reads what the client
// asks and passes it on to a server connection that is lent to it from the
// first message to the end of the transaction; the answers come from the
// server connection's reader. While the client is silent, it has no buffer.
type pooled struct {
	*client
	state  *txpool.Client
	waiter waiter
	server atomic.Pointer[serverConn] // that is lent; changes under its mutex
	asked  atomic.Int64               // when the client last said something, in Unix nanoseconds
	rested atomic.Int64               // asked, when it last went on with a small stack

	order atomic.Int32 // an order; changes under the client's mutex
	last  string       // why the client is ended, set before that

	// The client's goroutine's.
	began    time.Time
	farewell bool // what it asks ends with a goodbye
	lingers  bool // it has been told its last, and is to see that

	// Guarded by the mutex of the server connection that is lent.
	unstalled  chan struct{} // holds one
	joining    bool          // nothing the server says is for the client yet
	introduced txpool.Reported
	known      atomic.Bool // introduced is what the server reports to c
}

// converse is the life of c from its login on. It returns why it ends, "" if it
// is to go on in another goroutine.
func (c *pooled) converse() (reason string) {
	for {
		b, n, err := c.read()
		switch {
		case err == nil:
			reason = c.forward(b[:n])
			b.Release()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return c.obey()
		default:
			reason = "client gone"
		}
		if reason != "" {
			return reason
		}
	}
}

// read waits for the client without a buffer.
func (c *pooled) read() (*rawnet.Buffer, int, error) {
	if c.inTLS {
		return c.raw.ReadBufferThrough(c.Conn)
	}
	return c.raw.ReadBuffer()
}

// forward passes on what the client asks, which it has not begun to if no
// server connection is lent to it. It returns why the client ends, if it does.
func (c *pooled) forward(chunk []byte) (reason string) {
	c.asked.Store(time.Now().UnixNano())
	for {
		s := c.server.Load()
		// After the server connection: whoever ends the client takes that
		// away last, and what the client asks must not go to another one.
		if order(c.order.Load()) >= orderForce {
			return c.obey()
		}
		// In this order: until it is known, whether c still joins is the server
		// connection's to change.
		if c.known.Load() && c.joining {
			return ""
		}
		if s == nil {
			if isTerminate(chunk) {
				return "client left"
			}
			c.farewell = endsInTerminate(chunk)
			var e *pgwire.Error
			switch s, e = c.pool.get(c); {
			case e != nil:
				return c.refuse(chunk, e)
			case s == nil:
				return "client gone"
			}
			continue // an order may have come meanwhile
		}
		rest, how := s.pass(c, chunk)
		switch how {
		case passed:
			if order(c.order.Load()) < orderForce {
				return ""
			}
		case stalled:
			if !c.awaitAnswers() {
				return "client gone"
			}
		case left:
			return c.hearOut()
		}
		chunk = rest
	}
}

// awaitAnswers waits for an answer. It reports whether the client is still
// there.
func (c *pooled) awaitAnswers() bool {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-c.unstalled:
			return true
		case <-look.C:
			if c.raw.Gone() {
				return false
			}
		}
	}
}

// hearOut lets a client that has said goodbye have the answers to what it asked
// before.
func (c *pooled) hearOut() (reason string) {
	for s := c.server.Load(); s != nil && s.owes(c); s = c.server.Load() {
		<-c.unstalled
		if order(c.order.Load()) >= orderForce {
			return c.obey()
		}
	}
	return "client left"
}

// isGone reports whether nobody is there any more to be answered. One that has
// said goodbye may well have closed its half.
func (c *pooled) isGone() bool {
	if c.farewell {
		return c.raw.Broken()
	}
	return c.raw.Gone()
}

// isTerminate reports whether chunk is a goodbye and nothing else.
func isTerminate(chunk []byte) bool {
	return len(chunk) == pgwire.HeaderSize && pgwire.ClientType(chunk[0]) == pgwire.ClientTerminate
}

// endsInTerminate reports whether a goodbye ends chunk, or looks so.
func endsInTerminate(chunk []byte) bool {
	n := len(chunk) - pgwire.HeaderSize
	return n >= 0 && isTerminate(chunk[n:]) && string(chunk[n+1:]) == "\x00\x00\x00\x04"
}

// refuse answers what the client asks with an error, so that it may go on, or
// ends it with that where it has not asked to the end.
func (c *pooled) refuse(chunk []byte, e *pgwire.Error) (reason string) {
	c.pool.server.log.Info("cannot serve a request", "client", c.RemoteAddr(), "target", c.pool.target.name, "code", e.Code, "err", e.Message)
	answer, ok := refusal(chunk, e)
	if !ok || c.joining || c.pool.server.isDraining() {
		answer, ok = e.Append(nil), false
	}
	if _, err := c.Write(answer); err != nil {
		return "client gone"
	}
	if !ok {
		c.lingers = true
		return e.Message
	}
	return ""
}

// canStall prepares for waiting for answers. The caller holds the mutex of the
// server connection that is lent to c.
func (c *pooled) canStall() {
	if c.unstalled == nil {
		c.unstalled = make(chan struct{}, 1)
	}
}

// unstall lets a client go on that waits for answers. The caller holds the
// mutex of the server connection that is lent to it.
func (c *pooled) unstall() {
	if c.unstalled == nil {
		return // it does not wait
	}
	select {
	case c.unstalled <- struct{}{}:
	default:
	}
}

// cancel cancels what the client waits for. Like Postgres it says nothing if
// that is nothing.
func (c *pooled) cancel(ctx context.Context) error {
	canceled := &pgwire.Error{Code: "57014", Message: "canceling statement due to user request"}
	if c.pool.refuseOne(c, canceled) {
		return nil
	}
	if s := c.server.Load(); s != nil {
		return s.cancelFor(ctx, c)
	}
	return nil
}

// wake gives c an order.
func (c *pooled) wake(o order) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if order(c.order.Load()) < o {
		c.order.Store(int32(o))
		c.raw.Interrupt()
	}
}

// remind lets c look again whether it can do what it has been ordered.
func (c *pooled) remind() {
	if order(c.order.Load()) == orderDrain {
		c.raw.Interrupt()
	}
}

// end ends c from the server's side, when it has been told why. The caller
// holds the mutex of the server connection that is lent to it.
func (c *pooled) end(reason string) {
	c.last = reason
	c.unstall()
	c.wake(ended)
}

// obey does what the order says. It returns why the client ends, "" if it does
// not yet.
func (c *pooled) obey() (reason string) {
	c.mu.Lock()
	o := order(c.order.Load())
	if o == orderRest || o == orderIdle {
		c.order.Store(int32(noOrder))
	}
	// Before looking, so that who comes after that wakes c again.
	c.raw.SetReadDeadline(time.Time{})
	c.mu.Unlock()
	switch o {
	case ended:
		c.lingers = true
		return c.last
	case orderForce:
		return c.goodbye("forced", c.lastWord(), true)
	case orderDrain:
		return c.goodbye("shutdown", errShuttingDown(), false)
	case orderRest:
		c.rested.Store(c.asked.Load())
	case orderIdle:
		if limit := c.pool.server.config().ClientIdleTimeout; limit > 0 && c.silence() >= limit {
			return c.goodbye("idle", errIdle(limit), false)
		}
	}
	return ""
}

func (c *pooled) silence() time.Duration { return time.Since(time.Unix(0, c.asked.Load())) }

// goodbye tells the client that it ends, and why, if it has no transaction
// open, or anyway.
func (c *pooled) goodbye(reason string, e *pgwire.Error, anyway bool) string {
	for {
		s := c.server.Load()
		if s == nil {
			c.SetWriteDeadline(time.Now().Add(lingerTimeout))
			c.Write(e.Append(nil))
			c.lingers = true
			return reason
		}
		if said, mine := s.goodbye(c, e, anyway); said {
			c.lingers = true
			return reason
		} else if mine {
			return ""
		}
	}
}

// leave gives back what c has, at its end, and lets the client see its last.
func (c *pooled) leave(reason string) {
	if s := c.server.Load(); s != nil {
		s.leave(c, reason != "client left")
	} else {
		c.state.Close()
	}
	c.wake(ended) // nothing cuts that short
	if c.lingers {
		c.linger()
	}
}

// drain ends c once it has no transaction open.
func (c *pooled) drain() { c.wake(orderDrain) }

// force ends c now, whatever it waits for.
func (c *pooled) force() {
	c.wake(orderForce)
	c.pool.refuseOne(c, c.lastWord())
	if s := c.server.Load(); s != nil {
		go s.unstall(c)
		time.AfterFunc(lingerTimeout, func() { s.abandon(c) })
	}
}

// run is the life of c after its login.
func (c *pooled) run() stage {
	c.pool.server.counts.sessions.Add(1)
	c.pool.count(&c.pool.totals.Sessions)
	c.began = time.Now()
	c.asked.Store(c.began.UnixNano()) // or it would have been silent for ever
	if c.logs(slog.LevelDebug) {
		c.pool.server.log.Debug("session began", "client", c.RemoteAddr(), "target", c.pool.target.name)
	}
	return c.goOn()
}

// goOn is run from when c has rested. It lies at the bottom of the stack while
// c is silent, and should be small.
func (c *pooled) goOn() stage {
	reason := c.converse()
	if reason == "" {
		return c.goOn
	}
	c.over(reason)
	return nil
}

// over is the end of c.
func (c *pooled) over(reason string) {
	c.leave(reason)
	if c.logs(slog.LevelDebug) {
		c.pool.server.log.Debug("session ended", "client", c.RemoteAddr(), "target", c.pool.target.name, "reason", reason, "duration", time.Since(c.began))
	}
}

// logs reports whether something is logged of such a level: even what is not
// costs its arguments, and clients may be many and short.
func (c *pooled) logs(level slog.Level) bool {
	return c.pool.server.log.Enabled(context.Background(), level)
}
