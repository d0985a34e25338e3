package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
)

// symptom is the class of a client's error. For an error of no class it is the
// error's text, which no fault explains.
type symptom string

const (
	lost                 symptom = "connection lost"       // 57P01, 57P02, 08006, or the socket's end
	unavailable          symptom = "database unavailable"  // 57P03 and the service's own texts
	tooManyConnections   symptom = "too many connections"  // 53300 and the service's own texts
	tokenRefused         symptom = "token refused"         // 28P01, 28000 and the service's own texts
	workspaceUnreachable symptom = "workspace unreachable" // no token, or no host of the database
	lookupFailed         symptom = "host lookup failed"
	tlsFailed            symptom = "TLS failed"
	roleMissing          symptom = "role missing"
	databaseMissing      symptom = "database missing"  // 3D000
	permissionDenied     symptom = "permission denied" // 42501
	poolTimedOut         symptom = "pool timeout"      // of the wait for a connection
	workspaceRefuses     symptom = "workspace refuses" // not found, or not permitted
	timedOut             symptom = "timeout"
	dialTimedOut         symptom = "dial timeout" // no time was left for the dial, or no server answered
	proxyUnreachable     symptom = "08001"        // the proxy's code for several of these
)

// serversTexts are refusals of the service and the proxy that share an SQLSTATE.
var serversTexts = map[string]symptom{
	"Too many connections to this endpoint":             tooManyConnections,
	"JWT token has expired":                             tokenRefused,
	"not a valid JWT encoding":                          tokenRefused,
	"invalid JWT token audience":                        tokenRefused,
	"jwk not found":                                     tokenRefused,
	"Invalid authorization for databricks identity":     tokenRefused,
	"endpoint is disabled":                              unavailable,
	"Couldn't connect to compute node":                  unavailable,
	"within the proxy's wait timeout":                   poolTimedOut,
	dialTimeout:                                         dialTimedOut,
	"cannot log in to the workspace":                    workspaceRefuses,
	`role "`:                                            roleMissing, // ... does not exist
	"the token has expired or belongs to another":       tokenRefused,
	"still waiting for a token":                         workspaceUnreachable,
	"the workspace did not answer in time":              workspaceUnreachable,
	"the connection was refused or cut":                 unavailable,
	"the connection between the proxy and the database": lost,
}

var states = map[string]symptom{
	"57P01": lost, "57P02": lost, "08006": lost, "57P03": unavailable, "53300": tooManyConnections,
	"28P01": tokenRefused, "28000": tokenRefused, "3D000": databaseMissing, "42501": permissionDenied, "08001": proxyUnreachable, "F0000": workspaceRefuses,
}

const dialTimeout = "dial error: timeout"

var kinds = map[lakebase.Kind]symptom{
	lakebase.KindWorkspaceUnreachable: workspaceUnreachable, lakebase.KindTokenRejected: tokenRefused, lakebase.KindRoleMissing: roleMissing,
	lakebase.KindUnavailable: unavailable, lakebase.KindDNS: lookupFailed, lakebase.KindTLS: tlsFailed,
	lakebase.KindTooManyConnections: tooManyConnections, lakebase.KindPoolTimeout: poolTimedOut,
	lakebase.KindBadConfig: workspaceRefuses, lakebase.KindWorkspaceAuth: workspaceRefuses, lakebase.KindPermissionDenied: workspaceRefuses, lakebase.KindNotFound: workspaceRefuses,
}

// symptomOf returns the class of an error.
func symptomOf(err error) symptom {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		if slices.Contains([]string{"XX000", "28000", "53300", "57P03"}, said.Code) {
			for text, s := range serversTexts {
				if strings.Contains(said.Message, text) {
					return s
				}
			}
		}
		if s, known := states[said.Code]; known {
			return s
		}
		return symptom(fmt.Sprintf("%s: %s", said.Code, said.Message))
	}
	var own *lakebase.Error
	if errors.As(err, &own) {
		if own.Kind == lakebase.KindDNS && strings.Contains(own.Error(), context.DeadlineExceeded.Error()) {
			return timedOut // no time was left for the lookup
		}
		if strings.Contains(own.Error(), dialTimeout) {
			return dialTimedOut
		}
		if s, known := kinds[own.Kind]; known {
			return s
		}
	}
	var network net.Error
	switch {
	case strings.Contains(err.Error(), "server refused TLS connection"), strings.Contains(err.Error(), "tls: "), strings.Contains(err.Error(), "x509: "):
		return tlsFailed
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return timedOut
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, new(*net.OpError)),
		strings.Contains(err.Error(), "conn closed"), strings.Contains(err.Error(), "bad connection"):
		return lost
	}
	return symptom(err.Error())
}

// symptoms are those that one fault explains.
type symptoms []symptom

// include reports whether s is among them.
func (all symptoms) include(s symptom) bool {
	several := map[symptom]symptoms{
		proxyUnreachable: {workspaceUnreachable, lookupFailed, tlsFailed, timedOut},
		dialTimedOut:     {workspaceUnreachable, timedOut, unavailable},
	}[s]
	return slices.ContainsFunc(all, func(of symptom) bool { return of == s || slices.Contains(several, of) })
}

func TestSymptomsOfErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want symptom
	}{
		{&pgconn.PgError{Code: "57P01"}, lost},
		{fmt.Errorf("query: %w", &pgconn.PgError{Code: "XX000", Message: "JWT token has expired (exp=1)"}), tokenRefused},
		{&pgconn.PgError{Code: "28000", Message: `role "me" does not exist`}, roleMissing},
		{&pgconn.PgError{Code: "23505", Message: "duplicate key"}, "23505: duplicate key"},
		{&pgconn.PgError{Code: "53300", Message: "no server connection to \"x\" became free within the proxy's wait timeout of 8s"}, poolTimedOut},
		{&lakebase.Error{Kind: lakebase.KindPoolTimeout, Err: context.DeadlineExceeded}, poolTimedOut},
		{&lakebase.Error{Kind: lakebase.KindDNS, Err: &net.DNSError{Err: "context deadline exceeded"}}, timedOut},
		{&lakebase.Error{Kind: lakebase.KindDNS, Err: &net.DNSError{Err: "no such host"}}, lookupFailed},
		{&lakebase.Error{Kind: lakebase.KindUnavailable, Message: "no connection to the server: dial error: timeout: dial tcp: i/o timeout"}, dialTimedOut},
		{&pgconn.PgError{Code: "57P03", Message: "no server connection to \"x\" became free within the proxy's wait timeout of 8s"}, poolTimedOut},
		{&pgconn.PgError{Code: "57P03", Message: "the database system is starting up"}, unavailable},
		{&lakebase.Error{Kind: lakebase.KindConnectFailed, Message: "wrong"}, "lakebase: wrong"},
		{io.ErrUnexpectedEOF, lost},
		{context.DeadlineExceeded, timedOut},
		{errors.New("prepared statement name is already in use"), "prepared statement name is already in use"},
	} {
		if got := symptomOf(c.err); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
	if (symptoms{lost, tooManyConnections}).include(proxyUnreachable) || !(symptoms{tlsFailed}).include(proxyUnreachable) || (symptoms{}).include(lost) {
		t.Error("symptoms include the wrong ones")
	}
}
