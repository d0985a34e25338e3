package tokencache

import (
	"fmt"
	"time"

	"github.com/lakebase-go/lakebase/internal/redact"
)

// Token is a credential as the cache serves it. It is immutable, and prints as
// [redacted] in every format.
//
// The secret is behind a pointer: for a Token in an unexported field fmt calls
// no method and prints what it finds, which is then an address.
type Token struct {
	secret *string
	expiry time.Time
}

// NewToken returns a Token. A zero expiry means that it is not known.
func NewToken(secret string, expiry time.Time) *Token { return &Token{&secret, expiry} }

// Secret returns the secret itself. Never log it.
func (t *Token) Secret() string { return *t.secret }

// Expiry returns the time of the local wall clock at which the server stops
// accepting the token, or zero if that is not known.
func (t *Token) Expiry() time.Time { return t.expiry }

// Format prints [redacted] for every verb and flag.
func (*Token) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redact.Placeholder)) }
