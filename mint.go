package lakebase

import (
	"context"
	"errors"
	"time"

	"github.com/lakebase-go/lakebase/internal/locate"

	"github.com/lakebase-go/lakebase/internal/tokencache"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// mint asks the credentials API that fits the target for a new token. It
// looks the target up only where the configuration does not name it outright.
func (c *Connector) mint(ctx context.Context) (tokencache.Credential, error) {
	if c.cfg.TokenSource != nil {
		return c.fetchFromSource(ctx)
	}
	defer c.workspace.CloseIdle()
	target, err := c.mintTarget(ctx)
	if err != nil {
		return tokencache.Credential{}, err
	}
	cred, err := c.mintFor(ctx, target)
	if target.Instance != "" && locate.IsNotFound(err) {
		// The instance may have become a project since it was looked up.
		if f, lookupErr := c.finder().Project(ctx, target.Instance, c.cfg.ReadOnly); lookupErr == nil {
			c.outdateLocation()
			cred, err = c.mintFor(ctx, f.Target)
		}
	}
	if err != nil {
		return tokencache.Credential{}, err
	}
	return tokencache.Credential{Secret: cred.Token, Lifetime: cred.Lifetime, Skew: cred.Skew}, nil
}

func (c *Connector) mintTarget(ctx context.Context) (locate.Target, error) {
	if loc := c.knownLocation(); loc != nil {
		return loc.target, nil
	}
	if target := c.namedTarget(); target != (locate.Target{}) {
		return target, nil
	}
	loc, err := c.sharedLookup(ctx)
	if err != nil {
		return locate.Target{}, err
	}
	return loc.target, nil
}

func (c *Connector) mintFor(ctx context.Context, t locate.Target) (*workspace.Credential, error) {
	if t.Endpoint != "" {
		return c.workspace.EndpointCredential(ctx, t.Endpoint, c.cfg.TokenTTL)
	}
	return c.workspace.InstanceCredential(ctx, t.Instance)
}

// terminalMint says which failures to mint no retry can mend, and how long
// the service asked to wait with the others.
func terminalMint(err error) (terminal bool, retryAfter time.Duration) {
	var api *workspace.Error
	if errors.As(err, &api) {
		return !api.Temporary(), api.RetryAfter
	}
	var e *Error
	if errors.As(err, &e) {
		return !Retryable(e), 0
	}
	return false, 0
}
