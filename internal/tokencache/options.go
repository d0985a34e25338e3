package tokencache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/lakebase-go/lakebase/internal/redact"
)

// Credential is a new password for the database, as Options.Fetch returns it. It
// prints as [redacted].
type Credential struct {
	Secret string
	// Lifetime is the remaining time when the request was sent, by the server's own
	// clock. It may be too short by a second and the duration of the call, and is
	// never too long.
	Lifetime time.Duration
	// Skew is the local clock minus the server's, zero if unknown. It is off by
	// up to a second and half the duration of the call.
	Skew time.Duration
}

// Format prints [redacted] for every verb and flag.
func (Credential) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redact.Placeholder)) }

// MarshalText returns [redacted], for JSON and logs.
func (Credential) MarshalText() ([]byte, error) { return []byte(redact.Placeholder), nil }

var (
	errEmptyToken   = errors.New("the token received is empty")
	errExpiredToken = errors.New("the token received has expired")
)

// check reports what makes c useless, if anything.
func (c Credential) check() error {
	switch {
	case c.Secret == "":
		return errEmptyToken
	case c.Lifetime <= 0:
		return errExpiredToken
	}
	return nil
}

// Options configure a [Cache].
type Options struct {
	// Fetch gets a new credential. One goroutine at a time calls it, with a
	// context of the cache's own, and it must return when that context ends.
	Fetch func(ctx context.Context) (Credential, error)
	// Terminal reports whether it is pointless to call Fetch again after err,
	// and otherwise how long the server asks to wait.
	Terminal func(err error) (terminal bool, retryAfter time.Duration)

	RefreshAge time.Duration // age at which a token is refreshed at the latest
	Logger     *slog.Logger
	Name       string // what the token is for, as the log's target

	Now  func() Instant // nil means the machine's clocks
	Rand func() float64 // in [0, 1), called by one goroutine at a time; nil means math/rand
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = SystemClock()
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	return o
}
