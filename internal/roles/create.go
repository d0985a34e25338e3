package roles

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Create creates the role of an identity, and the extension that it needs. It
// reports whether the role is new; that it exists for that identity already is
// not an error.
func (a *Admin) Create(ctx context.Context, name string, kind Kind) (created bool, err error) {
	if err := CheckName(name); err != nil {
		return false, err
	}
	all, err := a.roles(ctx)
	if err != nil {
		return false, err
	}
	c := creation{name: name, kind: kind, self: a.Self(), withToken: a.withToken()}
	for _, r := range all {
		if r.Name == name {
			return false, c.checkExisting(r.Kind)
		}
		if strings.EqualFold(r.Name, name) {
			c.similar = r.Name
		}
	}
	if _, err := a.conn.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS databricks_auth"); err != nil {
		return false, explainExtension(err, a.Database(), a.Self())
	}
	// In the extension's own schema, so that no other function of that name is
	// called in its place.
	var schema string
	err = a.conn.QueryRow(ctx, `SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'databricks_auth'`).Scan(&schema)
	if err != nil {
		return false, err
	}
	_, err = a.conn.Exec(ctx, "SELECT "+pgx.Identifier{schema, "databricks_create_role"}.Sanitize()+"($1::text, $2::text)", name, identityTypes[kind])
	if code, _ := sqlState(err); code == "42710" { // another session was faster
		return false, nil
	}
	if err != nil {
		return false, c.explainCreate(err)
	}
	return true, nil
}

// creation is a role that is being created.
type creation struct {
	name      string
	kind      Kind
	self      string
	similar   string // a role whose name differs in case only
	withToken bool
}

// checkExisting refuses a role that exists with another kind: one created by
// CREATE ROLE does not log in with tokens.
func (c creation) checkExisting(kind Kind) error {
	switch kind {
	case c.kind, Unknown:
		return nil
	case Native, System:
		name := written(c.name)
		return &Error{Message: fmt.Sprintf("there is a role %q already, which was created in Postgres and takes no tokens", c.name),
			Hint: fmt.Sprintf("give away what it owns and drop it, then run this again: REASSIGN OWNED BY %s TO %s; DROP OWNED BY %s; DROP ROLE %s",
				name, written(c.self), name, name)}
	}
	return &Error{Message: fmt.Sprintf("there is a role %q already, for a %s", c.name, strings.ReplaceAll(string(kind), "-", " ")),
		Hint: "run this with --kind " + string(kind)}
}

// explainExtension turns the error of CREATE EXTENSION into an [Error].
func explainExtension(err error, database, self string) error {
	switch code, text := sqlState(err); {
	case code == "58P01", code == "0A000", strings.Contains(text, "is not available"), strings.Contains(text, "extension control file"):
		return &Error{Err: err,
			Message: "this server has no extension databricks_auth",
			Hint:    "only Lakebase has it: check that the target is one, and not another Postgres server"}
	case code == "42501":
		return &Error{Err: err,
			Message: fmt.Sprintf("%s may not create the extension databricks_auth in database %q", self, database),
			Hint:    fmt.Sprintf("as the owner of the database: CREATE EXTENSION databricks_auth, or GRANT CREATE ON DATABASE %s TO %s", written(database), written(self))}
	}
	return err
}

// unknownWords are texts by which the service may report an unknown identity.
// Its own text is not documented.
var unknownWords = []string{"does not exist", "not found", "no such", "could not find", "unknown identity", "invalid identity", "unable to resolve", "could not resolve", "failed to resolve"}

// explainCreate turns the error of databricks_create_role into an [Error].
func (c creation) explainCreate(err error) error {
	switch code, text := sqlState(err); {
	case code == "42883":
		return &Error{Err: err,
			Message: "the extension databricks_auth has no databricks_create_role here",
			Hint:    "ALTER EXTENSION databricks_auth UPDATE"}
	case code == "42501" && (!c.withToken || strings.Contains(text, "oauth") || strings.Contains(text, "native")),
		strings.Contains(text, "authenticated session"):
		return &Error{Err: err,
			Message: "roles of identities can be created only by a session that logged in with a token",
			Hint:    "name the instance or endpoint instead of a static URL, so that the login is that of your Databricks identity"}
	case code == "42501":
		return &Error{Err: err,
			Message: c.self + " may not create roles",
			Hint:    fmt.Sprintf("have the owner of the instance run this, or: ALTER ROLE %s CREATEROLE", written(c.self))}
	case code != "" && strings.Contains(text, strings.ToLower(c.name)) && slices.ContainsFunc(unknownWords, func(w string) bool { return strings.Contains(text, w) }),
		strings.Contains(text, "unknown identity"), strings.Contains(text, "invalid identity"):
		e := &Error{Err: err,
			Message: fmt.Sprintf("the workspace knows no %s %q", strings.ReplaceAll(string(c.kind), "-", " "), c.name),
			Hint:    "names are case-sensitive: a user's email address, a service principal's application id (not its name), a group's name"}
		if c.similar != "" {
			e.Hint = fmt.Sprintf("there is a role %q already, and names are case-sensitive", c.similar)
		}
		return e
	}
	return err
}
