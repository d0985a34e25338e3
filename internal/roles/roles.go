// Package roles reads, creates and grants privileges to the Postgres roles of a
// Lakebase database: those of Databricks identities, which log in with tokens,
// and native ones.
package roles

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/spelling"
	"github.com/lakebase-go/lakebase/internal/steps"
)

// Kind says what a role belongs to.
type Kind string

// The kinds of roles. Native ones have a password of their own, or none.
const (
	User             Kind = "user"
	ServicePrincipal Kind = "service-principal"
	Group            Kind = "group"
	Native           Kind = "native"
	System           Kind = "system" // created by Postgres or the service
	Unknown          Kind = "unknown"
)

// identityTypes are the arguments of databricks_create_role.
var identityTypes = map[Kind]string{User: "USER", ServicePrincipal: "SERVICE_PRINCIPAL", Group: "GROUP"}

// ParseKind reads the kind of an identity.
func ParseKind(text string) (Kind, error) {
	k := Kind(strings.ReplaceAll(strings.ToLower(text), "_", "-"))
	if identityTypes[k] == "" {
		return "", fmt.Errorf("%q is no kind of identity: use %s, %s or %s", text, User, ServicePrincipal, Group)
	}
	return k, nil
}

// KindOf guesses the kind of an identity from its name: that of a service
// principal is its application id, that of a user an email address. It returns
// "" for all other names, which may be a group's or mistyped.
func KindOf(name string) Kind {
	switch {
	case isUUID(name):
		return ServicePrincipal
	case strings.Contains(name, "@"):
		return User
	}
	return ""
}

// isUUID accepts only the form with dashes, of the forms that uuid.Parse reads.
func isUUID(name string) bool { return len(name) == 36 && uuid.Validate(name) == nil }

// Admin is a session that manages roles. It is not safe for concurrent use.
type Admin struct {
	conn      *pgx.Conn
	connector *lakebase.Connector
	steps     *steps.Steps
}

// Open logs in with connector, which stays the caller's to close.
func Open(ctx context.Context, connector *lakebase.Connector) (*Admin, error) {
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &Admin{conn: conn, connector: connector, steps: steps.Of(connector)}, nil
}

// Close ends the session.
func (a *Admin) Close(ctx context.Context) error { return a.conn.Close(ctx) }

// Database is the database of the session.
func (a *Admin) Database() string { return a.conn.Config().Database }

// Self is the role that the session logged in as.
func (a *Admin) Self() string { return a.conn.Config().User }

// withToken reports whether the session logged in as an identity.
func (a *Admin) withToken() bool { return a.steps.Workspace != nil }

// names returns the names of all roles.
func (a *Admin) names(ctx context.Context) ([]string, error) {
	return column(ctx, a.conn, "SELECT rolname::text FROM pg_roles ORDER BY 1")
}

// noRole is the error for a role that does not exist. It suggests a similar name.
func (a *Admin) noRole(ctx context.Context, name string) error {
	e := &Error{Problem: NoRole, Message: fmt.Sprintf("there is no role %q", name), Hint: "lakebase roles list shows those that exist"}
	if KindOf(name) != "" {
		e.Hint = fmt.Sprintf("lakebase roles create %s creates one for an identity", name)
	}
	names, err := a.names(ctx)
	if err != nil {
		return e
	}
	if near := similarName(name, names); near != "" {
		e.Hint = fmt.Sprintf("there is a role %q; names are case-sensitive", near)
	} else if near := spelling.Nearest(name, names); near != "" && KindOf(name) == "" {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	return e
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// column returns the values of a query's one column.
func column(ctx context.Context, q querier, sql string, args ...any) ([]string, error) {
	rows, _ := q.Query(ctx, sql, args...) // its error is that of the rows, too
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
