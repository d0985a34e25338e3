package rest

import (
	"net/http"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/pki"
)

// The lifetimes that a credential request may ask for.
const (
	minTTL = 300 * time.Second
	maxTTL = 3600 * time.Second
)

const (
	instanceCredentialsPath = "/api/2.0/database/credentials"
	endpointCredentialsPath = "/api/2.0/postgres/credentials"
)

func isCredentialCall(req *http.Request) bool {
	return req.Method == http.MethodPost && (req.URL.Path == instanceCredentialsPath || req.URL.Path == endpointCredentialsPath)
}

// credentials signs database tokens.
type credentials struct{ *router }

func (h credentials) routes() {
	h.resource("POST "+instanceCredentialsPath, h.forInstances)
	h.resource("POST "+endpointCredentialsPath, h.forEndpoint)
}

// forInstances signs a token for Provisioned instances.
func (h credentials) forInstances(c *Call) (any, error) {
	var in struct {
		RequestID     string           `json:"request_id"`
		InstanceNames []string         `json:"instance_names"`
		Claims        []pki.Permission `json:"claims"`
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if len(in.InstanceNames) == 0 && len(in.Claims) == 0 {
		return nil, apierror.Invalid("At least one of instance_names and claims is required.")
	}
	if err := checkClaims(in.Claims); err != nil {
		return nil, err
	}
	audience, err := h.instanceAudience(in.InstanceNames)
	if err != nil {
		return nil, err
	}
	token, expires, err := h.mint(c, audience, h.o.TokenLifetime, in.Claims)
	if err != nil {
		return nil, err
	}
	return map[string]any{"token": token, "expiration_time": expires.Format(time.RFC3339)}, nil
}

// instanceAudience returns the audience of a token for the named instances.
// Without names it is for all instances.
func (h credentials) instanceAudience(names []string) ([]string, error) {
	h.ws.Lock()
	defer h.ws.Unlock()
	var audience []string
	if len(names) == 0 {
		for _, i := range h.ws.State.Instances {
			audience = append(audience, i.Endpoint().Audience()...)
		}
	}
	for _, name := range names {
		i := h.ws.State.Instance(name)
		if i == nil {
			return nil, apierror.MissingInstance(name)
		}
		audience = append(audience, i.UID)
	}
	return audience, nil
}

// forEndpoint signs a token for an Autoscaling endpoint.
func (h credentials) forEndpoint(c *Call) (any, error) {
	var in struct {
		Endpoint   string           `json:"endpoint"`
		Claims     []pki.Permission `json:"claims"`
		TTL        *protoDuration   `json:"ttl"`
		ExpireTime time.Time        `json:"expire_time"`
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if in.Endpoint == "" {
		return nil, apierror.Required("endpoint")
	}
	if err := checkClaims(in.Claims); err != nil {
		return nil, err
	}
	lifetime, err := h.requestedLifetime(c, in.TTL, in.ExpireTime)
	if err != nil {
		return nil, err
	}
	if strings.Count(in.Endpoint, "/") != 5 {
		return nil, apierror.NotAPath(in.Endpoint) // EndpointAt accepts shorter paths
	}
	h.ws.Lock()
	e, err := h.ws.State.EndpointAt(in.Endpoint)
	if err != nil {
		h.ws.Unlock()
		return nil, err
	}
	audience := []string{e.UID}
	h.ws.Unlock()
	token, expires, err := h.mint(c, audience, lifetime, in.Claims)
	if err != nil {
		return nil, err
	}
	return map[string]any{"token": token, "expire_time": expires.Format(time.RFC3339)}, nil
}

// requestedLifetime returns the lifetime that a request asks for in one of two
// ways, or the default.
func (h credentials) requestedLifetime(c *Call, ttl *protoDuration, expire time.Time) (time.Duration, error) {
	lifetime, field, got := time.Duration(0), "ttl", ""
	switch {
	case ttl != nil && !expire.IsZero():
		return 0, apierror.Invalid("Only one of ttl and expire_time can be set.")
	case ttl != nil:
		lifetime = time.Duration(*ttl)
		got = lifetime.String()
	case !expire.IsZero():
		lifetime, field = expire.Sub(c.now()), "expire_time"
		got = expire.Format(time.RFC3339)
		// The request has whole seconds, and took some time to arrive.
		if lifetime > minTTL-10*time.Second && lifetime < minTTL {
			lifetime = minTTL
		}
	default:
		return h.o.TokenLifetime, nil
	}
	if lifetime < minTTL || lifetime > maxTTL {
		return 0, apierror.Invalid("Field '%s' must be between %.0fs and %.0fs from now, got %s.", field, minTTL.Seconds(), maxTTL.Seconds(), got)
	}
	return lifetime, nil
}

// mint signs a database token for the caller. A fault may change its lifetime.
func (h credentials) mint(c *Call, audience []string, lifetime time.Duration, claims []pki.Permission) (string, time.Time, error) {
	if short := h.o.Faults.TokenLifetime(); short > 0 {
		lifetime = short
	}
	token, expires, err := h.o.Tokens.Mint(pki.Request{
		Subject: c.caller.Name, Audience: audience, Scope: pki.ScopePostgres, Lifetime: lifetime, Permissions: claims, Issued: c.now(),
	})
	if err == nil {
		h.o.Stats.TokenMinted()
	}
	return token, expires, err
}

// checkClaims refuses permissions that the service does not have.
func checkClaims(claims []pki.Permission) error {
	for _, claim := range claims {
		if claim.PermissionSet != "READ_ONLY" {
			return apierror.Invalid("permission_set must be READ_ONLY, got '%s'.", claim.PermissionSet)
		}
		if len(claim.Resources) == 0 {
			return apierror.Required("claims.resources")
		}
	}
	return nil
}
