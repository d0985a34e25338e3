package proxy

import (
	"context"
	"time"
)

// cleanup makes a server connection whose client is gone usable again, or closes
// it, in time. The server connection may have been assigned to
// another client meanwhile: then the cleanup is over.
type cleanup struct {
	server     *serverConn
	busy       bool   // it works for the client, which is to be canceled
	assignment uint64 // that it is about
	since      time.Time
}

// newCleanup returns the cleanup after the current assignment of s. The caller
// holds its mutex.
func newCleanup(s *serverConn, busy bool) *cleanup {
	return &cleanup{server: s, busy: busy, assignment: s.usage.assignments, since: time.Now()}
}

// schedule checks again and again whether the server connection is usable. Until
// it is, its work is canceled each time.
func (c *cleanup) schedule() { time.AfterFunc(cancelInterval, c.check) }

func (c *cleanup) check() {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != serverResetting && s.state != serverClosing, s.usage.assignments != c.assignment:
		return
	case time.Since(c.since) >= goneTimeout:
		s.pool.env.log.Warn("server connection cannot be reset in time", "target", s.pool.database.target.name, "pid", s.conn.pid())
		s.close("not reset in time")
		return
	case c.busy && s.cancels == 0 && (s.state == serverClosing || !s.relay.Idle()):
		s.cancelUnwanted()
	}
	c.schedule()
}

// discard closes the server connection, whose session cannot be reset, after its
// work has been canceled. The caller holds its mutex.
func (c *cleanup) discard() {
	const reason = "session cannot be reset"
	s := c.server
	if !c.busy {
		s.close(reason)
		return
	}
	s.setState(serverClosing, reason)
	s.cancels++
	s.pool.tasks.Go(func() {
		_ = s.sendCancel(context.Background())
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.writingServer || !s.conn.closeWrite() {
			s.close(reason)
		}
	})
	c.schedule()
}
