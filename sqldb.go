package lakebase

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// OpenDB returns a database/sql pool on the pgx driver, for GORM, sqlx, ent,
// goose and everything else that takes a [sql.DB]. It opens at most PoolSize +
// MaxOverflow connections, keeps PoolSize of them when idle and replaces each
// at the age of PoolRecycle, plus up to a tenth that is the same for all of
// them. PoolTimeout does not apply: database/sql waits as long as the caller's
// context allows. Like sql.Open it does no I/O. Close it, or let
// [Connector.Close] do so.
func (c *Connector) OpenDB() *sql.DB {
	db := sql.OpenDB(&sqlConnector{connector: c})
	db.SetMaxOpenConns(c.cfg.PoolSize + max(c.cfg.MaxOverflow, 0))
	db.SetMaxIdleConns(c.cfg.PoolSize)
	if recycle := c.cfg.PoolRecycle; recycle > 0 {
		// This spreads out the replicas of a service, not the connections of one.
		// For each to have an age of its own the driver would have to call it
		// broken, and who comes upon three such in a row gets an error.
		db.SetConnMaxLifetime(recycle + rand.N(recycle/10+1))
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.dbs = append(c.dbs, db)
	}
	return db
}

// sqlConnector is the driver.Connector behind OpenDB.
type sqlConnector struct{ connector *Connector }

// Connect implements driver.Connector. Like [Connector.Connect] it replaces a
// refused token and waits for a waking database.
func (s *sqlConnector) Connect(ctx context.Context) (driver.Conn, error) {
	return login(ctx, s.connector, s.connector.base.ConnConfig, func(ctx context.Context, cfg *pgx.ConnConfig) (driver.Conn, error) {
		return stdlib.GetConnector(*cfg).Connect(ctx)
	})
}

// Driver implements driver.Connector.
func (s *sqlConnector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }
