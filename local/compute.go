package local

import (
	"context"
	"log/slog"
	"net"
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

// computeOptions describe one PostgreSQL server: a branch's primary, or a
// standby that streams from one.
type computeOptions struct {
	Installation *postgres.Installation
	Dir          string   // data directory; created from the template if it does not exist
	Primary      *compute // set for a standby
	Durable      bool
	WakeDelay    time.Duration
	SuspendAfter time.Duration // zero: never
	External     string        // DatabaseURL: a server that is not ours
	Logger       *slog.Logger
}

// compute is a PostgreSQL server that sleeps and wakes. Safe for concurrent use.
type compute struct{}

func newCompute(o computeOptions) *compute { panic("TODO: front helper") }

// dial wakes the compute if it is idle (many callers, one wake) and opens a
// raw connection to it. done must be called when the session ends; the last
// one starts the idle timer.
func (c *compute) dial(ctx context.Context) (conn net.Conn, done func(), err error) { panic("TODO") }

// admin wakes the compute and logs in as the superuser.
func (c *compute) admin(ctx context.Context, database string) (*pgx.Conn, error) { panic("TODO") }

func (c *compute) state() computeState { panic("TODO") }

// wake starts it and waits; suspend stops it so that a connection wakes it;
// stop stops it for good, until wake. crash is a stop without warning.
func (c *compute) wake(ctx context.Context) error    { panic("TODO") }
func (c *compute) suspend(ctx context.Context) error { panic("TODO") }
func (c *compute) stop(ctx context.Context) error    { panic("TODO") }
func (c *compute) crash(ctx context.Context) error   { panic("TODO") }

// clone copies its data into dir for a new branch.
func (c *compute) clone(ctx context.Context, dir string) error { panic("TODO") }

// close stops it and ends its goroutines.
func (c *compute) close() error { panic("TODO") }
