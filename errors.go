package lakebase

import (
	"context"
	"errors"
	"net"
)

// Kind says which of the few things that can go wrong with a Lakebase
// connection did go wrong. It decides what a caller can do about it.
type Kind string

// The kinds of [Error]. Each says whether trying again can help.
const (
	// BadConfig: a setting is missing, malformed or contradicts another. Fix it; do not retry.
	BadConfig Kind = "bad configuration"
	// NotFound: the instance, project, branch or endpoint does not exist. Do not retry.
	NotFound Kind = "not found"
	// PermissionDenied: the workspace identity may not use the resource. Do not retry.
	PermissionDenied Kind = "permission denied"
	// WorkspaceUnreachable: the workspace did not answer, or answered with 429 or 5xx. Retry.
	WorkspaceUnreachable Kind = "workspace unreachable"
	// WorkspaceAuth: logging in to the workspace failed (401, no usable credentials). Do not retry.
	WorkspaceAuth Kind = "workspace login failed"
	// TokenRejected: Postgres refused a token that was fresh from the workspace. Do not retry.
	TokenRejected Kind = "token rejected"
	// RoleMissing: the Postgres role does not exist in the database. Do not retry.
	RoleMissing Kind = "role missing"
	// Unavailable: the instance is stopped, starting, waking or failing over. Retry.
	Unavailable Kind = "instance unavailable"
	// DNS: no resolver could find the address of the host. Retry.
	DNS Kind = "host lookup failed"
	// TLS: the server's certificate or name could not be verified, or it speaks no TLS. Do not retry.
	TLS Kind = "TLS failed"
	// TooManyConnections: the server has no connection left (53300). Retry.
	TooManyConnections Kind = "too many connections"
	// PoolTimeout: no connection of the pool came free within the pool timeout. Retry.
	PoolTimeout Kind = "pool timeout"
	// ConnectFailed: any other reason why a login did not succeed. The cause says which.
	ConnectFailed Kind = "connect failed"
)

// Error is the error of every failed Lakebase operation. Its text is one
// line and never contains a secret.
type Error struct {
	Kind     Kind   // what went wrong
	Resource string // instance name, endpoint path, host or variable that it went wrong with
	Message  string // what happened, in a few words
	Hint     string // the one thing to do next; may be empty
	Err      error  // the cause; may be nil
}

// Retryable reports whether the same call may succeed later without anyone
// changing anything.
func Retryable(err error) bool { panic("TODO: config helper") }

// Hint returns the advice that travels with err, or "" if there is none.
func Hint(err error) string { panic("TODO: config helper") }

var (
	_ = errors.As
	_ context.Context
	_ net.Error
)
