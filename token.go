package lakebase

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lakebase-go/lakebase/internal/redact"
)

// Token is a Postgres password that expires. It prints as [redacted] in
// every format; Secret returns the password itself.
//
// The zero Token has no password.
type Token struct {
	// A pointer, because fmt calls no method on a Token in someone's
	// unexported field: there it prints what it finds, and this is an address.
	secret *string
	// Unix nanoseconds, zero if unknown: a time.Time's location is shared
	// memory that fmt would read in the same way.
	expiry int64
}

// newToken returns a Token. A zero expiry means that it is not known.
func newToken(secret string, expiry time.Time) Token {
	t := Token{secret: &secret}
	if !expiry.IsZero() {
		t.expiry = expiry.UnixNano()
	}
	return t
}

// Secret returns the password. Never log it.
func (t Token) Secret() string {
	if t.secret == nil {
		return ""
	}
	return *t.secret
}

// Expiry returns the local wall-clock time at which the server stops
// accepting the token for new logins, corrected for the clock skew seen at
// the mint. It is zero if that is not known.
func (t Token) Expiry() time.Time {
	if t.expiry == 0 {
		return time.Time{}
	}
	return time.Unix(0, t.expiry)
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

// GobEncode fails: a token that could be read back would be a secret at rest.
func (t Token) GobEncode() ([]byte, error) {
	return nil, errors.New("a token cannot be encoded; ask the connector for one instead")
}
