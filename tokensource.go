package lakebase

import (
	"context"
	"errors"
	"time"

	"github.com/lakebase-go/lakebase/internal/tokencache"
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
