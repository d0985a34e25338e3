package lakebase

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/refusal"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// Retryable reports whether the same login may succeed later by itself. It judges
// [Error], the server's SQLSTATE and network errors; it is false for nil, for a
// context that ended and for unknown errors.
//
// It does not apply to statements: one whose connection broke may have run.
func Retryable(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var e *Error
	if !errors.As(err, &e) || e.Kind == KindConnectFailed {
		return retryableCause(err)
	}
	switch e.Kind {
	case KindUnavailable:
		return !isDisabled(err)
	case KindWorkspaceUnreachable, KindDNS, KindTooManyConnections, KindPoolTimeout:
		return true
	}
	return false
}

// retryableCause judges errors that are not this package's.
func retryableCause(err error) bool {
	var (
		pgErr *pgconn.PgError
		wsErr *workspace.Error
		dns   *net.DNSError
		op    *net.OpError
		net   net.Error
	)
	_, isTLS := diagnoseTLS(err)
	local, isLocal := diagnoseLocal(err)
	switch {
	case errors.As(err, &pgErr):
		return retryableState(pgErr)
	case isLocal && local.kind == KindConnectFailed:
		return false
	case errors.As(err, &wsErr):
		return wsErr.Temporary()
	case isTLS, holds(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &dns), errors.As(err, &op) && op.Op == "dial", isDropped(err):
		return true
	}
	return errors.As(err, &net) && net.Timeout()
}

// retryableState judges the server's errors: no connection left, a server that
// starts or stops, lost connections, and serialization failures.
func retryableState(e *pgconn.PgError) bool {
	switch refusals[refusal.Of(e)].kind {
	case KindTooManyConnections:
		return true
	case KindUnavailable:
		return !isDisabled(e)
	case KindConnectFailed:
		return strings.HasPrefix(e.Code, "08") || e.Code == "40001" || e.Code == "40P01"
	}
	return false
}

// isDisabled reports whether the endpoint is disabled, which no retry changes.
func isDisabled(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && refusal.Of(e) == refusal.EndpointDisabled
}

// advise returns what to do about err, the cause of an [Error] or an error of its
// own, or "" if that is unknown.
func advise(err error) string {
	var call *workspace.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &call):
		return workspaceHint(call)
	}
	return diagnose(err).hintFor("", "", "")
}
