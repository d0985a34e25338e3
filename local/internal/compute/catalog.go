package compute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// The methods on roles and databases run as the superuser, and start the compute
// if it is idle. What Postgres refuses is a *pgconn.PgError.

// in calls f with a connection to the database.
func (c *Compute) in(ctx context.Context, database string, f func(*pgx.Conn) error) error {
	conn, err := c.Admin(ctx, database)
	if err != nil {
		return err
	}
	err = f(conn)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// exec runs statements in the database.
func (c *Compute) exec(ctx context.Context, database string, statements ...string) error {
	return c.in(ctx, database, func(conn *pgx.Conn) error { return execAll(ctx, conn, statements...) })
}

// list returns the rows of a query, whose columns are in the order of T's fields.
func list[T any](ctx context.Context, c *Compute, query string) (all []T, err error) {
	err = c.in(ctx, DefaultDatabase, func(conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, query) // CollectRows returns its error
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[T])
		return err
	})
	return all, err
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
func (c *Compute) Databases(ctx context.Context) ([]Database, error) {
	return list[Database](ctx, c, `
SELECT datname, pg_get_userbyid(datdba) FROM pg_database
 WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres' ORDER BY datname`)
}

// CreateDatabase creates d as the service does: tokens are valid in it.
func (c *Compute) CreateDatabase(ctx context.Context, d Database) error {
	err := c.exec(ctx, DefaultDatabase, "CREATE DATABASE "+quote(d.Name)+" OWNER "+quote(d.Owner))
	if err != nil {
		return err
	}
	return c.exec(ctx, d.Name, installSQL)
}

// LSN returns the current position in the write-ahead log.
func (c *Compute) LSN(ctx context.Context) (string, error) {
	at, err := list[struct{ LSN string }](ctx, c, "SELECT pg_current_wal_lsn()::text")
	if err != nil {
		return "", err
	}
	return at[0].LSN, nil
}

// AlterDatabase changes the owner and the name of old to those of d.
func (c *Compute) AlterDatabase(ctx context.Context, old, d Database) error {
	var sql []string
	if d.Owner != old.Owner {
		sql = append(sql, "ALTER DATABASE "+quote(old.Name)+" OWNER TO "+quote(d.Owner))
	}
	if d.Name != old.Name {
		sql = append(sql, "ALTER DATABASE "+quote(old.Name)+" RENAME TO "+quote(d.Name))
	}
	return c.exec(ctx, "postgres", sql...) // a database cannot be renamed from within
}

// DropDatabase removes a database with its roles of the service, and ends its
// sessions.
func (c *Compute) DropDatabase(ctx context.Context, name string) error {
	return c.exec(ctx, "postgres", "DROP DATABASE "+quote(name)+" WITH (FORCE)", dropOrphansSQL)
}

const dropOrphansSQL = `
DO $$
DECLARE
	orphan name;
BEGIN
	FOR orphan IN SELECT rolname FROM pg_roles WHERE rolname ~ '^databricks_(reader|writer)_[0-9]+$'
			AND NOT EXISTS (SELECT FROM pg_database d WHERE d.oid = substring(rolname FROM '[0-9]+$')::oid) LOOP
		EXECUTE format('DROP ROLE %I', orphan);
	END LOOP;
END
$$`

const (
	oauthRole = "databricks_gateway" // its members log in with a token
	// SuperuserRole is what the service has in place of superusers.
	SuperuserRole = "databricks_superuser"
)

// MaxRoleName is the longest name of a role in bytes. Postgres truncates longer
// ones.
const MaxRoleName = 63

// IsServiceRole reports whether the role belongs to the service itself. Clients
// cannot log in as one, nor create one.
func IsServiceRole(name string) bool {
	return name == postgres.Admin || name == "authenticator" || strings.HasPrefix(name, "databricks_")
}

// Role is a role as it is in Postgres, which is the authority on roles: clients
// create and change them in SQL too.
type Role struct {
	Name       string
	OAuth      bool // logs in with a token, and has no password
	NoLogin    bool
	Superuser  bool // member of SuperuserRole
	BypassRLS  bool
	CreateDB   bool
	CreateRole bool
}

func (r Role) options() string {
	option := func(set bool, name string) string {
		if set {
			return name
		}
		return "NO" + name
	}
	return strings.Join([]string{
		option(!r.NoLogin, "LOGIN"), option(r.BypassRLS, "BYPASSRLS"),
		option(r.CreateDB, "CREATEDB"), option(r.CreateRole, "CREATEROLE"),
	}, " ")
}

const rolesQuery = `
SELECT r.rolname,
       EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = to_regrole('databricks_gateway')),
       NOT r.rolcanlogin,
       EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = to_regrole('databricks_superuser')),
       r.rolbypassrls, r.rolcreatedb, r.rolcreaterole
  FROM pg_roles r
 WHERE r.rolname !~ '^(pg_|databricks_|authenticator$)' AND r.rolname <> current_user
 ORDER BY r.rolname`

// Roles lists the roles in the order of their names, without those of Postgres
// and of the service.
func (c *Compute) Roles(ctx context.Context) ([]Role, error) { return list[Role](ctx, c, rolesQuery) }

// HasRole reports whether Roles lists a role of that name.
func (c *Compute) HasRole(ctx context.Context, name string) (bool, error) {
	all, err := c.Roles(ctx)
	return slices.ContainsFunc(all, func(r Role) bool { return r.Name == name }), err
}

// CreateRole creates r.
func (c *Compute) CreateRole(ctx context.Context, r Role) error {
	sql := []string{"CREATE ROLE " + quote(r.Name) + " " + r.options()}
	if r.OAuth {
		sql = append(sql, "GRANT "+oauthRole+" TO "+quote(r.Name))
	}
	if r.Superuser {
		sql = append(sql, "GRANT "+SuperuserRole+" TO "+quote(r.Name))
	}
	return c.exec(ctx, DefaultDatabase, sql...)
}

// AlterRole changes the role named like r to be like r, except for OAuth.
func (c *Compute) AlterRole(ctx context.Context, r Role) error {
	membership := "REVOKE " + SuperuserRole + " FROM " + quote(r.Name)
	if r.Superuser {
		membership = "GRANT " + SuperuserRole + " TO " + quote(r.Name)
	}
	return c.exec(ctx, DefaultDatabase, "ALTER ROLE "+quote(r.Name)+" "+r.options(), membership)
}

// CreateApp creates the role of an app's identity, unless it exists, with what
// Databricks Apps grants: CONNECT and CREATE on the database. Its creator may
// administer the role, as one of databricks_create_role may.
func (c *Compute) CreateApp(ctx context.Context, name, creator, database string) error {
	exists, err := c.HasRole(ctx, name)
	if err == nil && !exists {
		if err = c.CreateRole(ctx, Role{Name: name, OAuth: true}); err == nil {
			err = c.letAdminister(ctx, creator, name)
		}
	}
	if err != nil {
		return err
	}
	return c.exec(ctx, DefaultDatabase, "GRANT CONNECT, CREATE ON DATABASE "+quote(database)+" TO "+quote(name))
}

// letAdminister lets creator administer a role, and no more where Postgres can tell
// that apart.
func (c *Compute) letAdminister(ctx context.Context, creator, role string) error {
	return c.in(ctx, DefaultDatabase, func(conn *pgx.Conn) error {
		var how string
		err := conn.QueryRow(ctx, `SELECT CASE WHEN current_setting('server_version_num')::int >= 160000
			THEN 'TRUE, INHERIT FALSE, SET FALSE' ELSE 'OPTION' END`).Scan(&how)
		if err != nil {
			return err
		}
		return execAll(ctx, conn, "GRANT "+quote(role)+" TO "+quote(creator)+" WITH ADMIN "+how)
	})
}

// DropRole removes a role. What it owns, in every database, is given to heir;
// if heir is empty, owning anything is an error.
func (c *Compute) DropRole(ctx context.Context, name, heir string) error {
	if heir != "" {
		databases, err := c.Databases(ctx)
		if err != nil {
			return err
		}
		for _, d := range databases {
			err := c.exec(ctx, d.Name,
				"REASSIGN OWNED BY "+quote(name)+" TO "+quote(heir),
				"DROP OWNED BY "+quote(name))
			if err != nil {
				return err
			}
		}
	}
	return c.exec(ctx, DefaultDatabase, "DROP ROLE "+quote(name))
}

// CreateOwner creates an OAuth role, or makes an existing one such a role, with
// what the service grants to the owner of a project: it may create roles and
// databases, bypasses row-level security, and acts as the owner of the default
// database.
func (c *Compute) CreateOwner(ctx context.Context, name string) error {
	if name == "" || len(name) > MaxRoleName || IsServiceRole(name) {
		return fmt.Errorf("%q cannot be a role for an identity", name)
	}
	err := c.in(ctx, DefaultDatabase, func(conn *pgx.Conn) error {
		quoted, err := conn.PgConn().EscapeString(name)
		if err != nil {
			return err
		}
		_, err = conn.PgConn().Exec(ctx, fmt.Sprintf(createOwnerSQL, quoted)).ReadAll()
		return err
	})
	if err != nil {
		return fmt.Errorf("create role %q: %w", name, err)
	}
	return nil
}

// createOwnerSQL is one transaction. The lock serialises changes of roles, which
// fail with "tuple concurrently updated" otherwise.
const createOwnerSQL = `
SELECT pg_advisory_xact_lock(x'6c616b65'::int), set_config('lakebase.owner', '%s', true);
DO $$
DECLARE
	owner text := current_setting('lakebase.owner');
	db name;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = owner) THEN
		EXECUTE format('CREATE ROLE %%I', owner);
	END IF;
	EXECUTE format('ALTER ROLE %%I LOGIN CREATEDB CREATEROLE BYPASSRLS', owner);
	EXECUTE format('GRANT databricks_gateway TO %%I', owner);
	EXECUTE format('GRANT databricks_superuser TO %%I WITH ADMIN OPTION', owner);
	FOR db IN SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate LOOP
		EXECUTE format('GRANT CREATE, CONNECT, TEMPORARY ON DATABASE %%I TO databricks_superuser', db);
	END LOOP;
END
$$`
