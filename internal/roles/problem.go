package roles

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
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
