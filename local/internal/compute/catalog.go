package compute

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// Catalog manages the roles and databases of a compute, as its superuser. Its
// methods start the compute if it is idle. What Postgres refuses is a
// *pgconn.PgError.
type Catalog struct{ compute *Compute }

// Catalog returns the catalog of c.
func (c *Compute) Catalog() Catalog { return Catalog{c} }

// in calls f with a connection to the database.
func (c Catalog) in(ctx context.Context, database string, f func(*pgx.Conn) error) error {
	conn, err := c.compute.Admin(ctx, database)
	if err != nil {
		return err
	}
	err = f(conn)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// exec runs statements in the database.
func (c Catalog) exec(ctx context.Context, database string, statements ...string) error {
	return c.in(ctx, database, func(conn *pgx.Conn) error { return execAll(ctx, conn, statements...) })
}

func execAll(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// Database is a database as it is in Postgres.
type Database struct{ Name, Owner string }

// Databases lists the databases in the order of their names, without postgres
// and the templates.
func (c Catalog) Databases(ctx context.Context) (all []Database, err error) {
	err = c.in(ctx, DefaultDatabase, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `
SELECT datname, pg_get_userbyid(datdba) FROM pg_database
 WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres' ORDER BY datname`)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Database])
		return err
	})
	return all, err
}

// CreateDatabase creates d.
func (c Catalog) CreateDatabase(ctx context.Context, d Database) error {
	return c.exec(ctx, DefaultDatabase, "CREATE DATABASE "+quote(d.Name)+" OWNER "+quote(d.Owner))
}

// AlterDatabase changes the owner and the name of old to those of d.
func (c Catalog) AlterDatabase(ctx context.Context, old, d Database) error {
	var sql []string
	if d.Owner != old.Owner {
		sql = append(sql, "ALTER DATABASE "+quote(old.Name)+" OWNER TO "+quote(d.Owner))
	}
	if d.Name != old.Name {
		sql = append(sql, "ALTER DATABASE "+quote(old.Name)+" RENAME TO "+quote(d.Name))
	}
	return c.exec(ctx, "postgres", sql...) // a database cannot be renamed from within
}

// DropDatabase removes a database and ends its sessions.
func (c Catalog) DropDatabase(ctx context.Context, name string) error {
	return c.exec(ctx, "postgres", "DROP DATABASE "+quote(name)+" WITH (FORCE)")
}
