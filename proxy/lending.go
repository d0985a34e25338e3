package proxy

import (
	"context"
	"time"

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
	if s.client != c {
		return chunk, again
	}
	rest, toServer, toClient, err := s.exchange.FromClient(chunk, buffer[:0], nil)
	s.received += uint64(len(chunk) - len(rest))
	s.tell(toClient)
	if err != nil {
		s.misunderstood(err)
		return rest, passed
	}
	if s.exchange.Terminated() {
		return nil, left
	}
	if s.exchange.Stalled() {
		how = stalled
		if c.unstalled == nil {
			c.unstalled = make(chan struct{}, 1)
		}
	}
	if len(toServer) > 0 {
		s.send(toServer)
	}
	if c.joining && how == passed {
		c.introduced = s.state.Reported()
	}
	s.tidy()
	s.settle()
	return rest, how
}

// misunderstood ends a client that does not keep to the protocol.
func (s *serverConn) misunderstood(err error) {
	e, _ := err.(*pgwire.Error)
	s.end("protocol: "+err.Error(), e)
}

// goodbye tells c its last if it has no transaction open, or anyway. mine
// reports whether s is lent to c.
func (s *serverConn) goodbye(c *pooled, e *pgwire.Error, anyway bool) (said, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.client != c:
		return false, false
	case !anyway && (s.writing || s.telling || !s.exchange.AtRest()):
		return false, true
	}
	if !s.telling && s.exchange.BetweenMessages() {
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

// abandon closes s if c still has it.
func (s *serverConn) abandon(c *pooled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == c {
		s.close()
	}
}

// leave takes s back from c, which is gone: its transaction is rolled back,
// what it asked is canceled if nobody can want it any more, and then s can be
// lent to others.
func (s *serverConn) leave(c *pooled, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != c {
		return
	}
	busy := gone && s.exchange.Busy()
	rest, ok := s.exchange.Leave(nil)
	if !ok {
		s.close()
		return
	}
	s.unlink()
	if len(rest) > 0 {
		s.send(rest)
	}
	s.tidy()
	if busy {
		s.canceling++
		s.pool.readers.Go(func() { _ = s.cancelRunning(context.Background()) })
		links := s.links
		time.AfterFunc(goneTimeout, func() { s.giveUp(links) })
	}
	s.settle()
}

// giveUp closes s if it has not come to rest since it was lent for the
// links-th time.
func (s *serverConn) giveUp(links uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.links == links && s.place == atRest && !s.exchange.Idle() {
		s.close()
	}
}

// cancelFor cancels what s does for c, if anything.
func (s *serverConn) cancelFor(ctx context.Context, c *pooled) error {
	s.mu.Lock()
	wanted := s.client == c && s.exchange.Busy()
	if wanted {
		s.canceling++
	}
	s.mu.Unlock()
	if !wanted {
		return nil
	}
	return s.cancelRunning(ctx)
}

// cancelRunning asks the server to cancel what it is doing. The caller has
// counted it in canceling: until the request is dealt with, s is lent to
// nobody, whom it might hit.
func (s *serverConn) cancelRunning(ctx context.Context) error {
	err := s.cancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.canceling--
	s.settle()
	return err
}
