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

// fetchFromSource gets a credential from the configuration's TokenSource.
func (c *Connector) fetchFromSource(ctx context.Context) (tokencache.Credential, error) {
	requested := time.Now()
	token, err := c.cfg.TokenSource.Token(ctx)
	if err != nil {
		return tokencache.Credential{}, c.sourceError(err)
	}
	lifetime := c.cfg.TokenRefresh + unknownLifetime
	if expiry := token.Expiry(); !expiry.IsZero() {
		lifetime = expiry.Sub(requested.Round(0)) // by the wall clock: a machine may have slept
	}
	return tokencache.Credential{Secret: token.Secret(), Lifetime: lifetime}, nil
}

// sourceError explains a failure of the TokenSource. It returns an Error that
// it finds inside.
func (c *Connector) sourceError(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return &Error{Kind: KindConnectFailed, Resource: c.cfg.Target(), Message: "the token source returned an error", Err: err}
}
