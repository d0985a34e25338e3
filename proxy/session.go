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
	"github.com/lakebase-go/lakebase/internal/rawnet"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

const (
	// goneTimeout is how long a server may take to finish for a client that has
	// disconnected, after it has been asked to cancel.
	goneTimeout = 5 * time.Second

	// cancelInterval is the time after which a server that has not finished is
	// asked to cancel again: a request that arrives before the query is lost.
	cancelInterval = time.Second
)

// session is the handler of a client that has a server connection of its own,
// in session mode or to replicate. One goroutine forwards requests, another one
// answers. The answering one alone writes to the client and alone decides when
// the session ends; others change the state and interrupt its read by the
// server connection's read deadline.
type session struct {
	client  *client
	up      *upstream
	tracker *tracker
	began   time.Time
	active  atomic.Int64 // time of the last message, in Unix nanoseconds; only kept for the idle timeout

	mu    sync.Mutex // guards what follows and the server connection's read deadline
	state sessionState
	since time.Time // of sessionFailing or sessionAbandoned

	archived bool // guarded by the sessionSet's mutex

	shut sync.Once // nothing more is written to the server
}

func newSession(c *client, up *upstream) *session {
	return &session{client: c, up: up, tracker: newTracker(up.status), began: time.Now()}
}

// setState changes the state; see [sessionState] for what is allowed. The
// caller holds mu.
func (s *session) setState(to sessionState, reason string) {
	if to <= s.state {
		illegalTransition(s.client.env.log, "session", s.state, to, reason)
		s.up.breakOff()
		return
	}
	s.state = to
}

func (s *session) current() sessionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// drain disconnects the client once no transaction is open.
func (s *session) drain() { s.wake(sessionDraining, "shutdown") }

// kill disconnects the client now.
func (s *session) kill() { s.wake(sessionKilled, "killed") }

// wake changes the state, unless a later one has been reached, and interrupts
// the answering goroutine.
func (s *session) wake(to sessionState, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state < to {
		s.setState(to, reason)
		s.up.raw.Interrupt()
	}
}

// giveTime enters a state, unless a later one has been reached, in which the
// server has some time to finish.
func (s *session) giveTime(to sessionState, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state < to {
		s.setState(to, reason)
		s.since = time.Now()
		s.up.raw.SetReadDeadline(s.since.Add(cancelInterval))
	}
}

// isOutOfTime reports whether the server has had its time to finish.
func (s *session) isOutOfTime() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.since) >= goneTimeout
}

// run forwards both ways until both sides have ended.
func (s *session) run() {
	env, began := s.client.env, time.Now()
	log := env.log.With("client", s.client.conn.raw.RemoteAddr(), "target", s.up.database.target.name)
	env.counts.sessions.Add(1)
	log.Debug("session began")
	s.touch()
	s.arm(sessionActive)
	var asking sync.WaitGroup
	asking.Go(s.forwardRequests)
	reason := s.forwardAnswers()
	s.end(reason)
	asking.Wait()
	log.Debug("session ended", "reason", reason, "duration", time.Since(began))
}

// end makes the asking goroutine finish, and frees the slot without waiting for
// the client to read its last message.
func (s *session) end(reason string) {
	s.mu.Lock()
	s.setState(sessionEnded, reason)
	s.mu.Unlock()
	s.client.disconnect(reason)
	s.tracker.abort()
	s.client.conn.closeWrite()
	s.client.conn.raw.SetReadDeadline(time.Now().Add(lingerTimeout))
	s.up.close()
}

// forwardRequests forwards what the client sends. After the session's end it
// goes on reading, so that the client sees its last message.
func (s *session) forwardRequests() {
	buffer := rawnet.GetBuffer()
	defer buffer.Release()
	writable := true
	for {
		n, err := s.client.conn.conn.Read(buffer[:])
		// A client that is being killed has its requests ignored from now on.
		if n > 0 && s.current() != sessionKilled && s.tracker.request(buffer[:n]) && writable {
			s.touch()
			if s.up.write(buffer[:n]) != nil {
				// What the server sent before it ended is still to be read.
				writable = false
				s.giveTime(sessionFailing, "cannot write to the server")
			}
		}
		switch {
		case err == nil:
		case s.current() == sessionEnded:
			return
		default:
			s.clientClosed(err)
			return
		}
	}
}

// clientClosed ends the server's side after the client's. A client that has
// sent Terminate may still wait for answers; another one is gone, and
// what the server does for it is of no use.
func (s *session) clientClosed(err error) {
	if s.tracker.clientTerminated() && !isReset(err) {
		if s.tracker.clientHungUp() {
			s.shutServer()
		}
		return
	}
	s.client.conn.close()
	terminable := s.tracker.canTerminate()
	if busy := s.tracker.abort(); busy {
		s.cancelUnwanted(cancelTimeout)
	}
	s.giveTime(sessionAbandoned, "client gone")
	s.up.conn.SetWriteDeadline(time.Now().Add(goneTimeout))
	if terminable {
		s.up.write(pgwire.AppendTerminate(nil))
		return
	}
	s.shutServer()
}

// isReset reports whether a connection broke, as opposed to having been closed.
func isReset(err error) bool {
	var broken *net.OpError
	return errors.As(err, &broken) && !broken.Timeout()
}

// shutServer tells the server that nothing more will come. It ends when it has
// finished what it is doing.
func (s *session) shutServer() {
	s.shut.Do(func() {
		if !s.up.closeWrite() {
			s.up.conn.Close()
		}
	})
}

// forwardAnswers forwards what the server sends until the session is to end, and
// returns why.
func (s *session) forwardAnswers() (reason string) {
	buffer := rawnet.GetBuffer()
	defer buffer.Release()
	connected := true
	for {
		n, err := s.up.read(buffer[:])
		if n > 0 {
			s.touch()
			if s.tracker.answer(buffer[:n]) {
				s.shutServer()
			}
			if connected && s.client.conn.write(buffer[:n]) != nil {
				connected = false // the asking goroutine sees that too, and cancels
				s.client.conn.close()
			}
			if s.current() == sessionDraining && s.tracker.close() {
				return s.disconnectClient("shutdown", errShuttingDown())
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			if reason := s.interrupted(); reason != "" {
				return reason
			}
		case s.tracker.clientTerminated():
			return reasonTerminated
		case !connected || s.current() == sessionAbandoned:
			return reasonGone
		default:
			return s.serverLost(err)
		}
	}
}

// interrupted decides what a read deadline that has passed means. It returns the
// reason if the session is to end.
func (s *session) interrupted() (reason string) {
	state := s.current()
	switch state {
	case sessionKilled:
		busy := s.tracker.abort()
		reason := s.disconnectClient("killed", s.client.disconnecting()) // before the client's connection is closed
		if busy {
			s.cancelUnwanted(lingerTimeout)
		}
		return reason
	case sessionAbandoned:
		if s.isOutOfTime() {
			return reasonGone
		}
		s.cancelUnwanted(lingerTimeout) // an earlier one may have come before the query
	case sessionFailing:
		if s.isOutOfTime() {
			return s.serverLost(os.ErrDeadlineExceeded)
		}
	case sessionDraining:
		if s.tracker.close() {
			return s.disconnectClient("shutdown", errShuttingDown())
		}
	case sessionActive:
		limit := s.client.env.config().ClientIdleTimeout
		if limit > 0 && s.idleTime() >= limit && s.tracker.close() {
			return s.disconnectClient("idle", errIdle(limit))
		}
	}
	s.arm(state)
	return ""
}

func (s *session) serverLost(err error) (reason string) {
	env := s.client.env
	s.tracker.count(func(t *snapshot.Totals) { t.Lost++ })
	env.counts.lost.Add(1)
	env.log.Warn("server connection lost", "target", s.up.database.target.name, "error", err)
	return s.disconnectClient("server lost", errServerLost(err))
}

// disconnectClient sends the client an error, if one can be sent now, before the
// session ends.
func (s *session) disconnectClient(reason string, e *pgwire.Error) string {
	if s.tracker.canInsert() {
		s.client.env.errors.add(e)
		s.client.conn.writeLast(e.Append(nil))
	}
	return reason
}

// cancel asks the server to cancel what the client waits for.
func (s *session) cancel(ctx context.Context) error {
	err := s.up.cancel(ctx)
	if err == nil {
		s.tracker.count(func(t *snapshot.Totals) { t.Canceled++ })
	}
	return err
}

// cancelUnwanted asks the server to cancel what no client waits for any more.
func (s *session) cancelUnwanted(timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := s.up.cancel(ctx); err != nil {
		s.client.env.log.Debug("cannot cancel for a client that is gone", "error", err)
	}
}

// arm sets the read deadline that a state needs, unless a later state has been
// reached, whose interrupt must not be lost.
func (s *session) arm(state sessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != state {
		return
	}
	deadline := time.Time{} // a draining session goes on until an answer ends its transaction
	switch limit := s.client.env.config().ClientIdleTimeout; {
	case state == sessionFailing || state == sessionAbandoned:
		deadline = time.Now().Add(cancelInterval)
	case state == sessionActive && limit > 0:
		deadline = time.Now().Add(max(limit-s.idleTime(), time.Second/10))
	}
	s.up.raw.SetReadDeadline(deadline)
}

// touch notes that a message was forwarded.
func (s *session) touch() {
	if s.client.env.config().ClientIdleTimeout > 0 {
		s.active.Store(time.Now().UnixNano())
	}
}

func (s *session) idleTime() time.Duration { return time.Since(time.Unix(0, s.active.Load())) }

// checkNetwork closes a side whose network is dead.
func (s *session) checkNetwork(limit time.Duration) {
	if s.up.raw.Unresponsive(limit) {
		s.client.env.log.Warn("no answer from the network to a server", "target", s.up.database.target.name, "duration", limit)
		s.up.breakOff() // its reader sees that
	}
	if s.client.conn.raw.Unresponsive(limit) {
		s.client.conn.close()
	}
}

// totals returns the counters of the session.
func (s *session) totals() snapshot.Totals {
	t := s.tracker.counters()
	t.Sessions, t.Assignments, t.ServerLogins = 1, 1, 1
	return t
}

func (s *session) describe(info *snapshot.Client) {
	server := s.serverInfo()
	info.Target, info.Database, info.State = server.Target, server.Database, snapshot.ClientActive
	info.ServerPID, info.Requested = server.PID, server.Used
}

// serverInfo describes the server connection.
func (s *session) serverInfo() snapshot.Server {
	info := s.up.info()
	info.State, info.Connected, info.Used = snapshot.ServerActive, s.began, s.began
	if at := s.active.Load(); at != 0 {
		info.Used = time.Unix(0, at)
	}
	info.ClientID = uint64(s.client.id.Load())
	return info
}
