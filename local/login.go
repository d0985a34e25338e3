package local

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/frontend"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
	"github.com/lakebase-go/lakebase/local/internal/pki"
)

// route returns the route of a connection to the address local, by the server
// name or the id of an endpoint that the client has sent.
func (s *Server) route(serverName, endpoint string, local netip.AddrPort) (*frontend.Route, *frontend.Refusal) {
	s.ws.Lock()
	defer s.ws.Unlock()
	key := endpoint // if there is no such endpoint, no key either
	if e := s.ws.State.EndpointWithUID(endpoint); e != nil {
		key = e.Key
	}
	host, ok := s.hosts.Find(serverName, key, local)
	e := s.ws.State.Endpoint(host.Key)
	switch {
	case !ok:
		r := frontend.Proxied("Endpoint ID is not specified.")
		r.Detail = fmt.Sprintf("No endpoint answers to the server name %q.", serverName)
		r.Hint = "Connect to the host that the workspace names, with a client that sends it (SNI), or pass options=endpoint=<endpoint-id>."
		return nil, r
	case e == nil:
		return nil, shuttingDown()
	}
	return &frontend.Route{
		Target: e.Key, Compute: e.ComputeOf(host.Kind),
		Provisioned: e.Provisioned(),
		External:    s.ws.External(),
		Native:      e.Branch.Project.NativeLogin,
		Pooled:      host.Kind.IsPooled(),
		Refuse:      s.closed(e, host, local),
	}, nil
}

// closed returns the endpoint's answer to every login, or nil if clients can
// log in. The caller holds the lock.
func (s *Server) closed(e *model.Endpoint, host hosts.Binding, local netip.AddrPort) *frontend.Refusal {
	switch {
	case s.hosts.Moved(host, local):
		r := shuttingDown()
		r.Detail = fmt.Sprintf("%s has moved to another address.", host.Host)
		r.Hint = "Look the host name up again."
		return r
	case e.Change == model.Deleting:
		return shuttingDown()
	case e.Change == model.FailingOver, e.Change == model.Starting, !e.Branch.Ready:
		return frontend.Fatal("57P03", "the database system is starting up")
	case !e.Disabled:
		return nil
	case e.Provisioned():
		r := shuttingDown()
		r.Detail = fmt.Sprintf("Database instance %s is stopped.", e.Title())
		return r
	}
	return frontend.Proxied("The requested endpoint is disabled")
}

func shuttingDown() *frontend.Refusal {
	return frontend.Fatal("57P03", "the database system is shutting down")
}

// authenticate checks the token of an OAuth role.
func (s *Server) authenticate(r *frontend.Route, user, token string) *frontend.Refusal {
	if r.Pooled && s.faults.get().Login.NoPooledTokens {
		return frontend.Fatal("28P01", "SASL authentication failed")
	}
	s.ws.Lock()
	defer s.ws.Unlock()
	e := s.ws.State.Endpoint(r.Target)
	if e == nil {
		return shuttingDown()
	}
	claims, err := s.tokens.Verify(token, pki.ScopePostgres, e.Audience()...)
	if errors.Is(err, pki.ErrAudience) && e.Provisioned() { // instances take tokens of the workspace, too
		claims, err = s.tokens.Verify(token, pki.ScopeWorkspace, s.ws.State.WorkspaceID)
	}
	if err == nil && !s.ws.State.MayLoginAs(claims.Subject, user) {
		err = pki.ErrSubject
	}
	if err == nil {
		return nil
	}
	s.log.Info("login refused", "role", user, "target", e.Title(), "error", err)
	if e.Provisioned() {
		return provisionedRefusal(err, user)
	}
	return autoscalingRefusal(err, claims, user)
}

// provisionedRefusal is the refusal of a database instance.
func provisionedRefusal(err error, user string) *frontend.Refusal {
	if errors.Is(err, pki.ErrNotJWT) || errors.Is(err, pki.ErrForeign) {
		return refusal("decode", user)
	}
	return refusal("identity", user)
}

// autoscalingRefusal is the refusal of the proxy in front of an endpoint.
func autoscalingRefusal(err error, claims *pki.Claims, user string) *frontend.Refusal {
	switch {
	case errors.Is(err, pki.ErrNotJWT):
		return refusal("jwt", user)
	case errors.Is(err, pki.ErrForeign):
		return frontend.Proxied("jwk not found")
	case errors.Is(err, pki.ErrExpired):
		return frontend.Proxied("JWT token has expired (exp=%d)", claims.ExpiresAt.Unix())
	case errors.Is(err, pki.ErrAudience):
		return refusal("audience", user)
	}
	return frontend.Proxied("%s", refusal("identity", user).Message)
}

func refusal(kind, user string) *frontend.Refusal {
	return frontend.LoginRefusal(kind, user, compute.DefaultDatabase)
}
