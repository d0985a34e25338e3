package compute

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// status is a state and the server in it.
type status struct {
	state   State
	backend backend // nil unless active
}

func (c *Compute) current() status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
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
func (c *Compute) begin(start bool, do func() error) *change {
	ch := &change{done: make(chan struct{}), start: start}
	c.change = ch
	c.wg.Go(func() {
		ch.err = do()
		c.mu.Lock()
		c.change = nil
		if start && ch.err != nil {
			c.now = status{state: Idle}
		}
		c.mu.Unlock()
		close(ch.done)
	})
	return ch
}

// Wake starts the server and waits for it. It also ends a stop.
func (c *Compute) Wake(ctx context.Context) error {
	c.mu.Lock()
	if c.now.state == Stopped {
		c.now.state = Idle
	}
	c.mu.Unlock()
	_, err := c.running(ctx)
	return err
}

// running returns the running server, and starts it if the compute is idle.
func (c *Compute) running(ctx context.Context) (backend, error) {
	for {
		b, ch, err := c.runningOrChange()
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
func (c *Compute) runningOrChange() (backend, *change, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, ErrClosed
	case c.now.state == Stopped:
		return nil, nil, ErrStopped
	case c.change != nil:
		return nil, c.change, nil
	case c.now.backend != nil:
		return c.now.backend, nil, nil
	}
	c.now.state = Waking
	return nil, c.begin(true, c.start), nil
}

// start runs as the change in progress.
func (c *Compute) start() error {
	ctx, cancel := context.WithTimeout(c.ctx, changeTimeout)
	defer cancel()
	begun := time.Now()
	select {
	case <-time.After(time.Duration(c.wakeDelay.Load())):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	b, err := c.startServer(ctx)
	if err != nil {
		return err
	}
	c.touch()
	c.log.Info("compute is active", "data", c.o.Dir, "duration", time.Since(begun))
	c.mu.Lock()
	c.now = status{Active, b}
	standbys := slices.Collect(maps.Keys(c.standbys))
	c.mu.Unlock()
	s, ok := b.(*postgres.Server)
	if !ok {
		return nil
	}
	c.wg.Go(func() { c.watch(s) })
	// A primary has a new socket after each start, and a standby may have
	// missed a restart of its primary.
	if c.o.Primary != nil {
		standbys = append(standbys, c)
	}
	for _, s := range standbys {
		if err := s.follow(ctx); err != nil {
			s.log.Warn("standby does not follow its primary", "data", s.o.Dir, "error", err)
		}
	}
	return nil
}

// ending is a way to end a server.
type ending func(*postgres.Server, context.Context) error

// Suspend stops the server. The next connection starts it again.
func (c *Compute) Suspend(ctx context.Context) error {
	return c.end(ctx, Idle, (*postgres.Server).Stop)
}

// Stop stops the server until Wake. Connections fail with ErrStopped.
func (c *Compute) Stop(ctx context.Context) error {
	return c.end(ctx, Stopped, (*postgres.Server).Stop)
}

// Crash ends the server without a shutdown. The next connection starts it again.
func (c *Compute) Crash(ctx context.Context) error { return c.end(ctx, Idle, (*postgres.Server).Crash) }

func (c *Compute) end(ctx context.Context, to State, how ending) error {
	if c.o.External != "" {
		return fmt.Errorf("stop the compute: %w", ErrExternal)
	}
	return c.halt(ctx, to, how)
}

// halt ends the server, by how, and leaves the compute in state to.
func (c *Compute) halt(ctx context.Context, to State, how ending) error {
	for {
		ch, own := c.haltOrChange(to, how)
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
func (c *Compute) haltOrChange(to State, how ending) (ch *change, own bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.change != nil {
		return c.change, false
	}
	s, ok := c.now.backend.(*postgres.Server)
	c.now.backend = nil
	if c.now.state != Stopped {
		c.now.state = to
	}
	if !ok {
		return nil, false
	}
	return c.beginEnd(s, how), true
}

// beginEnd begins to end s. The caller holds mu and has checked that there is no
// change in progress.
func (c *Compute) beginEnd(s *postgres.Server, how ending) *change {
	return c.begin(false, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), changeTimeout)
		defer cancel()
		return how(s, ctx)
	})
}

// hold prevents suspension until release is called.
func (c *Compute) hold() (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.holds--
	}
}

// Close stops the server for good, and waits for all goroutines.
func (c *Compute) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	how := (*postgres.Server).Stop
	if !c.o.Durable {
		how = (*postgres.Server).Crash // its data is removed, and needs no checkpoint
	}
	err := c.halt(context.Background(), Stopped, how)
	c.wg.Wait()
	if p := c.o.Primary; p != nil {
		p.mu.Lock()
		delete(p.standbys, c)
		p.mu.Unlock()
	}
	return err
}
