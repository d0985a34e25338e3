package doctor

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

const connectionsQuery = `
SELECT current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int + coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0),
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend'),
       (SELECT count(*)::int FROM pg_stat_activity WHERE usename = current_user),
       (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database())`

// connectionFacts count connections; a limit of -1 is none.
type connectionFacts struct {
	Max, Reserved, Used, Own, InDatabase, RoleLimit, DatabaseLimit int
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

// checkConnections compares what is taken, and what a pool may ask for, with
// what there is.
func checkConnections(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	rows, err := v.conn.Query(ctx, connectionsQuery)
	if err != nil {
		return v.queryFailed(err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[connectionFacts])
	if err != nil {
		return v.queryFailed(err)
	}
	details := []Detail{
		{Name: "limit", Value: strconv.Itoa(c.Max)}, {Name: "reserved", Value: strconv.Itoa(c.Reserved)},
		{Name: "used", Value: strconv.Itoa(c.Used)}, {Name: "used by this role", Value: strconv.Itoa(c.Own)},
	}
	if c.RoleLimit >= 0 {
		details = append(details, Detail{Name: "limit of the role", Value: strconv.Itoa(c.RoleLimit)})
	}
	if c.DatabaseLimit >= 0 {
		details = append(details, Detail{Name: "limit of the database", Value: strconv.Itoa(c.DatabaseLimit)})
	}
	f := found(details, "%d of %d used", c.Used, c.Max-c.Reserved)
	pool := v.poolMaximum()
	spare := c.left() + 1 // this session ends
	switch {
	case c.Used*5 >= (c.Max-c.Reserved)*4:
		f = f.warn(fmt.Sprintf("%d of %d connections are used", c.Used, c.Max-c.Reserved), advice{
			meaning: "when none is left, logins fail with 53300 and wait for one until their time is up",
			action:  "open fewer (every process has a pool of its own), or give the compute a larger maximum size",
			command: "export DB_POOL_SIZE=2 DB_MAX_OVERFLOW=0",
		})
	case pool > spare:
		f = f.warn(fmt.Sprintf("a pool as configured may open %d connections, and %d are left", pool, spare), advice{
			meaning: "under load its last ones fail with 53300; other processes have pools too",
			action:  "make the pool smaller, or give the compute a larger maximum size",
			command: fmt.Sprintf("export DB_POOL_SIZE=%d DB_MAX_OVERFLOW=0", max(spare/2, 1)),
		})
	}
	return f
}

// poolMaximum is how many connections one pool may open.
func (v *visit) poolMaximum() int {
	size, _ := strconv.Atoi(v.setting("pool_size").Value) // both are numbers by now
	overflow, _ := strconv.Atoi(v.setting("max_overflow").Value)
	return size + overflow
}
