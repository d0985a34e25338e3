package roles

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// creation is a role that is being created.
type creation struct {
	name      string
	kind      Kind
	self      string
	similar   string // a role whose name differs in case only
	withToken bool
}

// Create creates the role of an identity, and the extension that it needs. It
// reports whether the role is new; that it exists for that identity already is
// not an error.
func (a *Admin) Create(ctx context.Context, name string, kind Kind) (created bool, err error) {
	if err := CheckName(name); err != nil {
		return false, err
	}
	exists, err := a.checkExisting(ctx, name, kind)
	if exists || err != nil {
		return false, err
	}
	names, err := a.names(ctx)
	if err != nil {
		return false, err
	}
	c := creation{name: name, kind: kind, self: a.Self(), similar: similarName(name, names), withToken: a.withToken()}
	if _, err := a.conn.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS databricks_auth"); err != nil {
		return false, explainExtension(err, a.Database(), a.Self())
	}
	function, err := a.createFunction(ctx)
	if err != nil {
		return false, err
	}
	_, err = a.conn.Exec(ctx, "SELECT "+function+"($1::text, $2::text)", name, identityTypes[kind])
	if code, _ := sqlState(err); code == "42710" { // another session was faster
		return false, nil
	}
	if err != nil {
		return false, c.explainCreate(err)
	}
	return true, nil
}

// createFunction names databricks_create_role in the extension's own schema,
// so that no other function of that name is called in its place.
func (a *Admin) createFunction(ctx context.Context) (string, error) {
	var schema string
	err := a.conn.QueryRow(ctx, `SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'databricks_auth'`).Scan(&schema)
	return pgx.Identifier{schema, "databricks_create_role"}.Sanitize(), err
}

// checkExisting reports whether the role exists, with an error if it is of
// another kind: one created by CREATE ROLE does not log in with tokens.
func (a *Admin) checkExisting(ctx context.Context, name string, kind Kind) (exists bool, err error) {
	all, err := a.roles(ctx)
	if err != nil {
		return false, err
	}
	for _, r := range all {
		if r.Name != name {
			continue
		}
		switch r.Kind {
		case kind, Unknown:
			return true, nil
		case Native, System:
			return true, &Error{Problem: NotAnIdentity,
				Message: fmt.Sprintf("there is a role %q already, which was created in Postgres and takes no tokens", name),
				Hint: fmt.Sprintf("give away what it owns and drop it, then run this again: REASSIGN OWNED BY %s TO %s; DROP OWNED BY %s; DROP ROLE %s",
					quote(name), quote(a.Self()), quote(name), quote(name))}
		}
		return true, &Error{Problem: OtherKind,
			Message: fmt.Sprintf("there is a role %q already, for a %s", name, strings.ReplaceAll(string(r.Kind), "-", " ")),
			Hint:    "run this with --kind " + string(r.Kind)}
	}
	return false, nil
}
