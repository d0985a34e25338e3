package lakebase

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// OpenDB returns a database/sql pool on the pgx driver, for GORM, sqlx, ent,
// goose and everything else that takes a [sql.DB]. It opens at most PoolSize +
// MaxOverflow connections, keeps PoolSize of them when idle and replaces each
// at the age of PoolRecycle, plus up to a tenth. PoolTimeout does not apply:
// database/sql waits as long as the caller's context allows. Like sql.Open it
// does no I/O. Close it, or let [Connector.Close] do so.
func (c *Connector) OpenDB() *sql.DB {
	db := sql.OpenDB(&sqlConnector{connector: c})
	db.SetMaxOpenConns(c.cfg.PoolSize + max(c.cfg.MaxOverflow, 0))
	db.SetMaxIdleConns(c.cfg.PoolSize)

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
		return stdlib.GetConnector(*cfg,
			stdlib.OptionAfterConnect(s.setExpiry),
			stdlib.OptionResetSession(checkExpiry),
		).Connect(ctx)
	})
}

// Driver implements driver.Connector.
func (s *sqlConnector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// expiryKey is where a connection carries the time at which it is replaced.
// database/sql's own lifetime has no jitter: all connections of a burst would
// be replaced in a burst.
const expiryKey = "lakebase.expiry"

func (s *sqlConnector) setExpiry(_ context.Context, conn *pgx.Conn) error {
	if recycle := s.connector.cfg.PoolRecycle; recycle > 0 {
		conn.PgConn().CustomData()[expiryKey] = time.Now().Add(recycle + rand.N(recycle/10+1))
	}
	return nil
}

// checkExpiry runs before a kept connection is used again.
func checkExpiry(_ context.Context, conn *pgx.Conn) error {
	if expiry, ok := conn.PgConn().CustomData()[expiryKey].(time.Time); ok && time.Now().After(expiry) {
		return driver.ErrBadConn
	}
	return nil
}
