package proxy

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/rawnet"
)

// link is a client's side of the server connection that it is linked to. All of
// its methods find out under the server connection's mutex whether the two are
// still linked, and release that mutex during I/O.
type link struct {
	server *serverConn
	client *pooledClient
}

// isIntact reports whether the two are linked. The caller holds the server
// connection's mutex.
func (l link) isIntact() bool { return l.server.client == l.client }

// outcome is what has become of a client's requests.
type outcome uint8

const (
	forwarded  outcome = iota // all are with the server
	unlinked                  // none: the two are not linked any more
	occupied                  // none: that would have to wait
	stalled                   // some; the rest must wait for answers
	terminated                // the client has sent Terminate
)

// passage is requests on their way through the relay.
type passage struct {
	buffer             *rawnet.Buffer
	toServer, toClient []byte
	rest               []byte
	mayWait            bool // to complete it
	err                error
}

// forward forwards requests.
func (l link) forward(requests []byte) (rest []byte, how outcome) {
	p, how := l.begin(requests, true)
	if how != forwarded {
		return requests, how
	}
	return l.complete(p)
}

// begin takes requests through the relay. It returns unlinked or, if it must not wait,
// occupied, if that is not possible. After it, no others can be sent to the server before
// complete.
func (l link) begin(requests []byte, wait bool) (p passage, how outcome) {
	s, c := l.server, l.client
	s.mu.Lock()
	defer s.mu.Unlock()
	if !wait && l.isIntact() && l.isOccupied() {
		return p, occupied
	}
	if l.awaitTurn(); !l.isIntact() {
		return p, unlinked
	}
	if s.state == serverAssigned {
		s.setState(serverActive, "request")
	}
	s.usage.request(c.requested.Load())
	p.buffer = rawnet.GetBuffer()
	p.rest, p.toServer, p.toClient, p.err = s.relay.FromClient(requests, p.buffer[:0], nil)
	if c.introduction.active || s.relay.Stalled() {
		c.prepareStall() // before the answers that c waits for can come
	}
	c.midMessage = s.relay.MidRequest()
	s.usage.received += uint64(len(requests) - len(p.rest))
	p.mayWait = p.err != nil || s.relay.Terminated() || s.relay.Vacates() || s.conn.served == nil || len(p.toServer) > maxKept
	s.writingServer = true
	return p, forwarded
}

// complete sends what has come of requests.
func (l link) complete(p passage) (rest []byte, how outcome) {
	defer p.buffer.Release()
	s, c := l.server, l.client
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeClient(p.toClient)
	if len(p.toServer) > 0 {
		s.writeServer(p.toServer)
	} else {
		s.writingServer = false
		s.changed.Broadcast()
	}
	switch {
	case p.err != nil:
		l.protocolViolation(p.err)
		return p.rest, forwarded
	case s.relay.Terminated():
		l.terminate()
		return nil, terminated
	case s.relay.Stalled() && l.isIntact():
		how = stalled
	}
	if c.introduction.active && how == forwarded {
		how = l.introduce()
	}
	s.sendInternalQuery()
	s.release()
	return p.rest, how
}

// maxPending bounds what waits to be written to a client besides answers of the
// server, in bytes: the client's next requests wait for it.
const maxPending = 64 << 10

// awaitTurn waits until c may send something to the server: no write is in
// flight, the connection is not about to end, and c reads its answers.
func (l link) awaitTurn() {
	for l.isIntact() && l.isOccupied() {
		l.server.changed.Wait()
	}
}

func (l link) isOccupied() bool {
	s := l.server
	return s.writingServer || s.state == serverClosing || len(s.pending) > maxPending
}

// introduce notes what the server reports to the client if that is known: if the
// client's settings have made no query necessary, or its answer is there.
func (l link) introduce() outcome {
	switch {
	case !l.isIntact(): // the server connection has been lost
		return unlinked
	case !l.server.relay.Idle() && l.client.session.Pinned() == "":
		return stalled
	}
	l.client.introduction.reported = l.server.session.Reported()
	return forwarded
}

// conclusion makes the server answer all requests: those that lack a Sync or a
// Flush, and, with an error, a copy that has not been ended. Where there are
// none it has no effect.
var conclusion = func() []byte {
	fail := pgproto3.CopyFail{Message: "the client has ended within a copy"}
	message, _ := fail.Encode(nil)
	return pgwire.AppendFlush(message)
}()

// terminate makes sure that a client that has sent Terminate gets the answers
// that it waits for, even if its requests are incomplete.
func (l link) terminate() {
	if l.awaitTurn(); l.isIntact() && l.server.relay.Busy() {
		l.server.writeServer(conclusion)
	}
}

// protocolViolation disconnects a client that does not keep to the protocol.
func (l link) protocolViolation(err error) {
	e, _ := err.(*pgwire.Error)
	if l.isIntact() && e != nil {
		l.client.logViolation(e)
	}
	l.server.disconnectClient("protocol: "+err.Error(), e)
}

// owesAnswer reports whether the client still has to get an answer.
func (l link) owesAnswer() bool {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	l.client.prepareStall()
	return l.isIntact() && (l.server.writingClient || l.server.relay.Busy())
}

// resumeRequests lets the client go on if it waits for answers.
func (l link) resumeRequests() {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if l.isIntact() {
		l.client.resumeRequests()
	}
}

// sendError sends the client an error with which its session ends: if it has no
// transaction open, or in any case if it is forced. linked reports whether the
// two are linked.
func (l link) sendError(e *pgwire.Error, forced bool) (ended, linked bool) {
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if forced && l.isIntact() {
		l.client.conn.setWriteDeadline(lingerTimeout)
		for l.isIntact() && s.writingClient {
			s.changed.Wait()
		}
	}
	switch {
	case !l.isIntact():
		return false, false
	case !forced && (s.writingServer || s.writingClient || !s.relay.BetweenTransactions()):
		return false, true
	}
	if s.relay.BetweenMessages() {
		s.writingClient = true
		s.mu.Unlock() // the event loop must not wait for the client
		l.client.conn.writeLast(e.Append(nil))
		s.mu.Lock()
		s.writingClient, s.pending = false, nil // nothing comes after the error
		s.changed.Broadcast()
	}
	return true, true
}

// disconnect unlinks the two at the end of the client's session. The server
// connection is reset so that others can use it: its transaction is rolled back,
// and what it does is canceled if the client is gone and no longer needs it.
func (l link) disconnect(gone bool) {
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	defer l.client.session.Close() // after the relay's last use of it
	for l.isIntact() && s.writingServer {
		s.changed.Wait()
	}
	if !l.isIntact() {
		return
	}
	if s.state == serverClosing {
		s.unlink("client disconnected")
		return
	}
	busy := gone && s.relay.Busy()
	rest, ok := s.relay.DisconnectClient(nil)
	s.unlink("client disconnected")
	if !ok {
		newCleanup(s, busy).discard()
		return
	}
	if busy {
		s.cancelUnwanted()
	}
	if len(rest) > 0 {
		s.writeServer(rest)
	}
	s.sendInternalQuery()
	if s.state == serverResetting && (!s.relay.Idle() || s.cancels > 0) {
		newCleanup(s, busy).schedule()
	}
	s.release()
}

// abandon takes the server connection from a client that cannot disconnect by
// itself.
func (l link) abandon() {
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.isIntact() || s.state == serverClosing {
		return
	}
	busy := s.relay.Busy()
	s.unlink("client abandoned")
	newCleanup(s, busy).discard()
}

// cancel cancels what the server does for the client, if anything.
func (l link) cancel(ctx context.Context) error {
	s := l.server
	s.mu.Lock()
	wanted := l.isIntact() && s.relay.Busy()
	if wanted {
		s.cancels++
	}
	s.mu.Unlock()
	if !wanted {
		return nil
	}
	err := s.sendCancel(ctx)
	if err == nil {
		s.pool.count(&s.pool.totals.Canceled)
	}
	return err
}

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
