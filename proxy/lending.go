package proxy

import (
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/rawnet"
)

// outcome is what became of a client's bytes.
type outcome uint8

const (
	passed  outcome = iota // all of them, to the server
	again                  // none: the server connection is not lent to the client any more
	stalled                // some; the rest when there are more answers
	left                   // the client said goodbye
)

// pass passes on what c asks.
func (s *serverConn) pass(c *pooled, chunk []byte) (rest []byte, how outcome) {
	buffer := rawnet.GetBuffer()
	defer buffer.Release()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.awaitTurn(c); s.client != c {
		return chunk, again
	}
	s.fresh = false
	s.startClock(c)
	rest, toServer, toClient, err := s.relay.FromClient(chunk, buffer[:0], nil)
	if c.joining || s.relay.Stalled() {
		c.canStall() // before the answers that c waits for can come
	}
	s.received += uint64(len(chunk) - len(rest))
	s.tell(toClient)
	if len(toServer) > 0 {
		s.send(toServer)
	}
	switch {
	case err != nil:
		s.misunderstood(err)
		return rest, passed
	case s.relay.Terminated():
		s.conclude(c)
		return nil, left
	case s.relay.Stalled() && s.client == c:
		how = stalled
	}
	if c.joining && how == passed {
		how = s.introduce(c)
	}
	s.tidy()
	s.settle()
	return rest, how
}

// introduce notes what the server reports to c, which only joins, once it has
// answered what c's settings made it be asked. The caller holds mu.
func (s *serverConn) introduce(c *pooled) outcome {
	switch {
	case s.client != c: // it has been lost meanwhile
		return again
	case !s.relay.Idle() && c.state.Pinned() == "":
		return stalled
	}
	c.introduced = s.state.Reported()
	return passed
}

// concluding has the server answer all that it has been asked: what lacks a Sync
// or a Flush, and, with an error, a copy that has not been ended. Where there is
// no such thing it is ignored.
var concluding = func() []byte {
	fail := pgproto3.CopyFail{Message: "the client has ended within a copy"}
	message, _ := fail.Encode(nil)
	return pgwire.AppendFlush(message)
}()

// conclude is for a client that has said goodbye, perhaps before it has asked to
// the end: what it waits for must come, or it would wait for ever. The caller
// holds mu, but not meanwhile.
func (s *serverConn) conclude(c *pooled) {
	if s.awaitTurn(c); s.client == c && s.relay.Busy() {
		s.send(concluding)
	}
}

// awaitTurn waits until c may say something to the server: nobody else does,
// and the connection is not about to end. The caller holds mu, but not
// meanwhile.
func (s *serverConn) awaitTurn(c *pooled) {
	for s.client == c && (s.writing || s.ending) {
		s.told.Wait()
	}
}

// misunderstood ends a client that does not keep to the protocol.
func (s *serverConn) misunderstood(err error) {
	e, _ := err.(*pgwire.Error)
	if c := s.client; c != nil && e != nil {
		s.pool.server.log.Warn("a client does not keep to the protocol", "client", c.RemoteAddr(), "code", e.Code, "err", e.Message)
	}
	s.end("protocol: "+err.Error(), e)
}

// owes reports whether c is still to hear something of what it asked.
func (s *serverConn) owes(c *pooled) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.canStall()
	return s.client == c && (s.telling || s.relay.Busy())
}

// goodbye tells c its last if it has no transaction open, or anyway. mine
// reports whether s is lent to c.
func (s *serverConn) goodbye(c *pooled, e *pgwire.Error, anyway bool) (said, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if anyway && s.client == c {
		c.SetWriteDeadline(time.Now().Add(lingerTimeout))
		for s.client == c && s.telling {
			s.told.Wait()
		}
	}
	switch {
	case s.client != c:
		return false, false
	case !anyway && (s.writing || s.telling || !s.relay.BetweenTransactions()):
		return false, true
	}
	if s.relay.BetweenMessages() {
		c.SetWriteDeadline(time.Now().Add(lingerTimeout))
		c.Write(e.Append(nil))
	}
	return true, true
}

// unstall lets c go on if it waits for answers.
func (s *serverConn) unstall(c *pooled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == c {
		c.unstall()
	}
}
