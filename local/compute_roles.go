package local

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// createOAuthRole makes a role that logs in with a token, if there is none of
// that name, and an existing one such a role. superuser makes it a member of
// databricks_superuser, with what the service gives to those who own a
// project: it may create roles and databases, passes by row security, and
// acts as the owner of the default database.
func createOAuthRole(ctx context.Context, c *compute, name string, superuser bool) error {
	if name == "" || len(name) > maxRoleName || serviceRoles[name] {
		return fmt.Errorf("%q cannot be a role for an identity", name)
	}
	conn, err := c.admin(ctx, defaultDatabase)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return grantOAuth(ctx, tx, name, superuser) })
	if err != nil {
		return fmt.Errorf("create role %q: %w", name, err)
	}
	return nil
}

// roleLock serialises changes of roles, which PostgreSQL reports as
// "tuple concurrently updated" otherwise.
const roleLock = 0x6c616b65

func grantOAuth(ctx context.Context, tx pgx.Tx, name string, superuser bool) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", roleLock); err != nil {
		return err
	}
	var exists bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", name).Scan(&exists); err != nil {
		return err
	}
	role := pgx.Identifier{name}.Sanitize()
	var sql []string
	if !exists {
		sql = append(sql, "CREATE ROLE "+role)
	}
	sql = append(sql, "ALTER ROLE "+role+" LOGIN", "GRANT databricks_oauth TO "+role)
	if superuser {
		sql = append(sql,
			"ALTER ROLE "+role+" CREATEDB CREATEROLE BYPASSRLS",
			"GRANT databricks_superuser TO "+role+" WITH ADMIN OPTION")
		databases, err := createIn(ctx, tx)
		if err != nil {
			return err
		}
		sql = append(sql, databases...)
	}
	_, err := tx.Exec(ctx, strings.Join(sql, ";\n"), pgx.QueryExecModeSimpleProtocol)
	return err
}

// createIn lets databricks_superuser create schemas in every database.
func createIn(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT format('GRANT CREATE, CONNECT, TEMPORARY ON DATABASE %I TO databricks_superuser', datname)
FROM pg_database WHERE datallowconn AND NOT datistemplate`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
