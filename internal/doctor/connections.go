package doctor

import (
	"context"
	"fmt"
	"strconv"
)

const connectionsQuery = `
SELECT current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int + coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0),
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend'),
       (SELECT count(*)::int FROM pg_stat_activity WHERE usename = current_user),
       (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database())`

// connectionFacts are the row of connectionsQuery. A limit of -1 is none.
type connectionFacts struct {
	Max           int `detail:"limit"`
	Reserved      int `detail:"reserved"`
	Used          int `detail:"used"`
	Own           int `detail:"used by this role"`
	InDatabase    int
	RoleLimit     int `detail:"limit of the role"`
	DatabaseLimit int `detail:"limit of the database"`
}

// left is how many more this role may open.
func (c connectionFacts) left() int {
	left := c.Max - c.Reserved - c.Used
	if c.RoleLimit >= 0 {
		left = min(left, c.RoleLimit-c.Own)
	}
	if c.DatabaseLimit >= 0 {
		left = min(left, c.DatabaseLimit-c.InDatabase)
	}
	return max(left, 0)
}

// checkConnections compares the connections in use, and those that a pool may
// open, with the limits.
func checkConnections(ctx context.Context, v *visit) finding {
	c, details, err := readFacts[connectionFacts](ctx, v, connectionsQuery)
	if err != nil {
		return v.queryFailed(err)
	}
	limit := c.Max - c.Reserved
	f := found(details, "%d of %d used", c.Used, limit)
	pool := v.maxPoolSize()
	spare := c.left() + 1 // this session ends
	switch {
	case c.Used*5 >= limit*4:
		f = f.warn(fmt.Sprintf("%d of %d connections are used", c.Used, limit), advice{
			meaning: "when none is left, logins fail with 53300 and are repeated until their timeout",
			action:  "open fewer (every process has a pool of its own), or give the compute a larger maximum size",
			command: smallerPool(2),
		})
	case pool > spare:
		f = f.warn(fmt.Sprintf("a pool as configured may open %d connections, and %d are left", pool, spare), advice{
			meaning: "under load its last ones fail with 53300; other processes have pools too",
			action:  "make the pool smaller, or give the compute a larger maximum size",
			command: smallerPool(max(spare/2, 1)),
		})
	}
	return f
}

// maxPoolSize is how many connections one pool may open.
func (v *visit) maxPoolSize() int {
	size, _ := strconv.Atoi(v.setting("pool_size").Value) // the configuration has been checked
	overflow, _ := strconv.Atoi(v.setting("max_overflow").Value)
	return size + overflow
}
