package lakebase

import (
	"context"
	"errors"
	"time"

	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/tokencache"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// unknownLifetime is how much longer than TokenRefresh a token without an expiry is
// used while it cannot be replaced.
const unknownLifetime = 10 * time.Minute

// fetchFromSource gets a token from the TokenSource.
func (c *Config) fetchFromSource(ctx context.Context) (tokencache.Credential, error) {
	requested := time.Now()
	token, err := c.TokenSource.Token(ctx)
	if e := (*Error)(nil); errors.As(err, &e) {
		return tokencache.Credential{}, e
	}
	if err != nil {
		return tokencache.Credential{}, &Error{Kind: KindConnectFailed, Resource: c.Target(), Message: "the token source returned an error", Err: err}
	}
	lifetime := c.TokenRefresh + unknownLifetime
	if expiry := token.Expiry(); !expiry.IsZero() {
		lifetime = expiry.Sub(requested.Round(0)) // by the wall clock: a machine may have slept
	}
	return tokencache.Credential{Secret: token.Secret(), Lifetime: lifetime}, nil
}

// fetchToken asks the credentials API that fits the target for a new token. It looks
// the target up only if the configuration does not name it outright.
func (l *locator) fetchToken(ctx context.Context) (tokencache.Credential, error) {
	defer l.workspace.CloseIdle()
	target, err := l.mintTarget(ctx)
	if err != nil {
		return tokencache.Credential{}, err
	}
	failed := l.failed.Load()
	cred, err := l.mint(ctx, target)
	if err == nil {
		l.failed.CompareAndSwap(failed, nil) // the workspace knows the target again
	}
	if target.Instance != "" && isRefused(err) {
		// The instance may have become a project since it was looked up.
		if project, lookupErr := l.findProject(ctx, target.Instance); lookupErr == nil {
			l.outdate()
			return l.mint(ctx, project)
		}
	}
	return cred, err
}

func (l *locator) mintTarget(ctx context.Context) (steps.Target, error) {
	if loc := l.known(); loc != nil {
		return loc.target, nil
	}
	if target := l.named(); target.Name() != "" {
		return target, nil
	}
	loc, err := l.sharedLookup(ctx)
	if err != nil {
		return steps.Target{}, err
	}
	return loc.target, nil
}

func (l *locator) mint(ctx context.Context, t steps.Target) (tokencache.Credential, error) {
	if t.Endpoint != "" {
		return l.workspace.EndpointCredential(ctx, t.Endpoint, l.cfg.TokenTTL, l.cfg.Claims)
	}
	return l.workspace.InstanceCredential(ctx, t.Instance, l.cfg.Claims)
}

// terminalFetch reports which failures are final, and how long the service asked
// to wait after the others.
func terminalFetch(err error) (terminal bool, retryAfter time.Duration) {
	var api *workspace.Error
	if errors.As(err, &api) {
		return api.NoSuchHost() || !Retryable(workspaceError(err, "")), api.RetryAfter
	}
	var e *Error
	if errors.As(err, &e) {
		return !Retryable(e), 0
	}
	return false, 0
}
