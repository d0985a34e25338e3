package proxy

import (
	"bytes"
	"cmp"
	"sync"

	"github.com/lakebase-go/lakebase/internal/rawnet"
)

// This is how what a server sends is read: by the event loop, as far as that need not
// wait, or by a goroutine. Where there is no event loop, one goroutine reads for the life
// of the connection.

// start begins to read. The pool's tasks include that until the connection has ended.
func (s *serverConn) start() {
	if s.conn.served == nil {
		s.pool.tasks.Go(s.run)
		return
	}
	s.pool.tasks.Add(1)
	s.turn.share()
	s.conn.served.Handle(s.wake)
	s.turn.note(isReadable) // what has come before is not reported any more
	s.takeTurns(true)
}

// run reads until the connection has ended.
func (s *serverConn) run() {
	buffer := new([bulkBuffer]byte)
	for {
		n, err := s.conn.read(buffer[:rawnet.BufferSize])
		if n > 0 && err == nil {
			n, err = s.readMore(buffer, n)
		}
		if s.handleRead(buffer[:n], err, true) == readerEnded {
			return
		}
	}
}

// readMore reads behind the n bytes of a read, if that was part of a large result, what
// else has come.
func (s *serverConn) readMore(buffer *[bulkBuffer]byte, n int) (int, error) {
	for more := n; more >= bulkThreshold && len(buffer)-n >= rawnet.BufferSize; n += more {
		var err error
		if more, err = s.conn.readMore(buffer[n:]); err != nil {
			return n + more, err
		}
	}
	return n, nil
}

// wake reads what has come, unless another goroutine does. It does not wait.
func (s *serverConn) wake() {
	if s.turn.take(isReadable) {
		s.takeTurns(false)
	}
}

// takeTurns reads until nothing has come. The caller has the turn, which an ended
// connection keeps. Where that may have to wait, and where a server has always more, a
// goroutine goes on.
func (s *serverConn) takeTurns(mayWait bool) {
	for reads := 0; s.turn.next() != 0; {
		for progress := readerGoesOn; progress != readerWaits; reads++ {
			if reads == maxTurns && !mayWait {
				s.handOver(func() progressOfRead { return readerGoesOn })
				return
			}
			switch progress = s.readNow(mayWait); progress {
			case readerEnded:
				s.pool.tasks.Done()
				return
			case readerHandedOver:
				return
			}
		}
	}
}

// handOver has a goroutine do what may have to wait, and then go on with the turn.
func (s *serverConn) handOver(work func() progressOfRead) {
	go func() {
		if work() == readerEnded {
			s.pool.tasks.Done()
			return
		}
		s.turn.note(isReadable)
		s.takeTurns(true)
	}()
}

// progressOfRead is what has become of a read.
type progressOfRead uint8

const (
	readerGoesOn     progressOfRead = iota
	readerWaits                     // nothing has come
	readerHandedOver                // another goroutine has the turn now
	readerEnded                     // the connection is closed
)

// bulkBuffers has the buffers of the reads that are under way in the event loop.
var bulkBuffers = sync.Pool{New: func() any { return new([bulkBuffer]byte) }}

// readNow reads, without waiting, and handles what has come.
func (s *serverConn) readNow(mayWait bool) progressOfRead {
	buffer := bulkBuffers.Get().(*[bulkBuffer]byte)
	defer bulkBuffers.Put(buffer)
	n, err := s.conn.readMore(buffer[:rawnet.BufferSize])
	switch {
	case n > 0 && err == nil:
		n, err = s.readMore(buffer, n)
	case err == nil:
		return readerWaits
	}
	return s.handleRead(buffer[:n], err, mayWait)
}

// handleRead handles what has been read. If it must not wait, it may leave that to
// another goroutine.
func (s *serverConn) handleRead(chunk []byte, err error, mayWait bool) progressOfRead {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unhandled = !mayWait && (err != nil || !s.isUsual())
	if s.unhandled {
		chunk = bytes.Clone(chunk)
		s.handOver(func() progressOfRead { return s.handleRead(chunk, err, true) })
		return readerHandedOver
	}
	var later func()
	s.handling = true
	if len(chunk) > 0 && s.state != serverClosed {
		later = s.handle(chunk)
	}
	if later != nil && !mayWait {
		s.endHandling()
		s.handOver(func() progressOfRead {
			s.mu.Lock()
			defer s.mu.Unlock()
			later()
			return s.progress()
		})
		return readerHandedOver
	}
	if later != nil {
		later()
	}
	if err != nil {
		s.lost(nil, err)
	}
	s.endHandling()
	return s.progress()
}

// isUsual reports whether to handle what comes now need not wait. The caller holds mu.
func (s *serverConn) isUsual() bool {
	return s.state == serverActive && s.client.conn.isServed() && !s.writingClient && !s.relay.Scanning()
}

// progress reports whether the connection has ended. The caller holds mu.
func (s *serverConn) progress() progressOfRead {
	if s.state == serverClosed {
		return readerEnded
	}
	return readerGoesOn
}

// endHandling runs the client that s has been granted to meanwhile. The caller holds mu,
// which it releases meanwhile.
func (s *serverConn) endHandling() {
	next := s.resumes
	s.handling, s.resumes = false, nil
	if next != nil {
		s.mu.Unlock()
		next.wake(isGranted)
		s.mu.Lock()
	}
}

// resume runs a client that s has been granted to: by the reader, which then needs no
// other goroutine to send the client's requests, or else by a new one. The caller holds mu.
func (s *serverConn) resume(c *pooledClient) {
	if s.handling && s.resumes == nil {
		s.resumes = c
		return
	}
	go c.wake(isGranted)
}

// handle takes bytes from the server. The caller holds mu, which it releases
// meanwhile. Unless [serverConn.isUsual], it may wait, and so may what it returns to be
// done then.
func (s *serverConn) handle(chunk []byte) (later func()) {
	s.awaitWrites() // otherwise the client would get answers out of order
	switch {
	case s.state >= serverClosing:
		return nil
	case s.isUnsolicited():
		s.handleUnsolicited(chunk)
		return nil
	}
	answer, err := s.relay.FromServer(chunk, s.scratch[:0])
	err = cmp.Or(err, s.usage.unasked(s.relay.Unasked()))
	if cap(answer) <= maxRetainedBuffer {
		s.scratch = answer[:0]
	}
	if err != nil || s.relay.Fatal() {
		inUse := s.beginLoss(err)
		return func() { s.endLoss(inUse, answer, err) }
	}
	s.writeClient(answer)
	if c := s.client; c != nil {
		if e := s.relay.SettingsError(); e != nil {
			s.beginLoss(nil) // no other client gets s meanwhile
			return func() {
				if s.session.Fresh() { // otherwise another client may be the reason
					s.disconnectClient("settings refused", e)
				}
				s.close("settings refused")
			}
		}
		if c.introduction.active && s.relay.Idle() {
			c.introduction.complete(s.session.Reported()) // before another client uses s
		}
		c.resumeRequests()
	}
	if s.relay.Unusable() {
		s.close("session cannot be reset")
		return nil
	}
	s.sendInternalQuery()
	s.release()
	s.usage.response(s.session, s.isLinked())
	return nil
}

// isUnsolicited reports whether what arrives now is no answer. The caller holds
// mu.
func (s *serverConn) isUnsolicited() bool {
	switch s.state {
	case serverActive:
		return false
	case serverResetting:
		return s.partial || s.relay.Idle()
	}
	return true
}

// handleUnsolicited takes what is no answer: a setting that has changed, or why the
// connection ends. A client without a request gets another server connection instead.
func (s *serverConn) handleUnsolicited(chunk []byte) {
	if !s.partial {
		s.relay.Link(s.internal, s.session)
	}
	last, err := s.relay.FromServer(chunk, nil)
	err = cmp.Or(err, s.usage.unasked(s.relay.Unasked()))
	s.partial = err == nil && !s.relay.Fatal() && !s.relay.Idle()
	switch {
	case err != nil || s.relay.Fatal():
		s.lost(last, err)
	case s.client != nil && s.partial:
		s.lost(nil, errPartialMessage)
	case s.client != nil:
		s.relay.Link(s.client.session, s.session)
	case s.state != serverIdle && !s.partial && s.cancels == 0:
		s.pool.release(s)
	}
}
