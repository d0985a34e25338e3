package proxy

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/rawnet"
	"github.com/lakebase-go/lakebase/internal/txpool"
)

// restlessAfter is for how long a server connection must have been idle for
// its socket to be looked at before it is lent. Within less, its reader would
// hardly have heard of its end any sooner.
const restlessAfter = time.Millisecond

// bulk is from which size on, in bytes, what a server says in one piece is
// looked upon as part of something long: then as much as fits into bulkBuffer is
// passed on at once.
const (
	bulk       = 4 << 10
	bulkBuffer = 4 * rawnet.BufferSize
)

// keepScratch is up to which size, in bytes, memory for answers is kept.
const keepScratch = 2 * bulkBuffer

// place is where a server connection is.
type place uint8

const (
	atRest place = iota // with nobody, and not to be lent yet
	inPool              // to be lent
	lent
	closed
)

// serverConn is a server connection of a pool. One goroutine reads what it
// says, all its life, and passes it on to the client that it is linked to;
// what that client says is passed on by the client's own goroutine. Both
// understand the conversation by the one exchange, under mu, but mu is not held
// during I/O: neither a slow client nor a server that does not read until its
// answers are read may stop anything else.
type serverConn struct {
	*upstream
	pool       *pool
	generation uint64
	born       time.Time

	mu        sync.Mutex // guards what follows; taken before the pool's
	place     place
	client    *pooled // linked
	state     *txpool.Server
	relay     txpool.Relay
	nobody    *txpool.Client // for what comes unasked
	torn      bool           // a message that comes unasked has come half
	fresh     bool           // the client has asked nothing yet
	writing   bool           // somebody writes to the server,
	telling   bool           // or to the client: it stays lent
	ending    bool           // nothing more is asked
	late      []byte         // for the client, when that is done
	told      sync.Cond      // that one of these has changed
	links     uint64         // how often s has been lent
	sends     uint64         // how often something was sent to the server,
	looked    uint64         // when it was looked at
	canceling int            // requests under way that might hit whoever comes next
	scratch   []byte         // the reader's, for what the client gets

	linked         time.Time     // since when, zero if not
	counted        time.Time     // up to when the time since then is accounted for
	asked          time.Time     // since when the client waits for an answer, zero if it does not
	worked         time.Duration // that it did, not accounted for
	answered       uint64        // of state, when last looked at
	received, sent uint64        // bytes, not accounted for
	queries        uint64        // of state, accounted for
	transactions   uint64
	assignments    uint64 // of links, accounted for

	// Guarded by the pool's mutex.
	expires  time.Time
	used     time.Time       // last
	settings txpool.Settings // while idle
}

func newServerConn(p *pool, up *upstream, generation uint64) *serverConn {
	now := time.Now()
	cfg := p.server.config()
	s := &serverConn{upstream: up, pool: p, generation: generation, born: now, used: now,
		expires: p.expiry(now),
		state:   txpool.NewServer(&p.statements, cfg.MaxPreparedStatements),
		nobody:  txpool.NewClient(&p.statements)}
	s.told.L = &s.mu
	s.state.SetReported(txpool.NewReported(up.parameters))
	s.relay.Link(s.nobody, s.state)
	return s
}

// expiry is when a server connection that was opened at a time is too old.
func (p *pool) expiry(born time.Time) time.Time {
	lifetime := p.server.config().ServerLifetime
	spread := lifetime / 10
	return born.Add(lifetime - spread + rand.N(2*spread+1))
}

// take links an idle server connection that has been taken off the pool's
// list. It reports whether that could be done.
func (s *serverConn) take(c *pooled) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case s.place != inPool: // it has ended meanwhile
		return false
	case s.torn:
		s.close()
		return false
	case now.Sub(s.used) > restlessAfter && !s.raw.Quiet():
		s.place = atRest // until its reader has heard what it says
		links := s.links
		time.AfterFunc(lookEvery, func() { s.heardNothing(links) })
		return false
	}
	s.link(c, now)
	return true
}

// heardNothing is for when a server has said something that its reader has not
// heard, which may have been of the TLS connection only.
func (s *serverConn) heardNothing(links uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.place != atRest || s.ending || s.links != links || s.canceling > 0:
	case s.torn || !s.raw.Quiet():
		s.close()
	default:
		s.pool.put(s)
	}
}

// link lends s to c. The caller holds mu.
func (s *serverConn) link(c *pooled, now time.Time) {
	s.place, s.client, s.fresh = lent, c, true
	s.linked, s.counted, s.asked = now, now, now
	s.answered = s.state.Answered() // to whoever had s before
	s.links++
	s.relay.Link(c.state, s.state)
	c.server.Store(s)
}

// unlink takes s back from its client. The caller holds mu.
func (s *serverConn) unlink() {
	c := s.client
	s.client, s.place, s.fresh = nil, atRest, false
	if s.pool.server.config().ClientIdleTimeout > 0 {
		c.asked.Store(time.Now().UnixNano()) // it had no reason to say anything
	}
	c.server.Store(nil)
	c.remind()
}

// serve is the life of s.
func (s *serverConn) serve() {
	buffer := make([]byte, bulkBuffer)
	for {
		n, err := s.Read(buffer[:rawnet.BufferSize])
		for more := n; err == nil && more >= bulk && len(buffer)-n >= rawnet.BufferSize; n += more {
			more, err = s.raw.ReadMoreThrough(s.Conn, buffer[n:])
		}
		s.mu.Lock()
		if n > 0 && s.place != closed {
			s.heard(buffer[:n])
		}
		if err != nil {
			s.lost(nil, err)
		}
		over := s.place == closed
		s.mu.Unlock()
		if over {
			return
		}
	}
}

// heard takes what the server said. The caller holds mu.
func (s *serverConn) heard(chunk []byte) {
	for s.telling { // or what the client gets would be out of order
		s.told.Wait()
	}
	switch {
	case s.place == closed || s.ending:
		return
	case s.torn || s.relay.Idle() && (s.client == nil || s.fresh):
		s.heardUnasked(chunk)
		return
	}
	answer, err := s.relay.FromServer(chunk, s.scratch[:0])
	if cap(answer) <= keepScratch {
		s.scratch = answer[:0]
	}
	if err != nil || s.relay.Fatal() {
		s.lost(answer, err)
		return
	}
	s.tell(answer)
	if c := s.client; c != nil {
		if e := s.relay.SettingsError(); e != nil {
			s.end("settings refused", e)
		}
		if c.joining && s.relay.Idle() {
			c.introduced = s.state.Reported() // before somebody else gets s
			c.known.Store(true)
		}
		c.unstall()
	}
	s.tidy()
	s.settle()
	s.stopClock()
}

// tell writes to the client, if there is one. The caller holds mu, but not
// meanwhile.
func (s *serverConn) tell(answer []byte) {
	c := s.client
	switch {
	case c == nil || c.joining || len(answer) == 0:
		return
	case s.telling:
		s.late = append(s.late, answer...)
		return
	}
	s.telling = true // it cannot be lent to another client meanwhile
	for len(answer) > 0 && s.client == c {
		s.sent += uint64(len(answer))
		s.mu.Unlock()
		if _, err := c.Write(answer); err != nil {
			c.raw.Close() // its own goroutine sees that too, and leaves
		}
		s.mu.Lock()
		answer, s.late = s.late, nil
	}
	s.telling = false
	s.told.Broadcast()
}

// tidy asks what the exchange itself has to ask. The caller holds mu, but not
// meanwhile.
func (s *serverConn) tidy() {
	if s.writing || s.ending || s.place == closed {
		return // whoever writes does it then
	}
	if ask := s.relay.AppendInternalQuery(nil); len(ask) > 0 {
		s.send(ask)
	}
}

// send writes to the server. The caller holds mu, but not meanwhile.
func (s *serverConn) send(p []byte) {
	s.writing = true
	s.sends++
	s.mu.Unlock()
	_, err := s.Write(p)
	s.mu.Lock()
	s.writing = false
	s.told.Broadcast()
	if err != nil {
		s.raw.Close() // what the server said before it ended is still to be read
	}
}

// heardUnasked takes what came for nobody: a setting that changed, or why the
// connection ends. A client that has asked nothing yet need not know; it gets
// another one. The caller holds mu.
func (s *serverConn) heardUnasked(chunk []byte) {
	if !s.torn {
		s.relay.Link(s.nobody, s.state)
	}
	said, err := s.relay.FromServer(chunk, nil)
	s.torn = err == nil && !s.relay.Fatal() && !s.relay.Idle()
	switch {
	case err != nil || s.relay.Fatal():
		s.lost(said, err)
	case s.client != nil && s.torn:
		s.lost(nil, errTorn)
	case s.client != nil:
		s.relay.Link(s.client.state, s.state)
	case s.place == atRest && s.canceling == 0 && !s.torn:
		s.pool.put(s)
	}
}

// settle gives s back once nothing ties it to its client. The caller holds mu.
func (s *serverConn) settle() {
	if s.place != lent && s.place != atRest || s.writing || s.telling || s.ending {
		return
	}
	if !s.relay.Idle() {
		if s.client != nil && s.relay.BetweenTransactions() {
			s.client.remind() // it is pinned
		}
		return
	}
	if s.client != nil {
		s.unlink()
	}
	if s.canceling == 0 {
		s.pool.put(s)
	}
}

// lost takes the end of the connection, and what it said last. A client that
// had nothing to lose is not told: its next request goes elsewhere. The caller
// holds mu, but not meanwhile.
func (s *serverConn) lost(said []byte, err error) {
	s.ending = true // whatever happens meanwhile, it is not lent any more
	for s.telling {
		s.told.Wait()
	}
	if s.place == closed {
		return
	}
	logged := []any{"target", s.target.name, "pid", s.login.PID, "said", lastWords(said), "err", err}
	if s.client == nil || s.fresh || s.relay.Idle() {
		s.pool.count(&s.pool.totals.LostIdle)
		s.pool.server.log.Info("an idle server connection ended", logged...)
		s.close()
		return
	}
	s.pool.count(&s.pool.totals.Lost)
	s.pool.server.counts.lost.Add(1)
	s.pool.server.log.Warn("a server connection was lost", logged...)
	s.tell(said)
	var last *pgwire.Error
	if !s.relay.FatalForwarded() || s.client != nil && s.client.joining { // or it has been said
		last = errServerLost()
	}
	s.end("server lost", last)
	s.close()
}

// end ends the client of s, with a last word if there is one and it fits in.
// The caller holds mu, but not meanwhile.
func (s *serverConn) end(reason string, e *pgwire.Error) {
	c := s.client
	if c == nil {
		return
	}
	c.SetWriteDeadline(time.Now().Add(lingerTimeout))
	for s.telling {
		s.told.Wait()
	}
	if e != nil && s.client == c && (c.joining || s.relay.BetweenMessages()) {
		c.joining = false
		s.tell(e.Append(nil))
	}
	c.end(reason)
}

// close closes s for good. Its client, if any, finds itself without a server.
// The caller holds mu.
func (s *serverConn) close() {
	if s.place == closed {
		return
	}
	if s.client != nil {
		s.unlink()
	}
	s.place = closed
	s.told.Broadcast()
	if s.ending || s.writing || !s.relay.Idle() {
		s.raw.Close() // or saying goodbye might take long
	}
	s.relay.Abandon()
	s.state.Close()
	s.upstream.close()
	s.pool.remove(s)
}

// lastWords is the error that a server said last, "" if it said none.
func lastWords(said []byte) (words string) {
	scanner := pgwire.Scanner{Direction: pgwire.FromServer}
	for len(said) > 0 {
		span, err := scanner.Next(said)
		if err != nil || !span.Whole() {
			return words
		}
		if pgwire.ServerType(span.Type) == pgwire.ServerErrorResponse {
			if e, err := pgwire.DecodeErrorResponse(span.Body(said)); err == nil {
				words = string(e.Code) + ": " + string(e.Message)
			}
		}
		said = said[span.Size:]
	}
	return words
}
