package compute

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// touch records that the compute is used, which postpones suspension.
func (c *Compute) touch() { c.used.Store(int64(time.Since(c.created))) }

// LastUse returns when a client last used the compute, zero if none has.
func (c *Compute) LastUse() time.Time {
	if c.used.Load() == 0 {
		return time.Time{}
	}
	return c.lastUsed()
}

func (c *Compute) lastUsed() time.Time { return c.created.Add(time.Duration(c.used.Load())) }

// session is a client's connection to a compute. Its traffic, and its end,
// postpone suspension.
type session struct {
	net.Conn
	compute *Compute
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

func (s *session) Close() error {
	s.compute.touch()
	return s.Conn.Close()
}

// CloseWrite closes the sending direction.
func (s *session) CloseWrite() error {
	c, ok := s.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return c.CloseWrite()
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
			c.lost(s)
			return
		case <-check:
			timer.Reset(c.suspendIfIdle(s))
		}
	}
}

// suspendIfIdle begins to suspend the compute if it has been idle for long
// enough. It returns the time until the next check.
func (c *Compute) suspendIfIdle(s *postgres.Server) time.Duration {
	last := c.lastUsed()
	if left := c.o.SuspendAfter - time.Since(last); left > 0 {
		return left
	}
	busy, err := busy(c.ctx, s)
	switch {
	case err != nil:
		c.log.Warn("cannot find out whether the compute is busy", "data", c.o.Dir, "error", err)
		c.touch()
	case busy:
		c.touch()
	case c.suspend(s, func() bool { return c.lastUsed().Equal(last) }):
		c.log.Info("compute is suspended", "data", c.o.Dir, "idle", c.o.SuspendAfter)
	}
	return c.o.SuspendAfter
}

// suspend begins to stop s and reports whether it did: not if another change is
// in progress, a hold forbids it, or still, called with mu held, is false.
func (c *Compute) suspend(s *postgres.Server, still func() bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now.backend != backend(s) || c.change != nil || c.holds > 0 || !still() {
		return false
	}
	c.now = status{state: Idle}
	c.beginEnd(s, (*postgres.Server).Stop)
	return true
}

// lost makes the compute idle if s, which has exited by itself, is its server:
// the next connection starts another.
func (c *Compute) lost(s *postgres.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now.backend == backend(s) {
		c.now = status{state: Idle}
		c.log.Warn("the server has exited; the next connection starts it again", "data", c.o.Dir)
	}
}

// busyQuery counts sessions with work in progress. As on the service, idle
// sessions do not keep a compute active; suspension ends them with 57P01.
const busyQuery = `SELECT count(*) > 0 FROM pg_stat_activity
WHERE pid <> pg_backend_pid()
  AND (backend_type = 'client backend' AND state <> 'idle'
    OR backend_type = 'walsender' AND application_name <> 'lakebase_standby')`

// busyTimeout limits that query.
const busyTimeout = 5 * time.Second

// busy asks the server, because a long query causes no traffic.
func busy(ctx context.Context, s *postgres.Server) (busy bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	conn, err := s.Connect(ctx, "postgres")
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, busyQuery).Scan(&busy)
	return busy, err
}
