// Package roles reads, creates and grants privileges to the Postgres roles of a
// Lakebase database: those of Databricks identities, which log in with tokens,
// and native ones.
package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/shellword"
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
	case len(name) == 36 && uuid.Validate(name) == nil: // only the form with dashes, of those that uuid reads
		return ServicePrincipal
	case strings.Contains(name, "@"):
		return User
	}
	return ""
}

// Admin is a session that manages roles. It is not safe for concurrent use.
type Admin struct {
	conn  *pgx.Conn
	steps *steps.Steps
}

// Open logs in with connector, which stays the caller's to close.
func Open(ctx context.Context, connector *lakebase.Connector) (*Admin, error) {
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &Admin{conn, steps.Of(connector)}, nil
}

// Close ends the session.
func (a *Admin) Close(ctx context.Context) error { return a.conn.Close(ctx) }

// Database is the database of the session.
func (a *Admin) Database() string { return a.conn.Config().Database }

// Self is the role that the session logged in as.
func (a *Admin) Self() string { return a.conn.Config().User }

// withToken reports whether the session logged in as an identity.
func (a *Admin) withToken() bool { return a.steps.Workspace != nil }

// column returns the values of a query's one column.
func (a *Admin) column(ctx context.Context, sql string, args ...any) ([]string, error) {
	return column(ctx, a.conn, sql, args...)
}

func column(ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]string, error) {
	rows, _ := conn.Query(ctx, sql, args...) // its error is that of the rows, too
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

const maxName = 63 // bytes; Postgres would cut the rest off

// CheckName refuses names that a role cannot have, or that Postgres reads as
// something else: even a quoted "public" means every role.
func CheckName(name string) error {
	switch {
	case name == "":
		return badName("the name of a role is empty")
	case len(name) > maxName:
		return badName("the name of a role has %d bytes and may have %d: Postgres would cut it off", len(name), maxName)
	case strings.ContainsRune(name, 0) || !utf8.ValidString(name):
		return badName("%q is not the name of a role: it is not UTF-8", name)
	case name == "public":
		return badName(`"public" means every role, and is not one`)
	case name == "none", strings.HasPrefix(name, "pg_"):
		return badName("%q is a name that Postgres reserves", name)
	}
	return nil
}

// quote makes any name an SQL identifier.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// written is quote for SQL in a hint: what is harmful to a terminal is written out.
func written(name string) string {
	if oneline.Name(name) == name {
		return quote(name)
	}
	var b strings.Builder
	for _, r := range name {
		switch {
		case oneline.Harmful(r):
			fmt.Fprintf(&b, `\%04X`, r)
		case r == '"' || r == '\\':
			b.WriteString(string(r) + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return `U&"` + b.String() + `"`
}

// Error is a failed operation on a role, with the one thing to do about it.
type Error struct {
	Message string // one line
	Hint    string // with shellword.Target after each command
	BadName bool   // no role can have the name, whatever the database has
	Retry   bool   // the same may work later
	Err     error  // the server's error; may be nil
}

// Error returns the message, with the server's where it says more.
func (e *Error) Error() string {
	var reply *pgconn.PgError
	if errors.As(e.Err, &reply) && !strings.Contains(e.Message, reply.Message) {
		return e.Message + ": " + reply.Message
	}
	return e.Message
}

// Unwrap returns the server's error.
func (e *Error) Unwrap() error { return e.Err }

// noRole is the error for a role that is not among names, of which it suggests one.
func noRole(name string, names []string) error {
	e := &Error{Message: fmt.Sprintf("there is no role %q", name), Hint: "lakebase roles list" + shellword.Target + " shows those that exist"}
	near := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
	switch nearest := spelling.Nearest(name, names); {
	case near >= 0:
		e.Hint = fmt.Sprintf("there is a role %q; names are case-sensitive", names[near])
	case KindOf(name) != "":
		e.Hint = "lakebase roles create " + shellword.Of(name) + shellword.Target + " creates one for an identity"
	case nearest != "":
		e.Hint = fmt.Sprintf("did you mean %q?", nearest)
	}
	return e
}

func badName(format string, args ...any) error {
	return &Error{BadName: true, Message: fmt.Sprintf(format, args...), Hint: "the role of an identity has its name: an email address, an application id or a group's name"}
}

// sqlState returns a server's code and text, in lower case, "" for other errors.
func sqlState(err error) (code, text string) {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return "", ""
	}
	return e.Code, strings.ToLower(e.Message + " " + e.Detail + " " + e.Hint)
}
