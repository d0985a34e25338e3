package lakebase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/tokencache"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// Token is a Postgres password that expires. It prints as [redacted] in every
// format and encoding; Secret returns the password itself. The zero Token has
// no password. It is safe for concurrent use.
type Token struct {
	token *tokencache.Token
}

// NewToken returns a Token, for implementations of [TokenSource]. expiry is the
// time of the local wall clock at which the server stops accepting it for new
// logins; zero means that it is not known.
func NewToken(secret string, expiry time.Time) Token {
	return Token{tokencache.NewToken(secret, expiry)}
}

// Secret returns the password. Never log it.
func (t Token) Secret() string {
	if t.token == nil {
		return ""
	}
	return t.token.Secret()
}

// Expiry returns the local wall-clock time at which the server stops
// accepting the token for new logins, corrected for the difference between the
// two clocks. It is zero if that time is not known.
func (t Token) Expiry() time.Time {
	if t.token == nil {
		return time.Time{}
	}
	return t.token.Expiry()
}

// Format prints [redacted] for every verb and flag.
func (t Token) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redact.Placeholder)) }

// String returns [redacted].
func (t Token) String() string { return redact.Placeholder }

// GoString returns [redacted].
func (t Token) GoString() string { return redact.Placeholder }

// LogValue returns [redacted].
func (t Token) LogValue() slog.Value { return slog.StringValue(redact.Placeholder) }

// MarshalText returns [redacted], so that no encoder writes the password.
func (t Token) MarshalText() ([]byte, error) { return []byte(redact.Placeholder), nil }

// MarshalJSON returns "[redacted]".
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + redact.Placeholder + `"`), nil }

// GobEncode fails: a decodable copy of a token would be a stored secret.
func (t Token) GobEncode() ([]byte, error) {
	return nil, errors.New("a token cannot be encoded; ask the connector for one instead")
}

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
