// Package compute runs the PostgreSQL servers behind a local Lakebase: a
// branch's primary, its standbys, or a server that already runs. A compute
// starts its server when it is needed and suspends it when it is idle.
package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// Options describe one PostgreSQL server.
type Options struct {
	Installation *postgres.Installation
	Dir          string   // data directory; created from the template if it does not exist
	Primary      *Compute // set for a standby, whose Dir is copied anew at each start
	Durable      bool     // data survives a failure of the machine, and Close is a clean shutdown
	WakeDelay    time.Duration
	SuspendAfter time.Duration // zero means never
	// External is the URL of a server that already runs, to use as a superuser
	// in place of a server of our own. OAuth roles can log in there only where
	// its pg_hba.conf trusts the connection.
	External string
	Logger   *slog.Logger // nil means discard
}

// Compute is a PostgreSQL server that is started on demand. Its methods are
// safe for concurrent use.
type Compute struct {
	o         Options
	log       *slog.Logger
	wakeDelay atomic.Int64
	activity  activity
	life      *lifecycle
	following follower // of a standby

	mu       sync.Mutex
	standbys map[*Compute]bool
}

// backend is a server that accepts connections.
type backend interface {
	Dial(ctx context.Context) (net.Conn, error)
	Connect(ctx context.Context, database string) (*pgx.Conn, error)
}

// New returns an idle compute. Close it to stop its server.
func New(o Options) *Compute {
	c := &Compute{o: o, log: o.Logger, activity: newActivity(), standbys: map[*Compute]bool{}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.SetWakeDelay(o.WakeDelay)
	c.life = newLifecycle(c.boot, c.booted)
	if p := o.Primary; p != nil {
		p.mu.Lock()
		p.standbys[c] = true
		p.mu.Unlock()
	}
	return c
}

// SetWakeDelay changes Options.WakeDelay for later starts.
func (c *Compute) SetWakeDelay(d time.Duration) { c.wakeDelay.Store(int64(d)) }

// State returns the compute's state.
func (c *Compute) State() State { return c.life.current().state }

// Dial opens a raw connection to the server, which is started if the compute is
// idle: concurrent calls share one start. Traffic on the connection postpones
// suspension.
func (c *Compute) Dial(ctx context.Context) (net.Conn, error) {
	c.activity.touch()
	conn, err := connect(ctx, c, func(b backend) (net.Conn, error) { return b.Dial(ctx) })
	if err != nil {
		return nil, err
	}
	return &session{Conn: conn, used: c.activity}, nil
}

// Admin logs in as the superuser, and starts the server like Dial.
func (c *Compute) Admin(ctx context.Context, database string) (*pgx.Conn, error) {
	c.activity.touch()
	return connect(ctx, c, func(b backend) (*pgx.Conn, error) { return b.Connect(ctx, database) })
}

// connect connects to the running server, and to the next one if the first
// ends meanwhile.
func connect[T any](ctx context.Context, c *Compute, to func(backend) (T, error)) (T, error) {
	for {
		b, err := c.life.running(ctx)
		if err != nil {
			var none T
			return none, err
		}
		conn, err := to(b)
		if err == nil || !c.ended(ctx, b, err) {
			return conn, err
		}
	}
}

// exitTimeout is how long a server's exit may take after its socket has closed.
const exitTimeout = time.Second

// connectionLost are the errors of a socket whose server is exiting: before the
// connection is made, and during a login that was still accepted.
var connectionLost = []error{fs.ErrNotExist, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF}

// ended reports whether err, from connecting to b, is due to the end of b. The
// socket fails a moment before the process has exited.
func (c *Compute) ended(ctx context.Context, b backend, err error) bool {
	s, ok := b.(*postgres.Server)
	if ok && slices.ContainsFunc(connectionLost, func(e error) bool { return errors.Is(err, e) }) {
		ctx, cancel := context.WithTimeout(ctx, exitTimeout)
		defer cancel()
		select {
		case <-s.Done():
			c.exited(s)
		case <-ctx.Done():
		}
	}
	return c.life.current().backend != b
}

// exited makes the compute idle after its server has exited by itself, so that
// the next connection starts another.
func (c *Compute) exited(s *postgres.Server) {
	if c.life.lost(s) {
		c.log.Warn("the server has exited; the next connection starts it again", "data", c.o.Dir)
	}
}

// boot starts a server.
func (c *Compute) boot(ctx context.Context) (backend, error) {
	begun := time.Now()
	select {
	case <-time.After(time.Duration(c.wakeDelay.Load())):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	b, err := c.startServer(ctx)
	if err != nil {
		return nil, err
	}
	c.activity.touch()
	c.log.Info("compute is active", "data", c.o.Dir, "duration", time.Since(begun))
	return b, nil
}

// startServer starts PostgreSQL on the data directory, which it creates if
// there is none, or connects to the external server.
func (c *Compute) startServer(ctx context.Context) (backend, error) {
	if c.o.External != "" {
		return openExternal(ctx, c.o.External)
	}
	o := postgres.StartOptions{
		DataDir:    c.o.Dir,
		Durable:    c.o.Durable,
		Extensions: bootstrap.Extensions,
		Settings:   map[string]string{"wal_keep_size": "64MB"}, // for standbys, while the primary restarts
		Logger:     c.log,
	}
	if !c.o.Durable { // these servers are started often, and have little data
		o.Settings["shared_buffers"] = "16MB"
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

// copyPrimary makes the data directory of a standby. It is always a new copy:
// the old one may need WAL that the primary has removed.
func (c *Compute) copyPrimary(ctx context.Context) error {
	if err := os.RemoveAll(c.o.Dir); err != nil {
		return err
	}
	return c.o.Primary.copy(ctx, func(s *postgres.Server) error { return s.CloneStandby(ctx, c.o.Dir) })
}

// booted runs once the compute is active with b.
func (c *Compute) booted(ctx context.Context, b backend) {
	s, ok := b.(*postgres.Server)
	if !ok {
		return
	}
	c.life.wg.Go(func() { c.watch(s) })
	// A primary has a new socket after each start, and a standby may have
	// missed a restart of its primary.
	c.mu.Lock()
	standbys := slices.Collect(maps.Keys(c.standbys))
	c.mu.Unlock()
	if c.o.Primary != nil {
		standbys = append(standbys, c)
	}
	for _, s := range standbys {
		if err := s.following.follow(ctx, s.server(), s.o.Primary.server()); err != nil {
			s.log.Warn("standby does not follow its primary", "data", s.o.Dir, "error", err)
		}
	}
}

// watch suspends s when it has been idle for long enough, and handles its exit.
func (c *Compute) watch(s *postgres.Server) {
	var check <-chan time.Time // nil, which blocks, without SuspendAfter
	timer := time.NewTimer(c.o.SuspendAfter)
	defer timer.Stop()
	if c.o.SuspendAfter > 0 {
		check = timer.C
	}
	for {
		select {
		case <-s.Done():
			c.exited(s)
			return
		case <-check:
			timer.Reset(c.suspendIfIdle(s))
		}
	}
}

// suspendIfIdle begins to suspend the compute if it has been idle for long
// enough. It returns the time until the next check.
func (c *Compute) suspendIfIdle(s *postgres.Server) time.Duration {
	last := c.activity.last()
	if left := c.o.SuspendAfter - time.Since(last); left > 0 {
		return left
	}
	busy, err := busy(c.life.ctx, s)
	switch {
	case err != nil:
		c.log.Warn("cannot find out whether the compute is busy", "data", c.o.Dir, "error", err)
		c.activity.touch()
	case busy:
		c.activity.touch()
	case c.life.suspend(s, func() bool { return c.activity.last().Equal(last) }):
		c.log.Info("compute is suspended", "data", c.o.Dir, "idle", c.o.SuspendAfter)
	}
	return c.o.SuspendAfter
}

// server returns the running server of our own, or nil.
func (c *Compute) server() *postgres.Server {
	s, _ := c.life.current().backend.(*postgres.Server)
	return s
}

// Clone copies the data into dir, which must not exist, for a new branch.
func (c *Compute) Clone(ctx context.Context, dir string) error {
	if c.o.Primary != nil {
		return c.o.Primary.Clone(ctx, dir)
	}
	return c.copy(ctx, func(s *postgres.Server) error { return s.Clone(ctx, dir) })
}

// copy runs a copy of the running server, which is not suspended meanwhile.
func (c *Compute) copy(ctx context.Context, run func(*postgres.Server) error) error {
	if c.o.External != "" {
		return fmt.Errorf("copy the data: %w", ErrExternal)
	}
	defer c.activity.touch()
	defer c.life.hold()()
	b, err := c.life.running(ctx)
	if err != nil {
		return err
	}
	return run(b.(*postgres.Server))
}

// Wake starts the server and waits for it. It also ends a stop.
func (c *Compute) Wake(ctx context.Context) error { return c.life.wake(ctx) }

// Suspend stops the server. The next connection starts it again.
func (c *Compute) Suspend(ctx context.Context) error {
	return c.end(ctx, Idle, (*postgres.Server).Stop)
}

// Stop stops the server until Wake. Connections fail with ErrStopped.
func (c *Compute) Stop(ctx context.Context) error {
	return c.end(ctx, Stopped, (*postgres.Server).Stop)
}

// Crash ends the server without a shutdown. The next connection starts it again.
func (c *Compute) Crash(ctx context.Context) error {
	return c.end(ctx, Idle, (*postgres.Server).Crash)
}

func (c *Compute) end(ctx context.Context, to State, how func(*postgres.Server, context.Context) error) error {
	if c.o.External != "" {
		return fmt.Errorf("stop the compute: %w", ErrExternal)
	}
	return c.life.halt(ctx, to, how)
}

// Close stops the server for good.
func (c *Compute) Close() error {
	how := (*postgres.Server).Stop
	if !c.o.Durable {
		how = (*postgres.Server).Crash // its data is removed, and needs no checkpoint
	}
	err := c.life.close(how)
	if p := c.o.Primary; p != nil {
		p.mu.Lock()
		delete(p.standbys, c)
		p.mu.Unlock()
	}
	return err
}
