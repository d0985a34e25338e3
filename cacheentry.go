package lakebase

import (
	"sync/atomic"
	"time"
)

// instant is one reading of both clocks. The wall clock runs on while the
// machine sleeps but may be set; the monotonic one is never set but may stop
// while the machine sleeps.
type instant struct {
	wall time.Time // without a monotonic reading
	mono time.Duration
}

// systemClock reads the machine's clocks.
func systemClock() func() instant {
	start := time.Now()
	return func() instant {
		t := time.Now()
		return instant{wall: t.Round(0), mono: t.Sub(start)}
	}
}

type freshness int

const (
	fresh   freshness = iota // serve it
	stale                    // serve it and refresh it
	expired                  // the server may refuse it
)

const (
	defaultRefreshAge = 50 * time.Minute
	maxMargin         = 30 * time.Second
	maxRefreshLead    = 10 * time.Minute
	refreshJitter     = 0.10
)

// entry is a token with what is needed to judge its age. Only accepted and
// refused change after it was stored.
type entry struct {
	token      Token
	requested  instant // when the mint began: the age counts from here, so it is never too low
	lifetime   time.Duration
	staleAfter time.Duration // age
	expiresAt  time.Duration // age, a margin before the lifetime

	reborn   bool        // minted in answer to a rejection
	accepted atomic.Bool // the server took it for a login
	refused  bool        // guarded by the cache's lock
}

// newEntry makes an entry for a credential that was requested at the given
// time. rnd in [0, 1) spreads the refreshes of a fleet.
func newEntry(cred credential, requested instant, refreshAge time.Duration, rnd float64) *entry {
	life := cred.lifetime
	age := min(refreshAge, life-min(life/4, maxRefreshLead))
	return &entry{
		token:      newToken(cred.secret, requested.wall.Add(life)),
		requested:  requested,
		lifetime:   life,
		staleAfter: age - time.Duration(rnd*refreshJitter*float64(age)),
		expiresAt:  life - min(maxMargin, life/20),
	}
}

// age is the larger of what the two clocks say. A sleeping machine stops only
// the monotonic one; a clock set back deceives only the wall one; a clock set
// forward makes for an early refresh, which is harmless. Only both at once,
// a sleep and a clock set back by as much, go unseen; then the server's
// rejection tells.
func (e *entry) age(now instant) time.Duration {
	return max(now.wall.Sub(e.requested.wall), now.mono-e.requested.mono)
}

func (e *entry) freshness(now instant) freshness {
	switch age := e.age(now); {
	case age >= e.expiresAt:
		return expired
	case age >= e.staleAfter:
		return stale
	}
	return fresh
}
