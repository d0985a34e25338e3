package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/spelling"
)

// Problem is the class of an [Error]. It is an error itself, for
// errors.Is(err, roles.NoRole).
type Problem string

// The problems.
const (
	BadName          Problem = "bad name"
	NotOAuth         Problem = "not an OAuth session"
	LacksCreateRole  Problem = "may not create roles"
	LacksCreate      Problem = "may not create the extension"
	ExtensionMissing Problem = "extension missing"
	UnknownIdentity  Problem = "unknown identity"
	OtherKind        Problem = "another kind"
	NotAnIdentity    Problem = "not an identity's role"
	NoRole           Problem = "no such role"
	NoSchema         Problem = "no such schema"
	LacksGrant       Problem = "may not grant"
	NotRevoked       Problem = "not revoked"
)

// Error returns the problem as text.
func (p Problem) Error() string { return string(p) }

// Error is a failed operation on a role, with the one thing to do about it.
type Error struct {
	Problem Problem
	Message string // one line
	Hint    string
	Err     error // the server's error; may be nil
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

// Is reports whether target is e's [Problem].
func (e *Error) Is(target error) bool {
	p, ok := target.(Problem)
	return ok && p == e.Problem
}

func badName(name, message string) error {
	return &Error{Problem: BadName, Message: message, Hint: "the role of an identity has its name: an email address, an application id or a group's name"}
}

// sqlState returns the server's code and text, in lower case, "" for other
// errors.
func sqlState(err error) (code, text string) {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return "", ""
	}
	return e.Code, strings.ToLower(e.Message + " " + e.Detail + " " + e.Hint)
}

// explainExtension turns the error of CREATE EXTENSION into an [Error].
func explainExtension(err error, database, self string) error {
	switch code, text := sqlState(err); {
	case code == "58P01", code == "0A000", strings.Contains(text, "is not available"), strings.Contains(text, "extension control file"):
		return &Error{Problem: ExtensionMissing, Err: err,
			Message: "this server has no extension databricks_auth",
			Hint:    "only Lakebase has it: check that the target is one, and not another Postgres server"}
	case code == "42501":
		return &Error{Problem: LacksCreate, Err: err,
			Message: fmt.Sprintf("%s may not create the extension databricks_auth in database %q", self, database),
			Hint:    fmt.Sprintf("as the owner of the database: CREATE EXTENSION databricks_auth, or GRANT CREATE ON DATABASE %s TO %s", quote(database), quote(self))}
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
		return &Error{Problem: ExtensionMissing, Err: err,
			Message: "the extension databricks_auth has no databricks_create_role here",
			Hint:    "ALTER EXTENSION databricks_auth UPDATE"}
	case code == "42501" && (!c.withToken || strings.Contains(text, "oauth") || strings.Contains(text, "native")),
		strings.Contains(text, "authenticated session"):
		return &Error{Problem: NotOAuth, Err: err,
			Message: "roles of identities can be created only by a session that logged in with a token",
			Hint:    "name the instance or endpoint instead of a static URL, so that the login is that of your Databricks identity"}
	case code == "42501":
		return &Error{Problem: LacksCreateRole, Err: err,
			Message: c.self + " may not create roles",
			Hint:    fmt.Sprintf("have the owner of the instance run this, or: ALTER ROLE %s CREATEROLE", quote(c.self))}
	case code != "" && strings.Contains(text, strings.ToLower(c.name)) && containsAny(text, unknownWords), containsAny(text, []string{"unknown identity", "invalid identity"}):
		e := &Error{Problem: UnknownIdentity, Err: err,
			Message: fmt.Sprintf("the workspace knows no %s %q", strings.ReplaceAll(string(c.kind), "-", " "), c.name),
			Hint:    "names are case-sensitive: a user's email address, a service principal's application id (not its name), a group's name"}
		if c.similar != "" {
			e.Hint = fmt.Sprintf("there is a role %q already, and names are case-sensitive", c.similar)
		}
		return e
	}
	return err
}

func containsAny(text string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
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

// similarName returns the first of names that differs from name in case only,
// "" if none does.
func similarName(name string, names []string) string {
	for _, n := range names {
		if n != name && strings.EqualFold(n, name) {
			return n
		}
	}
	return ""
}
