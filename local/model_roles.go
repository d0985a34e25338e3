package local

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Roles that every cluster is made with.
const (
	oauthRole     = "databricks_oauth"     // its members log in with a token
	superuserRole = "databricks_superuser" // what the service has in place of superusers
)

// pgRole is a role as it is in Postgres, which is the authority on roles:
// SQL makes and changes them as well as the API.
type pgRole struct {
	Name       string
	Identity   string // empty for a role of Postgres alone
	NoLogin    bool
	Superuser  bool // member of databricks_superuser
	BypassRLS  bool
	CreateDB   bool
	CreateRole bool
}

// create makes the role. A role of an identity gets no password: it has tokens.
func (r pgRole) create(ctx context.Context, conn *pgx.Conn) error {
	sql := []string{"CREATE ROLE " + quote(r.Name) + " " + strings.Join(r.options(), " ")}
	if r.Identity != "" {
		sql = append(sql, "GRANT "+oauthRole+" TO "+quote(r.Name))
	}
	if r.Superuser {
		sql = append(sql, "GRANT "+superuserRole+" TO "+quote(r.Name))
	}
	return execAll(ctx, conn, sql...)
}

// alter makes an existing role be like r.
func (r pgRole) alter(ctx context.Context, conn *pgx.Conn) error {
	membership := "REVOKE " + superuserRole + " FROM " + quote(r.Name)
	if r.Superuser {
		membership = "GRANT " + superuserRole + " TO " + quote(r.Name)
	}
	return execAll(ctx, conn, "ALTER ROLE "+quote(r.Name)+" "+strings.Join(r.options(), " "), membership)
}

func (r pgRole) options() []string {
	option := func(set bool, name string) string {
		if set {
			return name
		}
		return "NO" + name
	}
	return []string{
		option(!r.NoLogin, "LOGIN"), option(r.BypassRLS, "BYPASSRLS"),
		option(r.CreateDB, "CREATEDB"), option(r.CreateRole, "CREATEROLE"),
	}
}

// drop removes the role from every database of the cluster, leaving what it
// owns to heir; without one, owning anything is an error.
func (w *workspace) dropRole(ctx context.Context, b *branch, name, heir string) error {
	return w.admin(ctx, b, defaultDatabase, func(conn *pgx.Conn) error {
		if heir != "" {
			databases, err := listDatabases(ctx, conn)
			if err != nil {
				return err
			}
			for _, d := range databases {
				if err := w.bequeath(ctx, b, d.Name, name, heir); err != nil {
					return err
				}
			}
		}
		return execAll(ctx, conn, "DROP ROLE "+quote(name))
	})
}

func (w *workspace) bequeath(ctx context.Context, b *branch, database, name, heir string) error {
	return w.admin(ctx, b, database, func(conn *pgx.Conn) error {
		return execAll(ctx, conn,
			"REASSIGN OWNED BY "+quote(name)+" TO "+quote(heir),
			"DROP OWNED BY "+quote(name))
	})
}

const rolesQuery = `
SELECT r.rolname, NOT r.rolcanlogin, r.rolbypassrls, r.rolcreatedb, r.rolcreaterole,
       EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = to_regrole('databricks_oauth')),
       EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = to_regrole('databricks_superuser'))
  FROM pg_roles r
 WHERE r.rolname !~ '^(pg_|databricks_)' AND r.rolname <> current_user
 ORDER BY r.rolname`

func listRoles(ctx context.Context, conn *pgx.Conn) ([]pgRole, error) {
	rows, err := conn.Query(ctx, rolesQuery)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (pgRole, error) {
		var r pgRole
		var oauth bool
		err := row.Scan(&r.Name, &r.NoLogin, &r.BypassRLS, &r.CreateDB, &r.CreateRole, &oauth, &r.Superuser)
		if oauth {
			r.Identity = identityOf(r.Name)
		}
		return r, err
	})
}

// identityOf tells by its name whose role it is: service principals go by
// their application id, users by their email address, groups by any other.
func identityOf(role string) string {
	if _, err := uuid.Parse(role); err == nil {
		return identityServicePrincipal
	}
	if strings.Contains(role, "@") {
		return identityUser
	}
	return identityGroup
}

// pgDatabase is a database as it is in Postgres.
type pgDatabase struct{ Name, Owner string }

func listDatabases(ctx context.Context, conn *pgx.Conn) ([]pgDatabase, error) {
	rows, err := conn.Query(ctx, `
SELECT datname, pg_get_userbyid(datdba) FROM pg_database
 WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres' ORDER BY datname`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[pgDatabase])
}

func execAll(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// refusedByPostgres words what Postgres refused as the API does: the
// caller's mistake, not the server's failure.
func refusedByPostgres(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	message := pg.Message
	if pg.Detail != "" {
		message += ": " + pg.Detail
	}
	return errBadRequest("%s", message)
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

var notIDChars = regexp.MustCompile(`[^a-z0-9]+`)

// idFor is the id that the API gives to what was made in SQL.
func idFor(name string) string {
	id := strings.Trim(notIDChars.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if id == "" || id[0] < 'a' || id[0] > 'z' {
		id = strings.TrimSuffix("r-"+id, "-")
	}
	return strings.TrimSuffix(id[:min(len(id), maxLabel)], "-")
}

// named ties ids to names in Postgres. Names without a record get the id
// that idFor makes.
type named struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// records is a list of named.
type records []named

func (r records) of(name string, fallback time.Time) named {
	for _, n := range r {
		if n.Name == name {
			return n
		}
	}
	return named{ID: idFor(name), Name: name, Created: fallback, Updated: fallback}
}

// put enters n, in place of one with its id or name.
func (r *records) put(n named) {
	r.drop(n.ID, n.Name)
	*r = append(*r, n)
}

func (r *records) drop(id, name string) {
	var rest records
	for _, n := range *r {
		if n.ID != id && n.Name != name {
			rest = append(rest, n)
		}
	}
	*r = rest
}
