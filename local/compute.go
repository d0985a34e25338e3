package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// computeState is where a compute is in its life.
type computeState string

const (
	computeIdle    computeState = "idle"    // scaled to zero; a connection wakes it
	computeWaking  computeState = "waking"  // being started
	computeActive  computeState = "active"  // accepts connections
	computeStopped computeState = "stopped" // on purpose; connections do not wake it
)

var (
	errComputeStopped = errors.New("the compute is stopped: start it to connect")
	errComputeClosed  = errors.New("the local Lakebase is closing")
	errExternal       = errors.New("not possible with a database URL: that server is not run by the local Lakebase")
)

// computeOptions describe one PostgreSQL server: a branch's primary, or a
// standby that streams from one.
type computeOptions struct {
	Installation *postgres.Installation
	Dir          string   // data directory; created from the template if it does not exist
	Primary      *compute // set for a standby, whose Dir is a copy made anew at each wake
	Durable      bool
	WakeDelay    time.Duration
	SuspendAfter time.Duration // zero: never
	// External is DatabaseURL: a server that is not ours. Tokens work there
	// only for connections that its pg_hba.conf trusts.
	External string
	Logger   *slog.Logger
}

// compute is a PostgreSQL server that sleeps and wakes. Safe for concurrent use.
type compute struct {
	o    computeOptions
	log  *slog.Logger
	born time.Time
	used atomic.Int64 // time of the last sign of life, in ns since born

	// life ends when close begins. Starting goes on for as long as it lasts,
	// and not only while the client that began it waits.
	life context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup

	mu       sync.Mutex
	st       computeState
	backend  backend // nil unless active
	change   *change // start or stop in progress, of which there is only ever one
	holds    int     // reasons not to suspend
	closed   bool
	standbys map[*compute]bool

	following sync.Mutex // serialises follow
	followed  *postgres.Server
}

// backend is a server that accepts connections.
type backend interface {
	Dial(ctx context.Context) (net.Conn, error)
	Connect(ctx context.Context, database string) (*pgx.Conn, error)
}

func newCompute(o computeOptions) *compute {
	c := &compute{o: o, log: o.Logger, born: time.Now(), st: computeIdle, standbys: map[*compute]bool{}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.life, c.end = context.WithCancel(context.Background())
	if p := o.Primary; p != nil {
		p.mu.Lock()
		p.standbys[c] = true
		p.mu.Unlock()
	}
	return c
}

// dial wakes the compute if it is idle (many callers, one wake) and opens a
// raw connection to it. done must be called when the session ends; the last
// one starts the idle timer.
func (c *compute) dial(ctx context.Context) (conn net.Conn, done func(), err error) {
	c.touch()
	conn, err = reach(ctx, c, func(b backend) (net.Conn, error) { return b.Dial(ctx) })
	if err != nil {
		return nil, nil, err
	}
	return &session{Conn: conn, compute: c}, c.touch, nil
}

// admin wakes the compute and logs in as the superuser.
func (c *compute) admin(ctx context.Context, database string) (*pgx.Conn, error) {
	c.touch()
	return reach(ctx, c, func(b backend) (*pgx.Conn, error) { return b.Connect(ctx, database) })
}

// reach connects to the running backend, and to the next one if the first
// turns out to be on its way out.
func reach[T any](ctx context.Context, c *compute, connect func(backend) (T, error)) (T, error) {
	for {
		b, err := c.running(ctx)
		if err != nil {
			var none T
			return none, err
		}
		conn, err := connect(b)
		if err == nil || !c.gone(ctx, b, err) {
			return conn, err
		}
	}
}

// endTimeout is how long the end of a server may go unnoticed.
const endTimeout = time.Second

// hungUp are the errors of a socket whose process is ending: before it is
// reached, and in the middle of a login that was still let in.
var hungUp = []error{fs.ErrNotExist, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF}

// gone reports whether err, from connecting to b, is because b has ended. Its
// socket tells so a moment before the process does.
func (c *compute) gone(ctx context.Context, b backend, err error) bool {
	s, ok := b.(*postgres.Server)
	if ok && slices.ContainsFunc(hungUp, func(e error) bool { return errors.Is(err, e) }) {
		ctx, cancel := context.WithTimeout(ctx, endTimeout)
		defer cancel()
		select {
		case <-s.Done():
			c.ended(s)
		case <-ctx.Done():
		}
	}
	return c.current() != b
}

func (c *compute) state() computeState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.st
}

// current returns the backend if the compute is active, else nil.
func (c *compute) current() backend {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.backend
}

// server is current as a server of our own, nil if there is none.
func (c *compute) server() *postgres.Server {
	s, _ := c.current().(*postgres.Server)
	return s
}

// touch records a sign of life, which puts off suspension.
func (c *compute) touch() { c.used.Store(int64(time.Since(c.born))) }

// hold keeps the compute from being suspended until release.
func (c *compute) hold() (release func()) {
	c.mu.Lock()
	c.holds++
	c.mu.Unlock()
	return func() {
		c.mu.Lock()
		c.holds--
		c.mu.Unlock()
		c.touch()
	}
}

// clone copies its data into dir for a new branch.
func (c *compute) clone(ctx context.Context, dir string) error {
	if c.o.Primary != nil {
		return c.o.Primary.clone(ctx, dir)
	}
	return c.copyTo(ctx, func(s *postgres.Server) error { return s.Clone(ctx, dir) })
}

// copyTo runs a copy of the awake server.
func (c *compute) copyTo(ctx context.Context, copy func(*postgres.Server) error) error {
	if c.o.External != "" {
		return fmt.Errorf("copy of the data: %w", errExternal)
	}
	defer c.hold()()
	b, err := c.running(ctx)
	if err != nil {
		return err
	}
	return copy(b.(*postgres.Server))
}

// close stops it and ends its goroutines.
func (c *compute) close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	err := c.halt(context.Background(), computeStopped, (*postgres.Server).Stop)
	c.wg.Wait()
	if p := c.o.Primary; p != nil {
		p.mu.Lock()
		delete(p.standbys, c)
		p.mu.Unlock()
	}
	return err
}

// session is a connection to a compute that counts as its use.
type session struct {
	net.Conn
	compute *compute
}

func (s *session) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.compute.touch()
	return n, err
}

func (s *session) Write(p []byte) (int, error) {
	s.compute.touch()
	return s.Conn.Write(p)
}

// CloseWrite says that the client has no more to send.
func (s *session) CloseWrite() error {
	if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
