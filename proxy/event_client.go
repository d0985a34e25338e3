package proxy

import (
	"bytes"
	"errors"
	"os"
	"time"

	"github.com/lakebase-go/lakebase/internal/eventloop"
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/rawnet"
)

// This is how a pooledClient without a goroutine of its own is served. The event loop
// runs it when there is something to read, and the reader of a server connection when that
// has been granted to it; what may have to wait is left to a goroutine.

// step is what has come of one reason to run a client: nothing, the end of its session,
// or something to do that may wait.
type step struct {
	end  ending
	wait func() ending
}

// serveByEvents serves c from now on whenever there is a reason to.
func (c *pooledClient) serveByEvents(conn *eventloop.Conn) {
	c.turn.share()
	conn.Handle(func() { c.wake(isReadable) })
	c.turn.note(isReadable) // what has come before is not reported any more
	c.takeTurns()
}

// wake runs c for a reason, unless another goroutine does. It does not wait.
func (c *pooledClient) wake(why uint32) {
	if c.turn.take(why) {
		c.takeTurns()
	}
}

const (
	// maxTurns is how often a client is run before others are, which also have to be.
	maxTurns = 4

	// muchReceived is how much a client has sent, in bytes, that may have so many prepared
	// statements that it takes a while to drop them.
	muchReceived = 1 << 20
)

// takeTurns runs c until there is no more reason to; a client that always gives one gets a
// goroutine. The caller has the turn. A session that has ended keeps it.
func (c *pooledClient) takeTurns() {
	for turns := 1; ; turns++ {
		why := c.turn.next()
		if why == 0 {
			return
		}
		switch step := c.react(why); {
		case turns == maxTurns:
			go c.takeStep(step)
			return
		case step.wait == nil && step.end == ending{}:
		case step.wait == nil && !step.end.notified && c.server.Load() == nil && c.received < muchReceived:
			c.leave(step.end)
			return
		default:
			go c.takeStep(step)
			return
		}
	}
}

// takeStep does what may have to wait, with the turn.
func (c *pooledClient) takeStep(s step) {
	if s.wait != nil {
		s.end = s.wait()
	}
	if s.end != (ending{}) {
		c.leave(s.end)
		return
	}
	c.takeTurns()
}

// leave ends the session and the client.
func (c *pooledClient) leave(end ending) {
	c.conn.loopConn().Handle(nil)
	c.finish(end)
	c.client.set.finish(c.client)
}

// react does what there is reason to, as far as that need not wait.
func (c *pooledClient) react(why uint32) step {
	switch {
	case why&isNotified != 0 && c.waits:
		c.turn.note(why &^ isNotified)
		return step{wait: func() ending {
			_ = c.client.notify(c.pool.database.target.waitingFor(time.Since(c.waiter.since))) // a read finds out whether the client has disconnected
			return ending{}
		}}
	case why&isGranted != 0:
		c.turn.note(why&^isGranted | isReadable) // reading has stopped
		return c.resume()
	case c.waits: // until then c reads nothing, an interrupt included
		return step{}
	case why&isInterrupted != 0:
		c.turn.note(why&^isInterrupted | isReadable)
		return step{wait: c.handleInterrupt}
	}
	return c.readNow()
}

// resume forwards the requests that have waited for a server connection.
func (c *pooledClient) resume() step {
	g, requests := c.waiter.grant, c.held
	c.waits, c.held, c.waiter.grant = false, nil, grant{}
	switch {
	case g.refused != nil:
		return step{wait: func() ending { return c.keep(nil, len(requests), false, c.refuse(requests, g.refused)) }}
	case g.server == nil:
		return step{end: ending{reason: reasonGone}}
	}
	return c.forwardNow(requests)
}

// readNow reads and forwards some of what has come.
func (c *pooledClient) readNow() step {
	if c.incoming.isLong() {
		return step{wait: c.serveLong}
	}
	b, n, more, err := c.conn.receiveNow(c.incoming.begun)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.turn.note(isReadable)
		return step{wait: c.handleInterrupt}
	case err != nil:
		return step{end: ending{reason: reasonGone}}
	case b == nil:
		return step{}
	}
	c.received += int64(n)
	s := c.forwardNow(b[:n])
	b.Release()
	if more || s.wait != nil || s.end != (ending{}) {
		c.turn.note(isReadable)
	}
	return s
}

// serveLong serves c until it has no beginning of a long message.
func (c *pooledClient) serveLong() ending {
	for c.incoming.isLong() {
		end, err := c.receive()
		if err != nil {
			end = c.failed(err)
		}
		if end != (ending{}) {
			return end
		}
	}
	c.turn.note(isReadable)
	return ending{}
}

// forwardNow forwards requests, which the caller may overwrite afterwards, as far as that
// need not wait.
func (c *pooledClient) forwardNow(requests []byte) step {
	n, goesOn := len(requests), c.midMessage
	c.requested.Store(time.Now().UnixNano())
	later := func(rest []byte, how outcome) step {
		rest = bytes.Clone(rest)
		return step{wait: func() ending {
			left, end := c.proceed(rest, how)
			return c.keep(left, n, goesOn, end)
		}}
	}
	for {
		s := c.server.Load()
		if c.client.current() >= clientKilled {
			return step{wait: c.handleInterrupt}
		}
		if s == nil {
			switch {
			case isTerminate(requests):
				return step{end: ending{reason: reasonTerminated}}
			case !isComplete(requests):
				return step{end: c.keep(requests, n, goesOn, ending{})}
			}
			c.finalRequest = endsInTerminate(requests)
			var e *pgwire.Error
			switch s, e = c.pool.acquireIdle(c, true); {
			case e != nil:
				requests = bytes.Clone(requests)
				return step{wait: func() ending { return c.keep(nil, n, goesOn, c.refuse(requests, e)) }}
			case s == nil:
				c.waits, c.held = true, bytes.Clone(requests)
				return step{}
			}
			continue // the state may have changed meanwhile
		}
		l := link{s, c}
		p, how := l.begin(requests, false)
		switch how {
		case occupied:
			return later(requests, unlinked)
		case unlinked:
			continue
		}
		if p.mayWait {
			p.rest = bytes.Clone(p.rest)
			return step{wait: func() ending {
				left, end := c.proceed(l.complete(p))
				return c.keep(left, n, goesOn, end)
			}}
		}
		rest, how := l.complete(p)
		switch {
		case how != forwarded:
			return later(rest, how)
		case c.client.current() < clientKilled && (len(rest) == 0 || !isComplete(rest)):
			return step{end: c.keep(rest, n, goesOn, ending{})}
		}
		requests = rest
	}
}

// receiveNow is receive, but without waiting: it returns no buffer if nothing has come.
// more reports whether there may be more.
func (c *clientConn) receiveNow(before []byte) (b *rawnet.Buffer, n int, more bool, err error) {
	b = rawnet.GetBuffer()
	begun := copy(b[:], before)
	n, err = c.raw.ReadMoreThrough(c.raw, b[begun:])
	if n == 0 {
		b.Release()
		return nil, 0, false, err
	}
	n += begun
	return b, n, n == len(b) || c.loopConn().MayHaveMore(), nil
}

// loopConn returns the connection if an event loop can serve it, otherwise nil.
func (c *clientConn) loopConn() *eventloop.Conn {
	if c.tls {
		return nil
	}
	conn, _ := c.raw.Conn.(*eventloop.Conn)
	return conn
}
