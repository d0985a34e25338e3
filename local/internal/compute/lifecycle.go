package compute

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// State is the state of a compute.
type State string

// The states of a compute:
//
//	Idle    -> Waking    a connection, or Wake
//	Waking  -> Active    the server accepts connections
//	Waking  -> Idle      the server could not be started
//	Active  -> Idle      Suspend, Crash, nothing to do, or the server exited
//	any     -> Stopped   Stop
//	Stopped -> Idle      Wake, which goes on to start it
const (
	Idle    State = "idle"    // not running; the next connection starts it
	Waking  State = "waking"  // being started
	Active  State = "active"  // accepts connections
	Stopped State = "stopped" // not running; connections do not start it
)

// Errors of operations on a compute.
var (
	ErrStopped  = errors.New("the compute is stopped: start it to connect")
	ErrClosed   = errors.New("the local Lakebase is closing")
	ErrExternal = errors.New("not possible with a database URL: that server is not run by the local Lakebase")
)

// changeTimeout limits a start or stop.
const changeTimeout = time.Minute

// lifecycle is the state machine of a compute. It starts and stops the server,
// one change at a time.
type lifecycle struct {
	boot   func(ctx context.Context) (backend, error)
	booted func(ctx context.Context, b backend)

	// ctx ends when close begins. A start continues until then, even if the
	// client that caused it no longer waits.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	now    status
	change *change // start or stop in progress; there is at most one
	holds  int     // reasons not to suspend
	closed bool
}

// status is a state and the server in it.
type status struct {
	state   State
	backend backend // nil unless active
}

// newLifecycle returns an idle one. boot starts a server; booted runs after
// each start, when the compute is active and before the start is complete.
func newLifecycle(boot func(context.Context) (backend, error), booted func(context.Context, backend)) *lifecycle {
	l := &lifecycle{boot: boot, booted: booted, now: status{state: Idle}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

func (l *lifecycle) current() status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// change is a start or stop in progress. Whatever needs the compute in another
// state waits for it first.
type change struct {
	done  chan struct{}
	start bool
	err   error // once done is closed
}

func (ch *change) wait(ctx context.Context) error {
	select {
	case <-ch.done:
		return ch.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// begin runs do as the change in progress. The caller holds mu and has checked
// that there is none.
func (l *lifecycle) begin(start bool, do func() error) *change {
	ch := &change{done: make(chan struct{}), start: start}
	l.change = ch
	l.wg.Go(func() {
		ch.err = do()
		l.mu.Lock()
		l.change = nil
		if start && ch.err != nil {
			l.now = status{state: Idle}
		}
		l.mu.Unlock()
		close(ch.done)
	})
	return ch
}

// wake makes a stopped compute idle, then starts it.
func (l *lifecycle) wake(ctx context.Context) error {
	l.mu.Lock()
	if l.now.state == Stopped {
		l.now.state = Idle
	}
	l.mu.Unlock()
	_, err := l.running(ctx)
	return err
}

// running returns the running server, and starts it if the compute is idle.
func (l *lifecycle) running(ctx context.Context) (backend, error) {
	for {
		b, ch, err := l.runningOrChange()
		if b != nil || err != nil {
			return b, err
		}
		err = ch.wait(ctx)
		if err != nil && (ch.start || ctx.Err() != nil) {
			return nil, fmt.Errorf("wake the compute: %w", err)
		}
	}
}

// runningOrChange returns the server, or a change to wait for, which it begins
// if there is none.
func (l *lifecycle) runningOrChange() (backend, *change, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, nil, ErrClosed
	case l.now.state == Stopped:
		return nil, nil, ErrStopped
	case l.change != nil:
		return nil, l.change, nil
	case l.now.backend != nil:
		return l.now.backend, nil, nil
	}
	l.now.state = Waking
	return nil, l.begin(true, l.start), nil
}

// start runs as the change in progress.
func (l *lifecycle) start() error {
	ctx, cancel := context.WithTimeout(l.ctx, changeTimeout)
	defer cancel()
	b, err := l.boot(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.now = status{Active, b}
	l.mu.Unlock()
	l.booted(ctx, b)
	return nil
}

// halt ends the server, by how, and leaves the compute in state to.
func (l *lifecycle) halt(ctx context.Context, to State, how func(*postgres.Server, context.Context) error) error {
	for {
		ch, own := l.haltOrChange(to, how)
		if ch == nil {
			return nil
		}
		err := ch.wait(ctx)
		if own || ctx.Err() != nil {
			return err
		}
	}
}

// haltOrChange begins to end the server. It returns that change, or the one to
// wait for first, or nil if nothing runs.
func (l *lifecycle) haltOrChange(to State, how func(*postgres.Server, context.Context) error) (ch *change, own bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.change != nil {
		return l.change, false
	}
	s, ok := l.now.backend.(*postgres.Server)
	l.now.backend = nil
	if l.now.state != Stopped {
		l.now.state = to
	}
	if !ok {
		return nil, false
	}
	return l.end(s, how), true
}

// end begins to end s. The caller holds mu and has checked that there is no
// change in progress.
func (l *lifecycle) end(s *postgres.Server, how func(*postgres.Server, context.Context) error) *change {
	return l.begin(false, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), changeTimeout)
		defer cancel()
		return how(s, ctx)
	})
}

// suspend begins to stop s and reports whether it did: not if another change is
// in progress, a hold forbids it, or still, called with mu held, is false.
func (l *lifecycle) suspend(s *postgres.Server, still func() bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now.backend != backend(s) || l.change != nil || l.holds > 0 || !still() {
		return false
	}
	l.now = status{state: Idle}
	l.end(s, (*postgres.Server).Stop)
	return true
}

// lost makes the compute idle if s, which has exited, is its server.
func (l *lifecycle) lost(s *postgres.Server) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now.backend != backend(s) {
		return false
	}
	l.now = status{state: Idle}
	return true
}

// hold prevents suspension until release is called.
func (l *lifecycle) hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holds++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.holds--
	}
}

// close ends the server, by how, and waits for all goroutines.
func (l *lifecycle) close(how func(*postgres.Server, context.Context) error) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	err := l.halt(context.Background(), Stopped, how)
	l.wg.Wait()
	return err
}
