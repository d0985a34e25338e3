package lakebase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/tokencache"
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
