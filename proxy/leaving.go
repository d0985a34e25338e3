package proxy

import (
	"context"
	"time"
)

// cancelAgain is after what time a server that has not stopped is asked once
// more to cancel: a request that arrives before it has begun is lost.
const cancelAgain = time.Second

// leave takes s back from c, which is at its end, and forgets what c had
// prepared: its transaction is rolled back, what it asked is canceled if it is
// gone and nobody can want that any more, and then s can be lent to others.
func (s *serverConn) leave(c *pooled, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer c.state.Close() // the exchange may still know it
	for s.client == c && s.writing {
		s.told.Wait()
	}
	if s.client != c {
		return
	}
	if s.ending {
		s.unlink()
		return
	}
	busy := gone && s.relay.Busy()
	rest, ok := s.relay.DisconnectClient(nil)
	s.unlink()
	if !ok {
		s.dismiss(busy)
		return
	}
	if busy {
		s.cancelAside()
	}
	if len(rest) > 0 {
		s.send(rest)
	}
	s.tidy()
	if !s.relay.Idle() || s.canceling > 0 {
		s.hurry(busy)
	}
	s.settle()
}

// hurry sees to it that s, which has been left, comes to rest: what it does is
// canceled again and again if that is wanted, and in the end it is closed. The
// caller holds mu.
func (s *serverConn) hurry(cancel bool) {
	links, since := s.links, time.Now()
	var look func()
	look = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.place != atRest || s.links != links:
		case time.Since(since) >= goneTimeout:
			s.pool.server.log.Warn("a server does not come to rest", "target", s.target.name, "pid", s.login.PID)
			s.close()
		default:
			if cancel && s.canceling == 0 && (s.ending || !s.relay.Idle()) {
				s.cancelAside()
			}
			time.AfterFunc(cancelAgain, look)
		}
	}
	time.AfterFunc(cancelAgain, look)
}

// dismiss has s end, which cannot be used any more and has been left. What it
// does is canceled if it is busy. The caller holds mu.
func (s *serverConn) dismiss(busy bool) {
	if !busy {
		s.close()
		return
	}
	s.ending = true
	s.canceling++
	s.pool.readers.Go(func() {
		_ = s.cancelRunning(context.Background())
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.writing || !s.closeWrite() {
			s.close()
		}
	})
	s.hurry(true)
}

// closeWrite tells the server that nothing more will come: it ends when it has
// done what it has been asked.
func (s *serverConn) closeWrite() bool {
	half, ok := s.Conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

// abandon takes s from c, if it still has it, which cannot leave by itself.
func (s *serverConn) abandon(c *pooled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != c || s.ending {
		return
	}
	busy := s.relay.Busy()
	s.unlink()
	s.dismiss(busy)
}

// cancelFor cancels what s does for c, if anything.
func (s *serverConn) cancelFor(ctx context.Context, c *pooled) error {
	s.mu.Lock()
	wanted := s.client == c && s.relay.Busy()
	if wanted {
		s.canceling++
	}
	s.mu.Unlock()
	if !wanted {
		return nil
	}
	err := s.cancelRunning(ctx)
	if err == nil {
		s.pool.count(&s.pool.totals.Canceled)
	}
	return err
}

// cancelAside cancels what s does, and does not wait for that. The caller holds
// mu.
func (s *serverConn) cancelAside() {
	s.canceling++
	s.pool.readers.Go(func() { _ = s.cancelRunning(context.Background()) })
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

// look ends s or its client if it waits for somebody who is gone without a
// word.
func (s *serverConn) look(limit time.Duration) {
	if s.raw.Unresponsive(limit) {
		s.pool.server.log.Warn("the network to a server is silent", "target", s.target.name, "for", limit)
		s.raw.Close() // its reader sees that
		return
	}
	s.mu.Lock()
	c, stuck := s.client, s.writing && s.sends == s.looked
	s.looked = s.sends
	s.mu.Unlock()
	switch {
	case c == nil:
	case c.raw.Unresponsive(limit):
		c.raw.Close()
	case stuck && c.raw.Gone():
		s.abandon(c)
	}
}
