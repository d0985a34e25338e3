package local

import (
	"context"
	"os"
	"strings"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// copyPrimary makes the data directory of a standby. It is always a fresh
// copy: one that slept may need a log that the primary has thrown away.
func (c *compute) copyPrimary(ctx context.Context) error {
	if err := os.RemoveAll(c.o.Dir); err != nil {
		return err
	}
	return c.o.Primary.copyTo(ctx, func(s *postgres.Server) error { return s.CloneStandby(ctx, c.o.Dir) })
}

// meetStandbys runs whenever a server has started. A primary has another
// socket then, and a standby may have missed that while it started.
func (c *compute) meetStandbys(ctx context.Context) {
	c.mu.Lock()
	standbys := make([]*compute, 0, len(c.standbys)+1)
	for s := range c.standbys {
		standbys = append(standbys, s)
	}
	c.mu.Unlock()
	if c.o.Primary != nil {
		standbys = append(standbys, c)
	}
	for _, s := range standbys {
		if err := s.follow(ctx); err != nil {
			s.log.Warn("standby does not follow its primary", "data", s.o.Dir, "error", err)
		}
	}
}

// follow tells a standby where its primary listens now, without ending the
// standby's sessions. It does nothing unless both run.
func (c *compute) follow(ctx context.Context) error {
	c.following.Lock()
	defer c.following.Unlock()
	standby, primary := c.server(), c.o.Primary.server()
	if standby == nil || primary == nil || c.followed == primary {
		return nil
	}
	conn, err := standby.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	value := "'" + strings.ReplaceAll(primary.ConnInfo(), "'", "''") + "'"
	if _, err := conn.Exec(ctx, "ALTER SYSTEM SET primary_conninfo = "+value); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	c.followed = primary
	return nil
}
