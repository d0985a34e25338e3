// Package compute runs the PostgreSQL servers behind a local Lakebase: a
// branch's primary, its standbys, or a server that already runs. A compute
// starts its server when it is needed and suspends it when it is idle.
package compute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
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
	created   time.Time
	used      atomic.Int64 // time of the last use, in ns since created
	following sync.Mutex   // held while a standby is pointed to its primary

	// ctx ends when Close begins. A start continues until then, even if the
	// client that caused it no longer waits.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	now      status
	change   *change // start or stop in progress; there is at most one
	holds    int     // reasons not to suspend
	closed   bool
	standbys map[*Compute]bool
}

// backend is a server that accepts connections.
type backend interface {
	Dial(ctx context.Context) (net.Conn, error)
	Connect(ctx context.Context, database string) (*pgx.Conn, error)
}

// New returns an idle compute. Close it to stop its server.
func New(o Options) *Compute {
	c := &Compute{
		o: o, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), created: time.Now(),
		now: status{state: Idle}, standbys: map[*Compute]bool{},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.SetWakeDelay(o.WakeDelay)
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
func (c *Compute) State() State { return c.current().state }

// server returns the running server of our own, or nil.
func (c *Compute) server() *postgres.Server {
	s, _ := c.current().backend.(*postgres.Server)
	return s
}

// Dial opens a raw connection to the server, which is started if the compute is
// idle: concurrent calls share one start. Traffic on the connection postpones
// suspension.
func (c *Compute) Dial(ctx context.Context) (net.Conn, error) {
	c.touch()
	conn, err := connect(ctx, c, func(b backend) (net.Conn, error) { return b.Dial(ctx) })
	if err != nil {
		return nil, err
	}
	return &session{conn, c}, nil
}

// Admin logs in as the superuser, and starts the server like Dial.
func (c *Compute) Admin(ctx context.Context, database string) (*pgx.Conn, error) {
	c.touch()
	return connect(ctx, c, func(b backend) (*pgx.Conn, error) { return b.Connect(ctx, database) })
}

// connect connects to the running server, and to the next one if the first
// ends meanwhile.
func connect[T any](ctx context.Context, c *Compute, to func(backend) (T, error)) (T, error) {
	for {
		b, err := c.running(ctx)
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
			c.lost(s)
		case <-ctx.Done():
		}
	}
	return c.current().backend != b
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

// follow points a standby to its primary's current socket, which changes with
// each start of the primary. It does nothing unless both run. The standby's
// sessions go on.
func (c *Compute) follow(ctx context.Context) error {
	c.following.Lock()
	defer c.following.Unlock()
	standby, primary := c.server(), c.o.Primary.server()
	if standby == nil || primary == nil {
		return nil
	}
	conn, err := standby.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	value := "'" + strings.ReplaceAll(primary.ConnInfo(), "'", "''") + "'"
	return execAll(ctx, conn, "ALTER SYSTEM SET primary_conninfo = "+value, "SELECT pg_reload_conf()")
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
	defer c.touch()
	defer c.hold()()
	b, err := c.running(ctx)
	if err != nil {
		return err
	}
	return run(b.(*postgres.Server))
}
