package rest

import (
	"cmp"
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

// The calls for database tokens.
const (
	instanceCredentials = "POST /api/2.0/database/credentials"
	endpointCredentials = "POST /api/2.0/postgres/credentials"
)

// credentials signs database tokens.
type credentials struct{ *API }

func (h credentials) routes() {
	h.permitted(instanceCredentials, decoded(h.forInstances))
	h.permitted(endpointCredentials, decoded(h.forEndpoint))
}

type instanceCredentialRequest struct {
	InstanceNames []string         `json:"instance_names"`
	Claims        []pki.Permission `json:"claims"`
}

// forInstances signs a token for Provisioned instances.
func (h credentials) forInstances(c *Call, in instanceCredentialRequest) (any, error) {
	if len(in.InstanceNames) == 0 && len(in.Claims) == 0 {
		return nil, apierror.Invalid("At least one of instance_names and claims is required.")
	}
	audience, err := h.instanceAudience(in.InstanceNames)
	if err != nil {
		return nil, err
	}
	return h.mint(c, audience, h.o.TokenLifetime, in.Claims, "expiration_time")
}

// instanceAudience returns the audience of a token for the named instances.
// Without names it is for all instances.
func (h credentials) instanceAudience(names []string) ([]string, error) {
	h.ws.Lock()
	defer h.ws.Unlock()
	var audience []string
	if len(names) == 0 {
		for _, i := range h.ws.State.Instances() {
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

type endpointCredentialRequest struct {
	Endpoint   string           `json:"endpoint"`
	Claims     []pki.Permission `json:"claims"`
	TTL        *protoDuration   `json:"ttl"`
	ExpireTime time.Time        `json:"expire_time"`
}

// forEndpoint signs a token for an Autoscaling endpoint.
func (h credentials) forEndpoint(c *Call, in endpointCredentialRequest) (any, error) {
	if in.Endpoint == "" {
		return nil, apierror.Required("endpoint")
	}
	lifetime, err := h.requestedLifetime(c, in.TTL, in.ExpireTime)
	if err != nil {
		return nil, err
	}
	if strings.Count(in.Endpoint, "/") != 5 {
		return nil, apierror.NotAPath(in.Endpoint) // EndpointAt accepts shorter paths
	}
	e, err := h.ws.Lookup(in.Endpoint)
	if err != nil {
		return nil, err
	}
	return h.mint(c, []string{e.UID}, lifetime, in.Claims, "expire_time")
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
		lifetime, field = expire.Sub(c.now), "expire_time"
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

// mint signs a database token for the caller, and replies with it and its expiry
// as field. A fault may change its lifetime.
func (h credentials) mint(c *Call, audience []string, lifetime time.Duration, claims []pki.Permission, field string) (any, error) {
	for _, claim := range claims {
		if claim.PermissionSet != "READ_ONLY" {
			return nil, apierror.Invalid("permission_set must be READ_ONLY, got '%s'.", claim.PermissionSet)
		}
		if len(claim.Resources) == 0 {
			return nil, apierror.Required("claims.resources")
		}
	}
	token, expires, err := h.o.Tokens.Mint(pki.Request{
		Subject: c.caller.Name, Audience: audience, Scope: pki.ScopePostgres, Permissions: claims, Issued: c.now,
		Lifetime: cmp.Or(h.o.FaultyLifetime(), lifetime),
	})
	if err != nil {
		return nil, err
	}
	h.o.OnToken()
	return map[string]any{"token": token, field: expires.Format(time.RFC3339)}, nil
}
