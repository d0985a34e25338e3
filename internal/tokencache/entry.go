package tokencache

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/internal/redact"
)

type freshness int

const (
	fresh   freshness = iota // serve it
	stale                    // serve it and refresh it
	late                     // serve it only if no other can be had: it may expire during the login
	expired                  // the server refuses it
)

const (
	maxMargin      = 30 * time.Second
	maxRefreshLead = 10 * time.Minute
)

// The part of a token's age at refresh that is random. A process that needs a
// token at once is one of many that started together, or that the same outage
// held up: their next refreshes are spread over nearly the whole age, or the
// fleet would come back as one for hours.
const (
	scheduledJitter   = 0.10
	unscheduledJitter = 0.90
)

// entry is a token with what is needed to judge its age. Only accepted and
// refused change after the entry is stored.
type entry struct {
	token      *Token
	requested  Instant // when the fetch began: the age counts from here, so it is never too low
	lifetime   time.Duration
	staleAfter time.Duration // age
	lateAfter  time.Duration // age, a margin before the lifetime

	replacement bool        // was fetched because the server refused the token before it
	accepted    atomic.Bool // the server accepted it for a login
	refused     bool        // guarded by the cache's lock
}

// newEntry returns an entry for a credential that was requested at the given
// time. jitter is the part of its age at refresh that is random, by rnd in [0, 1).
func newEntry(cred Credential, requested Instant, refreshAge time.Duration, jitter, rnd float64) *entry {
	life := cred.Lifetime
	age := min(refreshAge, life-min(life/4, maxRefreshLead))
	return &entry{
		token:      NewToken(cred.Secret, requested.Wall.Add(life)),
		requested:  requested,
		lifetime:   life,
		staleAfter: age - time.Duration(rnd*jitter*float64(age)),
		lateAfter:  life - min(maxMargin, life/20),
	}
}

// age is the larger of what the two clocks show. A sleeping machine stops only
// the monotonic clock, and setting the clock back deceives only the wall clock;
// setting it forward causes an early refresh, which is harmless. Only a sleep
// and a clock that is set back by as much go unnoticed together; then the
// server's rejection brings a new token.
func (e *entry) age(now Instant) time.Duration {
	return max(now.Wall.Sub(e.requested.Wall), now.Mono-e.requested.Mono)
}

func (e *entry) freshness(now Instant) freshness {
	switch age := e.age(now); {
	case age >= e.lifetime:
		return expired
	case age >= e.lateAfter:
		return late
	case age >= e.staleAfter:
		return stale
	}
	return fresh
}

// Instant is one reading of both clocks. The wall clock keeps running while the
// machine sleeps but can be set; the monotonic clock cannot be set but may stop
// while the machine sleeps.
type Instant struct {
	Wall time.Time // without a monotonic reading
	Mono time.Duration
}

// SystemClock returns a function that reads the machine's clocks.
func SystemClock() func() Instant {
	start := time.Now()
	return func() Instant {
		t := time.Now()
		return Instant{Wall: t.Round(0), Mono: t.Sub(start)}
	}
}

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
