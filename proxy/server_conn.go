package proxy

import (
	"context"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/rawnet"
	"github.com/lakebase-go/lakebase/internal/txpool"
)

const (
	// serverCheckDelay is the idle time after which the socket of a server connection
	// is checked for unread input before it is linked. After less, its reader finds out.
	serverCheckDelay = time.Millisecond

	// serverCheckInterval is the time that unread input may take to be read.
	serverCheckInterval = time.Second

	// bulkThreshold: reads of at least this many bytes are treated as part of a large
	// result, of which as much as fits into bulkBuffer is forwarded in one write.
	bulkThreshold = 4 << 10
	bulkBuffer    = 4 * rawnet.BufferSize

	// maxRetainedBuffer is the size up to which the buffer for answers is kept.
	maxRetainedBuffer = 2 * bulkBuffer
)

// serverConn is a server connection of a pool. Its reader, which is the event loop or a
// goroutine, forwards what the server sends to the linked client; requests are forwarded
// by whatever runs that client, by a [link]. Both use the one relay under mu, but mu is
// not held during I/O: neither a slow client nor a server that does not read until its
// answers are read may block anything else. Methods that say so release mu meanwhile.
type serverConn struct {
	conn       *upstream
	pool       *pool
	generation uint64 // of the pool when s was opened
	opened     time.Time

	mu       sync.Mutex // guards what follows; taken before the pool's and a client's
	state    serverState
	client   *pooledClient // linked; nil except in serverAssigned, serverActive and serverClosing
	session  *txpool.Server
	relay    txpool.Relay
	internal *txpool.Client // linked in the relay for what arrives unsolicited
	usage    usage

	// These are no part of the state, since what happens outside of mu goes on
	// while the state changes.
	changed       sync.Cond     // the state, the client or one of the next two
	writingServer bool          // a write to the server is in flight
	writingClient bool          // a write to the client is in flight: s is not linked to another one
	pending       []byte        // to be written to the client after that
	cancels       int           // cancel requests in flight, which could hit the next client's query
	partial       bool          // part of an unsolicited message has arrived
	unhandled     bool          // something has come that is left to another goroutine of the reader
	handling      bool          // the reader handles what has come
	resumes       *pooledClient // to be run by the reader after that

	turn            turn   // of the reader, where that is the event loop
	scratch         []byte // the reader's, for answers
	writes, checked uint64 // writes to the server, and how many there were at the last check

	// Guarded by the pool's mutex.
	expires  time.Time
	settings txpool.Settings // while idle
}

func newServerConn(p *pool, up *upstream, generation uint64) *serverConn {
	now := time.Now()
	cfg := p.env.config()
	s := &serverConn{conn: up, pool: p, generation: generation, opened: now,
		session:  txpool.NewServer(&p.statements, cfg.MaxPreparedStatements),
		internal: txpool.NewClient(&p.statements),
		usage:    usage{released: now},
		expires:  expiry(now, cfg.ServerLifetime)}
	s.changed.L = &s.mu
	s.session.SetProcessID(up.pid())
	s.session.SetReported(txpool.NewReported(up.parameters))
	s.relay.Link(s.internal, s.session)
	return s
}

// isExpired reports whether s is too old. The caller holds the pool's mutex.
func (s *serverConn) isExpired() bool { return !time.Now().Before(s.expires) }

// setState changes the state; see [serverState] for what is allowed. The reason
// is for the log. The caller holds mu.
func (s *serverConn) setState(to serverState, reason string) {
	if !s.state.allows(to) {
		illegalTransition(s.pool.env.log, "server connection", s.state, to, reason)
		s.conn.breakOff() // the reader sees that and closes s
		return
	}
	s.state = to
}

// isLinked reports whether s forwards requests of a client. The caller holds mu.
func (s *serverConn) isLinked() bool { return s.state == serverAssigned || s.state == serverActive }

// begin makes s available to the pool after its login.
func (s *serverConn) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == serverLogin && !s.partial { // otherwise the reader has been faster
		s.pool.release(s)
	}
}

// acquire links s, which has just been taken off the idle list, to c. It reports
// whether that was possible.
func (s *serverConn) acquire(c *pooledClient) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case s.state != serverIdle: // closed in the meantime
		return false
	case s.partial:
		s.close("part of an unsolicited message")
		return false
	case s.unhandled, now.Sub(s.usage.released) > serverCheckDelay && !s.conn.raw.Quiet():
		s.setState(serverTested, "unread input")
		assignments := s.usage.assignments
		time.AfterFunc(serverCheckInterval, func() { s.finishTest(assignments) })
		return false
	}
	s.link(c, now)
	return true
}

// finishTest is called when the reader should have read what had arrived, which
// may have concerned TLS alone.
func (s *serverConn) finishTest(assignments uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != serverTested || s.usage.assignments != assignments || s.cancels > 0:
	case s.partial || !s.conn.raw.Quiet():
		s.close("unread input")
	default:
		s.pool.release(s)
	}
}

// link links s to c. The caller holds mu.
func (s *serverConn) link(c *pooledClient, now time.Time) {
	s.setState(serverAssigned, "acquired")
	s.client = c
	s.usage.begin(now, s.session)
	s.relay.Link(c.session, s.session)
	c.server.Store(s)
}

// unlink unlinks s from its client. The caller holds mu.
func (s *serverConn) unlink(reason string) {
	c := s.client
	if s.isLinked() {
		s.setState(serverResetting, reason)
	}
	s.client = nil
	c.unlinked()
}

// writeClient writes to the client, if there is one. The caller holds mu, which
// it releases meanwhile.
func (s *serverConn) writeClient(answer []byte) {
	c := s.client
	switch {
	case c == nil || c.introduction.active || len(answer) == 0:
		return
	case s.writingClient:
		s.pending = append(s.pending, answer...)
		return
	}
	s.writingClient = true
	for len(answer) > 0 && s.client == c {
		s.usage.sent += uint64(len(answer))
		vacated := s.relay.Vacated()
		s.mu.Unlock()
		s.pool.vacate(vacated)
		written, err := c.conn.writeSoon(answer)
		if err != nil {
			c.conn.close() // what runs the client sees that too, and disconnects
		}
		s.mu.Lock()
		if !written {
			go s.flushClient(c)
			return
		}
		answer, s.pending = s.pending, nil
	}
	s.writingClient = false
	s.changed.Broadcast()
}

// awaitWrites waits until what was to be written to the client is. The caller holds mu.
func (s *serverConn) awaitWrites() {
	for s.writingClient {
		s.changed.Wait()
	}
}

// flushClient ends a write to a client that does not read at once.
func (s *serverConn) flushClient(c *pooledClient) {
	err := c.conn.raw.Flush()
	if err != nil {
		c.conn.close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.pending
	s.writingClient, s.pending = false, nil
	if s.client == c && err == nil {
		s.writeClient(answer)
	}
	if s.client == c {
		c.resumeRequests() // its last answer may be what it waits for
	}
	s.changed.Broadcast()
	s.sendInternalQuery()
	s.release()
}

// writeServer writes to the server. The caller holds mu, which it releases
// meanwhile.
func (s *serverConn) writeServer(requests []byte) {
	s.writingServer = true
	s.writes++
	vacated := s.relay.Vacated()
	s.mu.Unlock()
	s.pool.vacate(vacated)
	written, err := s.conn.writeSoon(requests)
	s.mu.Lock()
	if !written {
		go s.flushServer()
		return
	}
	s.endWrite(err)
}

// flushServer ends a write to a server that does not read at once.
func (s *serverConn) flushServer() {
	err := s.conn.raw.Flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endWrite(err)
	s.sendInternalQuery()
	s.release()
}

// endWrite ends a write to the server. The caller holds mu.
func (s *serverConn) endWrite(err error) {
	s.writingServer = false
	s.changed.Broadcast()
	if err != nil {
		s.conn.breakOff() // what the server sent before it ended is still to be read
	}
}

// sendInternalQuery sends the relay's own queries, as long as there is one to send: the
// answer to one may come, and make the next one due, before the write of the first has
// ended. The caller holds mu, which it releases meanwhile.
func (s *serverConn) sendInternalQuery() {
	for !s.writingServer && s.state < serverClosing { // while a write is in flight, its caller does this afterwards
		query := s.relay.AppendInternalQuery(nil)
		if len(query) == 0 {
			return
		}
		s.writeServer(query)
	}
}

// release unlinks the client once nothing ties s to it, and gives s to the pool
// once it can be used again. The caller holds mu.
func (s *serverConn) release() {
	if !s.isLinked() && s.state != serverResetting || s.writingServer || s.writingClient || s.unhandled {
		return
	}
	if !s.relay.Idle() {
		if s.client != nil && s.relay.BetweenTransactions() {
			s.client.retryDrain() // it is pinned
		}
		return
	}
	if s.client != nil {
		s.unlink("transaction is over")
	}
	if s.cancels == 0 {
		s.pool.release(s)
	}
}

// lost handles the end of the connection. last is what the server sent last. A
// client that has nothing to lose gets another server connection for its next
// request. The caller holds mu, which it releases meanwhile.
func (s *serverConn) lost(last []byte, err error) { s.endLoss(s.beginLoss(err), last, err) }

// beginLoss makes sure that s is not used any more. It reports whether a client has
// something to lose. The caller holds mu.
func (s *serverConn) beginLoss(err error) (inUse bool) {
	inUse = s.client != nil && s.state != serverAssigned && (violation(err) != nil || !s.relay.Idle())
	if s.state < serverClosing {
		s.setState(serverClosing, "lost")
	}
	return inUse
}

// endLoss does the rest, and waits.
func (s *serverConn) endLoss(inUse bool, last []byte, err error) {
	s.awaitWrites()
	if s.state == serverClosed {
		return
	}
	inUse = inUse && s.client != nil
	s.mu.Unlock() // nothing must wait for a slow log
	s.pool.countLoss(inUse, s.conn.pid(), lossAttributes(last, err))
	s.mu.Lock()
	if !inUse {
		s.close("lost")
		return
	}
	s.writeClient(last)
	var e *pgwire.Error
	if !s.relay.FatalForwarded() || s.client != nil && s.client.introduction.active {
		e = errServerLost(err)
	}
	s.disconnectClient("server lost", e)
	s.close("lost")
}

// disconnectClient ends the session of the client, with an error if there is one
// and one can be sent now. The caller holds mu, which it releases meanwhile.
func (s *serverConn) disconnectClient(reason string, e *pgwire.Error) {
	c := s.client
	if c == nil {
		return
	}
	c.conn.setWriteDeadline(lingerTimeout)
	s.awaitWrites()
	if e != nil && s.client == c && (c.introduction.active || s.relay.BetweenMessages()) {
		c.introduction.active = false
		s.writeClient(e.Append(nil))
		s.awaitWrites() // then the client's own goroutine ends what is written
	}
	c.disconnected(reason)
}

// kill closes s as if the server had.
func (s *serverConn) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writingClient && s.client != nil {
		s.client.conn.close() // the client may be slow, and is disconnected anyway
	}
	s.lost(nil, errKilled)
}

// shut closes s, which nothing needs any more.
func (s *serverConn) shut(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close(reason)
}

// close closes s for good. Its client, if any, gets another server connection for
// its next request. The caller holds mu.
func (s *serverConn) close(reason string) {
	if s.state == serverClosed {
		return
	}
	if s.hasWork() {
		s.conn.breakOff()
	}
	if s.client != nil {
		s.unlink(reason)
	}
	s.setState(serverClosed, reason)
	s.changed.Broadcast()
	s.relay.Abandon()
	s.session.Close()
	s.conn.close()
	s.pool.remove(s)
}

// hasWork reports whether something is under way that closing must not wait for.
// The relay of an idle server connection is not asked: the client that it was
// linked to may be linked elsewhere. The caller holds mu.
func (s *serverConn) hasWork() bool {
	switch s.state {
	case serverAssigned, serverActive, serverResetting:
		return s.writingServer || !s.relay.Idle()
	}
	return s.writingServer || s.partial || s.state == serverClosing
}

// cancelUnwanted cancels what s does, without waiting for that. The caller holds
// mu.
func (s *serverConn) cancelUnwanted() {
	s.cancels++
	s.pool.tasks.Go(func() { _ = s.sendCancel(context.Background()) })
}

// sendCancel asks the server to cancel what it is doing. The caller has added it
// to cancels: until the request is dealt with, s is linked to no other client.
func (s *serverConn) sendCancel(ctx context.Context) error {
	err := s.conn.cancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancels--
	s.release()
	return err
}

// check closes s or its client if its network is dead, and takes s from a client
// that is gone and whose goroutine is stuck in a write to the server.
func (s *serverConn) check(limit time.Duration) {
	if s.conn.raw.Unresponsive(limit) {
		s.pool.env.log.Warn("no answer from the network to a server", "target", s.pool.database.target.name, "duration", limit)
		s.conn.breakOff() // the reader sees that
		return
	}
	s.mu.Lock()
	c, stuck := s.client, s.writingServer && s.writes == s.checked
	s.checked = s.writes
	s.mu.Unlock()
	switch {
	case c == nil:
	case c.conn.raw.Unresponsive(limit):
		c.conn.close()
	case stuck && c.conn.raw.Gone():
		link{s, c}.abandon()
	}
}
