package local

import (
	"strings"
	"time"
)

// The lifetimes that a credential request may ask for.
const (
	minTTL = 300 * time.Second
	maxTTL = 3600 * time.Second
)

// instanceCredential mints a password for Provisioned instances.
func (a *restAPI) instanceCredential(c *call) (any, error) {
	var in struct {
		RequestID     string            `json:"request_id"`
		InstanceNames []string          `json:"instance_names"`
		Claims        []requestedClaims `json:"claims"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.InstanceNames) == 0 && len(in.Claims) == 0 {
		return nil, errInvalid("At least one of instance_names and claims is required.")
	}
	if err := checkClaims(in.Claims); err != nil {
		return nil, err
	}
	audience, err := a.ws.instanceAudience(in.InstanceNames)
	if err != nil {
		return nil, err
	}
	token, expires, err := a.mint(c, audience, a.server.tokenLifetime(), in.Claims)
	if err != nil {
		return nil, err
	}
	return map[string]any{"token": token, "expiration_time": expires.Format(time.RFC3339)}, nil
}

// instanceAudience is what a token for the named instances may be used for;
// one that was asked for by its claims alone opens every instance.
func (w *workspace) instanceAudience(names []string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var audience []string
	if len(names) == 0 {
		for _, i := range w.state.Instances {
			audience = append(audience, i.endpoint().audience()...)
		}
	}
	for _, name := range names {
		i := w.state.instance(name)
		if i == nil {
			return nil, errMissingInstance(name)
		}
		audience = append(audience, i.UID)
	}
	return audience, nil
}

// endpointCredential mints a password for an Autoscaling endpoint.
func (a *restAPI) endpointCredential(c *call) (any, error) {
	var in struct {
		Endpoint   string            `json:"endpoint"`
		Claims     []requestedClaims `json:"claims"`
		TTL        *protoDuration    `json:"ttl"`
		ExpireTime time.Time         `json:"expire_time"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Endpoint == "" {
		return nil, errRequired("endpoint")
	}
	if err := checkClaims(in.Claims); err != nil {
		return nil, err
	}
	lifetime, err := a.requestedLifetime(c, in.TTL, in.ExpireTime)
	if err != nil {
		return nil, err
	}
	if strings.Count(in.Endpoint, "/") != 5 {
		return nil, errNotAPath(in.Endpoint) // what may be left out elsewhere must be there
	}
	a.ws.mu.Lock()
	e, err := a.ws.state.endpointAt(in.Endpoint)
	if err != nil {
		a.ws.mu.Unlock()
		return nil, err
	}
	audience := e.UID
	a.ws.mu.Unlock()
	token, expires, err := a.mint(c, []string{audience}, lifetime, in.Claims)
	if err != nil {
		return nil, err
	}
	return map[string]any{"token": token, "expire_time": expires.Format(time.RFC3339)}, nil
}

// requestedLifetime is how long a token is asked to live, at most one way.
func (a *restAPI) requestedLifetime(c *call, ttl *protoDuration, expire time.Time) (time.Duration, error) {
	lifetime, field, got := time.Duration(0), "ttl", ""
	switch {
	case ttl != nil && !expire.IsZero():
		return 0, errInvalid("Only one of ttl and expire_time can be set.")
	case ttl != nil:
		lifetime = time.Duration(*ttl)
		got = lifetime.String()
	case !expire.IsZero():
		lifetime, field = expire.Sub(c.now()), "expire_time"
		got = expire.Format(time.RFC3339)
		// Asked for in whole seconds, some of which have passed on the way.
		if lifetime > minTTL-10*time.Second && lifetime < minTTL {
			lifetime = minTTL
		}
	default:
		return a.server.tokenLifetime(), nil
	}
	if lifetime < minTTL || lifetime > maxTTL {
		return 0, errInvalid("Field '%s' must be between %.0fs and %.0fs from now, got %s.", field, minTTL.Seconds(), maxTTL.Seconds(), got)
	}
	return lifetime, nil
}

// mint signs a database token, unless a fault decides how long it lives.
func (a *restAPI) mint(c *call, audience []string, lifetime time.Duration, claims []requestedClaims) (string, time.Time, error) {
	if short := a.faults.get().Tokens.Lifetime; short > 0 {
		lifetime = time.Duration(short)
	}
	token, expires, err := a.ws.tokens.mint(tokenRequest{
		subject: c.caller.Name, audience: audience, scope: scopePostgres, lifetime: lifetime, claims: claims, issued: c.now(),
	})
	if err == nil {
		a.stats.tokensMinted.Add(1)
	}
	return token, expires, err
}

// checkClaims refuses permissions that the service does not have.
func checkClaims(claims []requestedClaims) error {
	for _, claim := range claims {
		if claim.PermissionSet != "READ_ONLY" {
			return errInvalid("permission_set must be READ_ONLY, got '%s'.", claim.PermissionSet)
		}
		if len(claim.Resources) == 0 {
			return errRequired("claims.resources")
		}
	}
	return nil
}
