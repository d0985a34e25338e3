package lakebase

import (
	"errors"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/redact"
)

// Kind is what went wrong with a connection. It decides what a caller can do
// about it, and is an error itself so that errors.Is(err, lakebase.KindNotFound) asks for it.
type Kind string

// The kinds of [Error], and whether trying again can help.
const (
	// KindBadConfig: a setting is missing, malformed or contradicts another. Fix it; do not retry.
	KindBadConfig Kind = "bad configuration"
	// KindNotFound: the instance, project, branch, endpoint or database does not exist. Do not retry.
	KindNotFound Kind = "not found"
	// KindPermissionDenied: the identity may not use the resource. Do not retry.
	KindPermissionDenied Kind = "permission denied"
	// KindWorkspaceUnreachable: the workspace did not answer, or answered with 429 or 5xx. Retry.
	KindWorkspaceUnreachable Kind = "workspace unreachable"
	// KindWorkspaceAuth: logging in to the workspace failed (401, no usable credentials). Do not retry.
	KindWorkspaceAuth Kind = "workspace login failed"
	// KindTokenRejected: Postgres refused a token that was fresh from the workspace. Do not retry.
	KindTokenRejected Kind = "token rejected"
	// KindRoleMissing: the Postgres role does not exist in the database. Do not retry.
	KindRoleMissing Kind = "role missing"
	// KindUnavailable: the instance is stopped, starting, waking or failing over. Retry.
	KindUnavailable Kind = "instance unavailable"
	// KindDNS: no resolver could find the address of the host. Retry.
	KindDNS Kind = "host lookup failed"
	// KindTLS: the server's certificate or name could not be verified, or it speaks no TLS. Do not retry.
	KindTLS Kind = "TLS failed"
	// KindTooManyConnections: the server has no connection left (53300). Retry.
	KindTooManyConnections Kind = "too many connections"
	// KindPoolTimeout: no connection of the pool came free within the pool timeout. Retry.
	KindPoolTimeout Kind = "pool timeout"
	// KindConnectFailed: any other reason why a login failed, which is the cause.
	KindConnectFailed Kind = "connect failed"
)

// Error returns the kind in words.
func (k Kind) Error() string { return string(k) }

// worthWaiting reports whether a login that failed for this reason may succeed a
// moment later by itself.
func (k Kind) worthWaiting() bool {
	return k == KindUnavailable || k == KindTooManyConnections || k == KindDNS
}

// Error is the error of every failed Lakebase operation. Its text is one
// line and never contains a secret.
type Error struct {
	Kind     Kind   // what went wrong
	Resource string // instance name, endpoint path, host or variable that it went wrong with
	Message  string // what happened, in a few words
	Hint     string // what to do next; may be empty
	Err      error  // the cause; may be nil

	stopped bool // it stays unavailable until it is started or enabled
}

// badConfig is an Error about the setting that label names.
func badConfig(label, message string) *Error {
	return &Error{Kind: KindBadConfig, Resource: label, Message: message}
}

// badValue is badConfig for a value that the setting does not accept; reason
// states what would be right.
func badValue(label, value string, reason error) error {
	return badConfig(label, redact.Quote(value)+": "+reason.Error())
}

// Error returns "lakebase: resource: message: cause", each only if it adds
// something to what stands before it.
func (e *Error) Error() string {
	message := e.Message
	if message == "" {
		message = string(e.Kind)
	}
	cause := e.cause()
	if strings.Contains(strings.ToLower(cause), strings.ToLower(message)) {
		message = ""
	}
	text := "lakebase"
	for _, part := range []string{e.Resource, message, cause} {
		if part = oneline.Text(part); part != "" && !strings.Contains(text, part) {
			text += ": " + part
		}
	}
	return text
}

// cause is the cause's text without what Error has already.
func (e *Error) cause() string {
	if e.Err == nil {
		return ""
	}
	text := strings.TrimPrefix(oneline.Text(e.Err.Error()), "lakebase: ")
	return strings.TrimPrefix(text, oneline.Text(e.Resource)+": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is e's [Kind].
func (e *Error) Is(target error) bool {
	kind, ok := target.(Kind)
	return ok && kind == e.Kind
}

// Hint returns what to do about err, or "" if that is unknown. It has advice for
// the server's and the workspace's own errors too.
func Hint(err error) string {
	for e := (*Error)(nil); errors.As(err, &e); err = e.Err {
		if e.Hint != "" {
			return oneline.Text(e.Hint) // which may name what the workspace has
		}
	}
	return advise(err)
}

// errorKind returns the Kind of the first [*Error] in err's chain, or "".
func errorKind(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

func isStopped(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.stopped
}

func configError(resource string, err error) error {
	return &Error{Kind: KindBadConfig, Resource: resource, Message: "pgx refuses the configuration", Err: err}
}

// holds reports whether target itself is in err's tree. errors.Is would take
// every network timeout for a context's deadline.
func holds(err, target error) bool {
	if err == target {
		return true
	}
	switch x := err.(type) {
	case interface{ Unwrap() error }:
		return holds(x.Unwrap(), target)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(x.Unwrap(), func(e error) bool { return holds(e, target) })
	}
	return false
}
