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

// symptom is what a client feels of a fault: the class of an error. One that
// is none of these is the error's own text, which no fault explains.
type symptom string

const (
	lost        symptom = "connection lost"       // 57P01, 57P02, 08006, or the socket's end
	unavailable symptom = "database unavailable"  // 57P03 and the service's own texts
	crowded     symptom = "too many connections"  // 53300 and the service's own texts
	refused     symptom = "token refused"         // 28P01, 28000 and the service's own texts
	noWorkspace symptom = "workspace unreachable" // no token, or no word of where the database is
	noAddress   symptom = "host lookup failed"
	noTLS       symptom = "TLS failed"
	noRole      symptom = "role missing"
	noDatabase  symptom = "database missing"  // 3D000
	noPrivilege symptom = "permission denied" // 42501
	starved     symptom = "pool timeout"      // a limit on waiting for a connection
	notAllowed  symptom = "workspace refuses" // it knows the resource not, or the caller not well enough
	tooLate     symptom = "timeout"
	outOfTime   symptom = "dial timeout" // what came before the dial has left it no time, or nobody was there
	unreachable symptom = "08001"        // the proxy's word for several of these
)

// serversTexts are the refusals that the service sends without an SQLSTATE of
// their own.
var serversTexts = map[string]symptom{
	"Too many connections to this endpoint":             crowded,
	"JWT token has expired":                             refused,
	"not a valid JWT encoding":                          refused,
	"invalid JWT token audience":                        refused,
	"jwk not found":                                     refused,
	"Invalid authorization for databricks identity":     refused,
	"endpoint is disabled":                              unavailable,
	"Couldn't connect to compute node":                  unavailable,
	"within the proxy's wait timeout":                   starved,
	dialTimeout:                                         outOfTime,
	"cannot log in to the workspace":                    notAllowed,
	`role "`:                                            noRole, // ... does not exist
	"the token has expired or belongs to another":       refused,
	"still waiting for a token":                         noWorkspace,
	"the workspace did not answer in time":              noWorkspace,
	"the connection was refused or cut":                 unavailable,
	"the connection between the proxy and the database": lost,
}

var states = map[string]symptom{
	"57P01": lost, "57P02": lost, "08006": lost, "57P03": unavailable, "53300": crowded,
	"28P01": refused, "28000": refused, "3D000": noDatabase, "42501": noPrivilege, "08001": unreachable, "F0000": notAllowed,
}

const dialTimeout = "dial error: timeout"

var kinds = map[lakebase.Kind]symptom{
	lakebase.KindWorkspaceUnreachable: noWorkspace, lakebase.KindTokenRejected: refused, lakebase.KindRoleMissing: noRole,
	lakebase.KindUnavailable: unavailable, lakebase.KindDNS: noAddress, lakebase.KindTLS: noTLS,
	lakebase.KindTooManyConnections: crowded, lakebase.KindPoolTimeout: starved,
	lakebase.KindBadConfig: notAllowed, lakebase.KindWorkspaceAuth: notAllowed, lakebase.KindPermissionDenied: notAllowed, lakebase.KindNotFound: notAllowed,
}

// symptomOf tells what class an error is of.
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
			return tooLate // what came before the lookup has left it no time
		}
		if strings.Contains(own.Error(), dialTimeout) {
			return outOfTime
		}
		if s, known := kinds[own.Kind]; known {
			return s
		}
	}
	var network net.Error
	switch {
	case strings.Contains(err.Error(), "server refused TLS connection"), strings.Contains(err.Error(), "tls: "), strings.Contains(err.Error(), "x509: "):
		return noTLS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return tooLate
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, new(*net.OpError)),
		strings.Contains(err.Error(), "conn closed"), strings.Contains(err.Error(), "bad connection"):
		return lost
	}
	return symptom(err.Error())
}

// symptoms are those that a fault explains.
type symptoms []symptom

// include reports whether s is among them.
func (all symptoms) include(s symptom) bool {
	several := map[symptom]symptoms{
		unreachable: {noWorkspace, noAddress, noTLS, tooLate},
		outOfTime:   {noWorkspace, tooLate, unavailable},
	}[s]
	return slices.ContainsFunc(all, func(of symptom) bool { return of == s || slices.Contains(several, of) })
}

func TestSymptoms(t *testing.T) {
	for _, c := range []struct {
		err  error
		want symptom
	}{
		{&pgconn.PgError{Code: "57P01"}, lost},
		{fmt.Errorf("query: %w", &pgconn.PgError{Code: "XX000", Message: "JWT token has expired (exp=1)"}), refused},
		{&pgconn.PgError{Code: "28000", Message: `role "me" does not exist`}, noRole},
		{&pgconn.PgError{Code: "23505", Message: "duplicate key"}, "23505: duplicate key"},
		{&pgconn.PgError{Code: "53300", Message: "no server connection to \"x\" became free within the proxy's wait timeout of 8s"}, starved},
		{&lakebase.Error{Kind: lakebase.KindPoolTimeout, Err: context.DeadlineExceeded}, starved},
		{&lakebase.Error{Kind: lakebase.KindDNS, Err: &net.DNSError{Err: "context deadline exceeded"}}, tooLate},
		{&lakebase.Error{Kind: lakebase.KindDNS, Err: &net.DNSError{Err: "no such host"}}, noAddress},
		{&lakebase.Error{Kind: lakebase.KindUnavailable, Message: "no connection to the server: dial error: timeout: dial tcp: i/o timeout"}, outOfTime},
		{&pgconn.PgError{Code: "57P03", Message: "no server connection to \"x\" became free within the proxy's wait timeout of 8s"}, starved},
		{&pgconn.PgError{Code: "57P03", Message: "the database system is starting up"}, unavailable},
		{&lakebase.Error{Kind: lakebase.KindConnectFailed, Message: "wrong"}, "lakebase: wrong"},
		{io.ErrUnexpectedEOF, lost},
		{context.DeadlineExceeded, tooLate},
		{errors.New("prepared statement name is already in use"), "prepared statement name is already in use"},
	} {
		if got := symptomOf(c.err); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
	if (symptoms{lost, crowded}).include(unreachable) || !(symptoms{noTLS}).include(unreachable) || (symptoms{}).include(lost) {
		t.Error("what faults explain is not what it should be")
	}
}
