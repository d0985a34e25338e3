package local

import (
	"errors"
	"fmt"
	"net/netip"
)

// The SQLSTATEs of refusals. The service's Autoscaling proxy sends nearly
// all of its own as an internal error.
const (
	stateInternal         = "XX000"
	stateInvalidPassword  = "28P01"
	stateInvalidAuthorize = "28000"
	stateCannotConnectNow = "57P03"
)

// route finds where a connection goes, or why it goes nowhere.
func (w *workspace) route(serverName, options string, local netip.AddrPort) (*route, *refusal) {
	d := w.hosts.find(serverName, options, local)
	if d == nil {
		return nil, &refusal{
			Severity: "ERROR", Code: stateInternal,
			Message: "Endpoint ID is not specified.",
			Detail:  fmt.Sprintf("No endpoint answers to the server name %q.", serverName),
			Hint:    "Connect to the host that the workspace names, with a client that sends it (SNI), or pass options=endpoint=<endpoint-id>.",
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	e := d.endpoint
	return &route{
		endpoint: e.Key,
		compute:  d.compute(),
		native:   e.branch.nativeLogin(),
		pooled:   d.kind.pooled(),
		readOnly: d.readOnly(),
		refuse:   w.closedFor(d, local),
	}, nil
}

// closedFor is what the endpoint answers to every login, nil if it is open.
// The caller holds mu.
func (w *workspace) closedFor(d *door, local netip.AddrPort) *refusal {
	e := d.endpoint
	starting57P03 := &refusal{Severity: "FATAL", Code: stateCannotConnectNow, Message: "the database system is starting up"}
	switch {
	case w.hosts.moved(d, local):
		return &refusal{
			Severity: "FATAL", Code: stateCannotConnectNow, Message: "the database system is shutting down",
			Detail: fmt.Sprintf("%s has moved to another address.", d.Host), Hint: "Look the host name up again.",
		}
	case e.changing == failingOver, e.changing == starting, !e.branch.Ready:
		return starting57P03
	case e.changing == deleting:
		return &refusal{Severity: "FATAL", Code: stateCannotConnectNow, Message: "the database system is shutting down"}
	case !e.Disabled:
		return nil
	case e.provisioned():
		return &refusal{
			Severity: "FATAL", Code: stateCannotConnectNow, Message: "the database system is shutting down",
			Detail: fmt.Sprintf("Database instance %s is stopped.", e.title()),
		}
	}
	return &refusal{Severity: "ERROR", Code: stateInternal, Message: "The endpoint is disabled. Enable it and try again."}
}

// authenticate judges the password that an OAuth role presented.
func (w *workspace) authenticate(r *route, user, password string) *refusal {
	if r.pooled {
		return &refusal{Severity: "FATAL", Code: stateInvalidPassword, Message: "SASL authentication failed"}
	}
	w.mu.Lock()
	e := w.state.endpoint(r.endpoint)
	if e == nil {
		w.mu.Unlock()
		return &refusal{Severity: "FATAL", Code: stateCannotConnectNow, Message: "the database system is shutting down"}
	}
	audience, provisioned := e.audience(), e.provisioned()
	w.mu.Unlock()
	claims, err := w.tokens.verify(password, scopePostgres, audience...)
	if err == nil {
		w.mu.Lock()
		if !w.state.mayLoginAs(claims.Subject, user) {
			err = errTokenSubject
		}
		w.mu.Unlock()
	}
	if err == nil {
		return nil
	}
	w.log.Info("login refused", "role", user, "target", r.endpoint, "reason", err)
	if provisioned {
		return provisionedRefusal(err, user)
	}
	return autoscalingRefusal(err, claims)
}

// provisionedRefusal words a refusal as a database instance does.
func provisionedRefusal(err error, user string) *refusal {
	if errors.Is(err, errNotJWT) || errors.Is(err, errTokenForeign) {
		return &refusal{
			Severity: "FATAL", Code: stateInvalidPassword,
			Message: fmt.Sprintf("Failed to decode token for role %q\nand native postgres login was either not attempted due to configuration or failed.", user),
		}
	}
	return &refusal{Severity: "FATAL", Code: stateInvalidAuthorize, Message: "Invalid authorization for databricks identity login"}
}

// autoscalingRefusal words a refusal as the proxy before an endpoint does.
func autoscalingRefusal(err error, claims *tokenClaims) *refusal {
	message := "Invalid authorization for databricks identity login"
	switch {
	case errors.Is(err, errNotJWT):
		message = "Provided authentication token is not a valid JWT encoding"
	case errors.Is(err, errTokenForeign):
		message = "jwk not found"
	case errors.Is(err, errTokenExpired):
		message = fmt.Sprintf("JWT token has expired (exp=%d)", claims.ExpiresAt.Unix())
	case errors.Is(err, errTokenAudience):
		message = "invalid JWT token audience"
	}
	return &refusal{Severity: "ERROR", Code: stateInternal, Message: message}
}
