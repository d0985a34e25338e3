package proxy

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// goneTimeout is how long a server may take to end a session whose client is
// gone, once it has been asked to cancel.
const goneTimeout = 5 * time.Second

// relayBuffer carries one chunk in one direction. A TLS record is no larger.
type relayBuffer [16 << 10]byte

var relayBuffers = sync.Pool{New: func() any { return new(relayBuffer) }}

// session is one client and one server connection, for as long as both last.
type session struct {
	client  *client
	up      *upstream
	tracker *tracker
	began   time.Time
	active  atomic.Int64 // when something was last said, in Unix nanoseconds; kept only for the idle timeout

	over atomic.Bool // the answering direction has ended
	left atomic.Bool // the client has said goodbye and closed its half
	shut sync.Once   // the server has been told that nothing more comes

	canceled  atomic.Uint64 // cancel requests passed on
	lost      atomic.Bool   // the server connection broke
	accounted bool          // among the totals of the past; guarded by the server's mutex

	mu    sync.Mutex // guards state together with the server's read deadline
	state sessionState
	since time.Time // of a state in which the server has a last moment
}

type sessionState int

const (
	running  sessionState = iota
	draining              // end as soon as no transaction is open
	failing               // the server takes no more; it has a moment for last words
	gone                  // the client is; the server has a moment to see that
	forced                // end now
)

func newSession(c *client, up *upstream) *session {
	return &session{client: c, up: up, tracker: newTracker(pgwire.TxStatus(up.status)), began: time.Now()}
}

// relay carries bytes both ways until both sides have ended, and says why.
// The answering direction alone writes to the client, and alone decides when
// the session ends; all others only wake it, by its read deadline.
func (s *session) relay() (reason string) {
	s.touch()
	s.arm()
	var asking sync.WaitGroup
	asking.Go(s.ask)
	reason = s.answer()
	s.over.Store(true)
	s.tracker.abort()
	s.client.closeWrite()
	s.client.SetReadDeadline(time.Now().Add(lingerTimeout))
	s.up.close() // its place is free before the client has taken its leave
	asking.Wait()
	return reason
}

// ask carries the client's requests. After the session's end it goes on
// reading, so that the client sees the last words.
func (s *session) ask() {
	buffer := relayBuffers.Get().(*relayBuffer)
	defer relayBuffers.Put(buffer)
	writable := true
	for {
		n, err := s.client.Read(buffer[:])
		// Whoever has been told that the client is killed is to see no more of it.
		if n > 0 && s.current() != forced && s.tracker.request(buffer[:n]) && writable {
			s.touch()
			if _, err := s.up.Write(buffer[:n]); err != nil {
				// What the server said before it died is still to be read.
				writable = false
				s.hurry(failing)
			}
		}
		switch {
		case err == nil:
		case s.over.Load():
			return
		default:
			s.clientEnded(err)
			return
		}
	}
}

// hurry enters a state in which the server has a last moment.
func (s *session) hurry(state sessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state < state {
		s.state, s.since = state, time.Now()
		s.up.SetReadDeadline(s.since.Add(cancelAgain))
	}
}

// spent reports whether the server has had its last moment.
func (s *session) spent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.since) >= goneTimeout
}

// wait gives the server some more of it.
func (s *session) wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == failing || s.state == gone {
		s.up.SetReadDeadline(time.Now().Add(cancelAgain))
	}
}

// clientEnded ends the server's side when the client's is at its end. One
// that has said goodbye may still be waiting for its answers; one that has
// not is gone, and what the server does for it is in vain.
func (s *session) clientEnded(err error) {
	if s.tracker.clientTerminated() && !isReset(err) {
		s.left.Store(true)
		s.seeOff()
		return
	}
	s.client.raw.Close()
	terminable := s.tracker.canTerminate()
	if busy := s.tracker.abort(); busy {
		if err := s.up.cancel(context.Background()); err != nil {
			s.client.server.log.Debug("cannot cancel for a client that is gone", "err", err)
		}
	}
	s.hurry(gone)
	s.up.SetWriteDeadline(time.Now().Add(goneTimeout))
	if terminable {
		s.up.Write(pgwire.AppendTerminate(nil))
		return
	}
	s.shutServer()
}

// seeOff sees to it that the server ends for a client that has left, though it
// may have missed that.
func (s *session) seeOff() {
	if s.tracker.mayMissTerminate() {
		s.shutServer()
	}
}

// shutServer tells the server that nothing more will come. It ends at that,
// when it has stopped doing what it does.
func (s *session) shutServer() {
	s.shut.Do(func() {
		if half, ok := s.up.Conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
			s.up.Conn.Close()
		}
	})
}

// isReset reports whether a connection broke, as opposed to having ended.
func isReset(err error) bool {
	var broken *net.OpError
	return errors.As(err, &broken) && !broken.Timeout()
}

// answer carries the server's answers until the session is at its end.
func (s *session) answer() (reason string) {
	buffer := relayBuffers.Get().(*relayBuffer)
	defer relayBuffers.Put(buffer)
	connected := true
	for {
		n, err := s.up.Read(buffer[:])
		if n > 0 {
			s.touch()
			s.tracker.answer(buffer[:n])
			if s.left.Load() {
				s.seeOff()
			}
			if connected {
				if _, err := s.client.Write(buffer[:n]); err != nil {
					connected = false // the asking direction sees that too, and cancels
					s.client.raw.Close()
				}
			}
			if s.isDraining() && s.tracker.close() {
				return s.say("shutdown", errShuttingDown())
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			if reason := s.woken(); reason != "" {
				return reason
			}
		case s.tracker.clientTerminated():
			return "client left"
		case !connected || s.isGone():
			return "client gone"
		default:
			return s.serverLost(err)
		}
	}
}

func (s *session) serverLost(err error) string {
	s.lost.Store(true)
	s.client.server.counts.lost.Add(1)
	s.client.server.log.Warn("a server connection was lost", "target", s.up.target.name, "err", err)
	return s.say("server lost", errServerLost())
}

// say ends the session with a message, where one fits in.
func (s *session) say(reason string, e *pgwire.Error) string {
	if s.tracker.canInsert() {
		s.client.SetWriteDeadline(time.Now().Add(lingerTimeout))
		s.client.Write(e.Append(nil))
	}
	return reason
}

// woken decides what a read deadline that has passed means. It returns the
// reason if that is the session's end.
func (s *session) woken() (reason string) {
	switch s.current() {
	case forced:
		if s.tracker.abort() {
			s.cancelAside()
		}
		return s.say("forced", s.client.lastWord())
	case gone:
		if s.spent() {
			return "client gone"
		}
		s.cancelAside() // the one before may have come before the query
		s.wait()
	case failing:
		if s.spent() {
			return s.serverLost(os.ErrDeadlineExceeded)
		}
		s.wait()
	case draining:
		if s.tracker.close() {
			return s.say("shutdown", errShuttingDown())
		}
		s.disarm()
	case running:
		limit := s.client.server.config().ClientIdleTimeout
		if limit > 0 && s.silence() >= limit && s.tracker.close() {
			return s.say("idle", errIdle(limit))
		}
		s.arm()
	}
	return ""
}

// cancelAside asks the server to stop work that nobody waits for any more.
func (s *session) cancelAside() {
	ctx, cancel := context.WithTimeout(context.Background(), lingerTimeout)
	defer cancel()
	if err := s.up.cancel(ctx); err != nil {
		s.client.server.log.Debug("cannot cancel at the end", "err", err)
	}
}

// arm sets the read deadline that the idle timeout asks for. In a later
// state the deadline is that state's.
func (s *session) arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != running {
		return
	}
	deadline := time.Time{}
	if limit := s.client.server.config().ClientIdleTimeout; limit > 0 {
		deadline = time.Now().Add(max(limit-s.silence(), time.Second/10))
	}
	s.up.SetReadDeadline(deadline)
}

// rearm takes a new idle timeout into account. Where there was none before,
// silence counts from now on.
func (s *session) rearm(before bool) {
	if !before {
		s.touch()
	}
	s.arm()
}

// disarm lets a draining session go on until an answer ends its transaction.
func (s *session) disarm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == draining {
		s.up.SetReadDeadline(time.Time{})
	}
}

// drain ends the session once it has no transaction open.
func (s *session) drain() { s.wake(draining) }

// force ends the session now.
func (s *session) force() { s.wake(forced) }

// wake enters a state, unless a later one has been reached, and lets the
// answering direction see it.
func (s *session) wake(state sessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state < state {
		s.state = state
		s.up.SetReadDeadline(time.Unix(1, 0))
	}
}

func (s *session) current() sessionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *session) isDraining() bool { return s.current() == draining }
func (s *session) isGone() bool     { return s.current() == gone }

// touch notes that something was said.
func (s *session) touch() {
	if s.client.server.config().ClientIdleTimeout > 0 {
		s.active.Store(time.Now().UnixNano())
	}
}

func (s *session) silence() time.Duration {
	return time.Since(time.Unix(0, s.active.Load()))
}
