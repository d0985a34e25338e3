package lakebase

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// OpenDB opens a database/sql pool to target with the settings of the
// environment: see [Connector.OpenDB]. Like sql.Open it does no I/O, and ctx
// must only be alive. Close it when the program ends; nothing else is left
// behind.
func OpenDB(ctx context.Context, target string) (*sql.DB, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := newFor(target)
	if err != nil {
		return nil, err
	}
	return c.configureDB(sql.OpenDB(owningConnector{driverConnector{c}})), nil
}

// OpenDB returns a database/sql pool on the pgx driver, for GORM, sqlx, ent,
// goose and everything else that takes a [sql.DB]. It opens at most PoolSize +
// MaxOverflow connections, keeps PoolSize of them when idle and replaces each
// at the age of PoolRecycle, plus up to a tenth that is the same for all of
// them. PoolTimeout does not apply: database/sql waits as long as the caller's
// context allows. Like sql.Open it does no I/O. Close it, or let
// [Connector.Close] do so.
func (c *Connector) OpenDB() *sql.DB {
	db := c.configureDB(sql.OpenDB(driverConnector{c}))
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.dbs = append(c.dbs, db)
	}
	return db
}

// DriverConnector returns c for database/sql, for libraries that wrap a
// [driver.Connector], such as otelsql: the result of [sql.OpenDB] has none of
// the Config's pool settings. Closing that sql.DB does not close c, and
// [Connector.Close] does not close the sql.DB.
func (c *Connector) DriverConnector() driver.Connector { return driverConnector{c} }

func (c *Connector) configureDB(db *sql.DB) *sql.DB {
	db.SetMaxOpenConns(c.cfg.PoolSize + max(c.cfg.MaxOverflow, 0))
	db.SetMaxIdleConns(c.cfg.PoolSize)
	if recycle := c.cfg.PoolRecycle; recycle > 0 {
		// The jitter spreads the replicas of a service, not the connections of
		// one. For each to have an age of its own the driver would have to call
		// it broken, and a caller that gets three such in a row gets an error.
		db.SetConnMaxLifetime(recycle + rand.N(recycle/10+1))
	}
	return db
}

// driverConnector logs in for database/sql. It is no io.Closer: several sql.DBs
// share one Connector.
type driverConnector struct{ connector *Connector }

// Connect implements driver.Connector. Like [Connector.Connect] it replaces a
// refused token and waits for a database that is waking.
func (d driverConnector) Connect(ctx context.Context) (driver.Conn, error) {
	return logIn(ctx, d.connector, d.connector.base.ConnConfig, func(ctx context.Context, cfg *pgx.ConnConfig) (driver.Conn, error) {
		return stdlib.GetConnector(*cfg).Connect(ctx)
	})
}

// Driver implements driver.Connector.
func (driverConnector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// owningConnector belongs to one sql.DB, which closes it.
type owningConnector struct{ driverConnector }

// Close implements io.Closer for [sql.DB.Close].
func (o owningConnector) Close() error {
	o.connector.Close()
	return nil
}
