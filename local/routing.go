package local

import (
	"errors"
	"fmt"
	"net/netip"
)

// route finds where a connection goes, or why it goes nowhere.
func (w *workspace) route(serverName, options string, local netip.AddrPort) (*route, *refusal) {
	d := w.hosts.find(serverName, options, local)
	if d == nil {
		r := proxied("Endpoint ID is not specified.")
		r.Detail = fmt.Sprintf("No endpoint answers to the server name %q.", serverName)
		r.Hint = "Connect to the host that the workspace names, with a client that sends it (SNI), or pass options=endpoint=<endpoint-id>."
		return nil, r
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
	switch {
	case w.hosts.moved(d, local):
		r := fatal("57P03", "the database system is shutting down")
		r.Detail = fmt.Sprintf("%s has moved to another address.", d.Host)
		r.Hint = "Look the host name up again."
		return r
	case e.changing == deleting:
		return goneRefusal()
	case e.changing == failingOver, e.changing == starting, !e.branch.Ready:
		return fatal("57P03", "the database system is starting up")
	case !e.Disabled:
		return nil
	case e.provisioned():
		r := goneRefusal()
		r.Detail = fmt.Sprintf("Database instance %s is stopped.", e.title())
		return r
	}
	return proxied("The requested endpoint is disabled")
}

// goneRefusal is for what was there and is not to be waited for.
func goneRefusal() *refusal { return fatal("57P03", "the database system is shutting down") }

// authenticate judges the password that an OAuth role presented.
func (w *workspace) authenticate(r *route, user, password string) *refusal {
	if r.pooled {
		return fatal("28P01", "SASL authentication failed")
	}
	w.mu.Lock()
	e := w.state.endpoint(r.endpoint)
	if e == nil {
		w.mu.Unlock()
		return goneRefusal()
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
	return autoscalingRefusal(err, claims, user)
}

// provisionedRefusal words a refusal as a database instance does.
func provisionedRefusal(err error, user string) *refusal {
	if errors.Is(err, errNotJWT) || errors.Is(err, errTokenForeign) {
		return refusalFor("decode", user)
	}
	return refusalFor("identity", user)
}

// autoscalingRefusal words a refusal as the proxy before an endpoint does.
func autoscalingRefusal(err error, claims *tokenClaims, user string) *refusal {
	switch {
	case errors.Is(err, errNotJWT):
		return refusalFor("jwt", user)
	case errors.Is(err, errTokenForeign):
		return proxied("jwk not found")
	case errors.Is(err, errTokenExpired):
		return proxied("JWT token has expired (exp=%d)", claims.ExpiresAt.Unix())
	case errors.Is(err, errTokenAudience):
		return refusalFor("audience", user)
	}
	return proxied("%s", refusalFor("identity", user).Message)
}
