package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// changeTimeout bounds a start or stop.
const changeTimeout = time.Minute

// change is a start or a stop in progress. Everyone who wants the compute in
// some state waits for it first.
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

// begin makes do the change in progress. The caller holds c.mu and has seen
// that there is none.
func (c *compute) begin(start bool, do func() error) *change {
	ch := &change{done: make(chan struct{}), start: start}
	c.change = ch
	c.wg.Go(func() {
		ch.err = do()
		c.mu.Lock()
		c.change = nil
		if start && ch.err != nil {
			c.st = computeIdle
		}
		c.mu.Unlock()
		close(ch.done)
	})
	return ch
}

// running returns the backend, started first if need be.
func (c *compute) running(ctx context.Context) (backend, error) {
	for {
		b, ch, err := c.runningOr()
		if b != nil || err != nil {
			return b, err
		}
		err = ch.wait(ctx)
		if err != nil && (ch.start || ctx.Err() != nil) {
			return nil, fmt.Errorf("wake the compute: %w", err)
		}
	}
}

// runningOr returns the backend or a change to wait for, begun if need be.
func (c *compute) runningOr() (backend, *change, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, errComputeClosed
	case c.st == computeStopped:
		return nil, nil, errComputeStopped
	case c.change != nil:
		return nil, c.change, nil
	case c.backend != nil:
		return c.backend, nil, nil
	}
	c.st = computeWaking
	return nil, c.begin(true, c.start), nil
}

// start brings the server up. It runs as the change in progress.
func (c *compute) start() error {
	ctx, cancel := context.WithTimeout(c.life, changeTimeout)
	defer cancel()
	begun := time.Now()
	select {
	case <-time.After(c.o.WakeDelay):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	b, err := c.boot(ctx)
	if err != nil {
		return err
	}
	c.touch()
	c.mu.Lock()
	c.backend, c.st = b, computeActive
	c.mu.Unlock()
	c.log.Info("compute is active", "data", c.o.Dir, "took", time.Since(begun))
	if s, ok := b.(*postgres.Server); ok {
		c.wg.Go(func() { c.watch(s) })
		c.meetStandbys(ctx)
	}
	return nil
}

// boot makes the data directory if need be, and starts a server on it.
func (c *compute) boot(ctx context.Context) (backend, error) {
	if c.o.External != "" {
		return openExternal(ctx, c.o.External)
	}
	o := postgres.StartOptions{
		DataDir:    c.o.Dir,
		Durable:    c.o.Durable,
		Extensions: bootstrap.Extensions,
		Settings:   map[string]string{"wal_keep_size": "64MB"}, // what a standby may miss between two sockets
		Logger:     c.log,
	}
	if !c.o.Durable { // costs nothing without fsync, and a crash then loses no commit
		o.Settings["synchronous_commit"] = "on"
	}
	var err error
	if c.o.Primary != nil {
		o.Settings["wal_retrieve_retry_interval"] = "100ms"
		err = c.copyPrimary(ctx)
	} else if _, err = os.Stat(c.o.Dir); errors.Is(err, fs.ErrNotExist) {
		err = c.o.Installation.CreateCluster(ctx, c.o.Dir, bootstrap)
	}
	if err != nil {
		return nil, err
	}
	return c.o.Installation.Start(ctx, o)
}

// halt ends the server by how, and leaves the compute in state to.
func (c *compute) halt(ctx context.Context, to computeState, how func(*postgres.Server, context.Context) error) error {
	for {
		ch, mine := c.haltOr(to, how)
		if ch == nil {
			return nil
		}
		err := ch.wait(ctx)
		if mine || ctx.Err() != nil {
			return err
		}
	}
}

// haltOr begins to end the server, or returns a change to wait for before
// that, or nil if nothing runs.
func (c *compute) haltOr(to computeState, how func(*postgres.Server, context.Context) error) (ch *change, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.change != nil {
		return c.change, false
	}
	if c.st != computeStopped {
		c.st = to
	}
	s, ok := c.backend.(*postgres.Server)
	c.backend = nil
	if !ok {
		return nil, false
	}
	return c.begin(false, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), changeTimeout)
		defer cancel()
		return how(s, ctx)
	}), true
}

// wake starts it and waits; suspend stops it so that a connection wakes it;
// stop stops it for good, until wake. crash is a stop without warning.
func (c *compute) wake(ctx context.Context) error {
	c.mu.Lock()
	if c.st == computeStopped {
		c.st = computeIdle
	}
	c.mu.Unlock()
	_, err := c.running(ctx)
	return err
}

func (c *compute) suspend(ctx context.Context) error {
	return c.ours(ctx, computeIdle, (*postgres.Server).Stop)
}

func (c *compute) stop(ctx context.Context) error {
	return c.ours(ctx, computeStopped, (*postgres.Server).Stop)
}

func (c *compute) crash(ctx context.Context) error {
	return c.ours(ctx, computeIdle, (*postgres.Server).Crash)
}

// ours is halt for servers that we run.
func (c *compute) ours(ctx context.Context, to computeState, how func(*postgres.Server, context.Context) error) error {
	if c.o.External != "" {
		return fmt.Errorf("stop the compute: %w", errExternal)
	}
	return c.halt(ctx, to, how)
}
