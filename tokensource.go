package lakebase

import (
	"context"
	"errors"
	"time"

	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/tokencache"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// TokenSource supplies Postgres tokens to a [Connector], which caches them: a
// program that gets them from elsewhere, or from another version of the SDK,
// sets one as Config.TokenSource.
type TokenSource interface {
	// Token returns a token that the server accepts for new logins, and should
	// return a new one each time: it is called when the last one gets old or was
	// rejected, by one goroutine at a time and with a context of at most 30
	// seconds. A token whose expiry is not known is replaced at the age of
	// Config.TokenRefresh.
	//
	// Callers that wait for a token get the error at once, except that one for
	// which [Retryable] is true is retried for as long as they wait.
	Token(ctx context.Context) (Token, error)
}

// unknownLifetime is how much longer than TokenRefresh a token without an expiry is
// used while it cannot be replaced.
const unknownLifetime = 10 * time.Minute

// sourceFetcher gets tokens from the TokenSource of a Config.
type sourceFetcher struct{ cfg *Config }

func (f sourceFetcher) fetch(ctx context.Context) (tokencache.Credential, error) {
	requested := time.Now()
	token, err := f.cfg.TokenSource.Token(ctx)
	if e := (*Error)(nil); errors.As(err, &e) {
		return tokencache.Credential{}, e
	}
	if err != nil {
		return tokencache.Credential{}, &Error{Kind: KindConnectFailed, Resource: f.cfg.Target(), Message: "the token source returned an error", Err: err}
	}
	lifetime := f.cfg.TokenRefresh + unknownLifetime
	if expiry := token.Expiry(); !expiry.IsZero() {
		lifetime = expiry.Sub(requested.Round(0)) // by the wall clock: a machine may have slept
	}
	return tokencache.Credential{Secret: token.Secret(), Lifetime: lifetime}, nil
}

// minter gets tokens from the workspace.
type minter struct{ *locator }

// fetch asks the credentials API that fits the target for a new token. It looks
// the target up only if the configuration does not name it outright.
func (m minter) fetch(ctx context.Context) (tokencache.Credential, error) {
	defer m.workspace.CloseIdle()
	target, err := m.target(ctx)
	if err != nil {
		return tokencache.Credential{}, err
	}
	cred, err := m.mint(ctx, target)
	if target.Instance != "" && isNotFound(err) {
		// The instance may have become a project since it was looked up.
		if project, lookupErr := m.findProject(ctx, target.Instance); lookupErr == nil {
			m.outdate()
			return m.mint(ctx, project)
		}
	}
	return cred, err
}

func (m minter) target(ctx context.Context) (steps.Target, error) {
	if loc := m.known(); loc != nil {
		return loc.target, nil
	}
	if target := m.named(); target.Name() != "" {
		return target, nil
	}
	loc, err := m.sharedLookup(ctx)
	if err != nil {
		return steps.Target{}, err
	}
	return loc.target, nil
}

func (m minter) mint(ctx context.Context, t steps.Target) (tokencache.Credential, error) {
	if t.Endpoint != "" {
		return m.workspace.EndpointCredential(ctx, t.Endpoint, m.cfg.TokenTTL)
	}
	return m.workspace.InstanceCredential(ctx, t.Instance)
}

// terminalFetch reports which failures are final, and how long the service asked
// to wait after the others.
func terminalFetch(err error) (terminal bool, retryAfter time.Duration) {
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
