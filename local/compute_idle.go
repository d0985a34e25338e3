package local

import (
	"context"
	"time"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// busyQuery counts sessions that are in the middle of something. Idle ones do
// not keep a compute awake, as on the service; they end with 57P01.
const busyQuery = `SELECT count(*) FROM pg_stat_activity
WHERE pid <> pg_backend_pid()
  AND (backend_type = 'client backend' AND state <> 'idle'
    OR backend_type = 'walsender' AND application_name <> 'lakebase_standby')`

// busyTimeout bounds that query.
const busyTimeout = 5 * time.Second

// watch suspends s when it has been idle for long enough, and notices its end.
func (c *compute) watch(s *postgres.Server) {
	var look <-chan time.Time // never, unless
	timer := time.NewTimer(c.o.SuspendAfter)
	defer timer.Stop()
	if c.o.SuspendAfter > 0 {
		look = timer.C
	}
	for {
		select {
		case <-s.Done():
			c.ended(s)
			return
		case <-look:
			timer.Reset(c.suspendIfIdle(s))
		}
	}
}

// ended makes a compute whose server has died by itself idle, so that the
// next connection restarts it.
func (c *compute) ended(s *postgres.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.backend == s {
		c.backend, c.st = nil, computeIdle
		c.log.Warn("compute has died; the next connection restarts it", "data", c.o.Dir)
	}
}

// suspendIfIdle begins to suspend if nothing has happened for long enough. It
// returns when to look again.
func (c *compute) suspendIfIdle(s *postgres.Server) time.Duration {
	used := c.used.Load()
	if rest := c.o.SuspendAfter - (time.Since(c.born) - time.Duration(used)); rest > 0 {
		return rest
	}
	if c.busy(s) {
		c.touch()
		return c.o.SuspendAfter
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.backend != s || c.change != nil || c.holds > 0 || c.used.Load() != used {
		return c.o.SuspendAfter
	}
	c.backend, c.st = nil, computeIdle
	c.begin(false, func() error {
		c.log.Info("compute is suspended", "data", c.o.Dir, "idle", c.o.SuspendAfter)
		ctx, cancel := context.WithTimeout(context.Background(), changeTimeout)
		defer cancel()
		return s.Stop(ctx)
	})
	return c.o.SuspendAfter
}

// busy asks the server itself, because a long query is silent on the wire.
func (c *compute) busy(s *postgres.Server) bool {
	ctx, cancel := context.WithTimeout(c.life, busyTimeout)
	defer cancel()
	conn, err := s.Connect(ctx, "postgres")
	if err != nil {
		c.log.Warn("cannot tell whether the compute is busy", "data", c.o.Dir, "error", err)
		return true
	}
	defer conn.Close(ctx)
	var n int
	if err := conn.QueryRow(ctx, busyQuery).Scan(&n); err != nil {
		c.log.Warn("cannot tell whether the compute is busy", "data", c.o.Dir, "error", err)
		return true
	}
	return n > 0
}
