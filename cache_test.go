package lakebase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// fakeMint is a credentials API: it counts its calls, numbers its tokens and
// answers as told.
type fakeMint struct {
	lifetime time.Duration
	takes    time.Duration
	skew     time.Duration

	mu       sync.Mutex
	calls    int
	inFlight int
	overlaps int
	times    []time.Time
	fail     func(call int) error // nil means success
	secret   func(call int) string
}

func newFakeMint(lifetime time.Duration) *fakeMint {
	return &fakeMint{
		lifetime: lifetime,
		takes:    100 * time.Millisecond,
		fail:     func(int) error { return nil },
		secret:   func(call int) string { return fmt.Sprintf("token-%d", call) },
	}
}

func (m *fakeMint) mint(ctx context.Context) (credential, error) {
	m.mu.Lock()
	m.calls++
	call := m.calls
	if m.inFlight++; m.inFlight > 1 {
		m.overlaps++
	}
	m.times = append(m.times, time.Now())
	timer := time.NewTimer(m.takes)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.inFlight--
		m.mu.Unlock()
	}()
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return credential{}, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail(call); err != nil {
		return credential{}, err
	}
	return credential{secret: m.secret(call), lifetime: m.lifetime, skew: m.skew}, nil
}

func (m *fakeMint) set(f func(call int) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = f
}

func (m *fakeMint) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// check fails the test if the mint was ever called by two at a time.
func (m *fakeMint) check(t *testing.T) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.overlaps > 0 {
		t.Errorf("%d mints overlapped", m.overlaps)
	}
}

// refusal is a terminal failure; outage a transient one.
type refusal struct{}

func (refusal) Error() string { return "403 no permission" }

type outage struct{ after time.Duration }

func (outage) Error() string { return "503 try later" }

func judgeFake(err error) (bool, time.Duration) {
	var o outage
	if errors.As(err, &o) {
		return false, o.after
	}
	return errors.As(err, &refusal{}), 0
}

func (m *fakeMint) options() cacheOptions {
	return cacheOptions{mint: m.mint, terminal: judgeFake, logger: slog.New(slog.DiscardHandler), name: "test"}
}

func always(err error) func(int) error { return func(int) error { return err } }

// bubble runs f with a cache over m in fake time and checks that closing
// leaves nothing behind: synctest fails if a goroutine outlives it.
func bubble(t *testing.T, m *fakeMint, change func(*cacheOptions), f func(t *testing.T, c *tokenCache)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := m.options()
		if change != nil {
			change(&o)
		}
		c := newTokenCache(o)
		defer c.close()
		f(t, c)
		m.check(t)
	})
}

func mustGet(t *testing.T, c *tokenCache) Token {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tok, err := c.get(ctx)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if tok.Secret() == "" {
		t.Fatal("get returned an empty token")
	}
	return tok
}

func TestCacheMintsOnceForManyOfWhomHalfGiveUp(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.takes = 10 * time.Second
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		var wg sync.WaitGroup
		var served, cancelled atomic.Int32
		var longest atomic.Int64
		for i := range 1000 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%2 == 0 { // the first to come is among those that go
					time.AfterFunc(time.Duration(1+i%9)*time.Second, cancel)
				}
				start := time.Now()
				tok, err := c.get(ctx)
				switch {
				case err == nil && tok.Secret() == "token-1":
					served.Add(1)
					longest.Store(max(longest.Load(), int64(time.Since(start))))
				case errors.Is(err, context.Canceled):
					cancelled.Add(1)
				default:
					t.Errorf("get: %v %v", tok, err)
				}
			})
		}
		wg.Wait()
		if m.count() != 1 {
			t.Errorf("%d mints", m.count())
		}
		if served.Load() != 500 || cancelled.Load() != 500 {
			t.Errorf("%d served, %d cancelled", served.Load(), cancelled.Load())
		}
		if d := time.Duration(longest.Load()); d > 10*time.Second {
			t.Errorf("a survivor waited %s for a mint of 10s", d)
		}
	})
}

func TestCacheFinishesTheMintThatEveryoneLeft(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.takes = 10 * time.Second
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("get: %v", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("waited %s", d)
		}
		mustGet(t, c)
		if m.count() != 1 {
			t.Errorf("%d mints: the one in flight was thrown away", m.count())
		}
	})
}

func TestCacheServesStaleTokenWhileItRefreshes(t *testing.T) {
	m := newFakeMint(time.Hour)
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		first := mustGet(t, c)
		time.Sleep(44 * time.Minute) // 50 min less at most 10 %
		if mustGet(t, c); m.count() != 1 {
			t.Errorf("refreshed a fresh token: %d mints", m.count())
		}
		time.Sleep(6 * time.Minute)
		for range 10 {
			start := time.Now()
			if tok := mustGet(t, c); tok != first || time.Since(start) != 0 {
				t.Error("did not serve the stale token at once")
			}
		}
		synctest.Wait()
		time.Sleep(m.takes)
		synctest.Wait()
		if tok := mustGet(t, c); tok.Secret() != "token-2" || m.count() != 2 {
			t.Errorf("%d mints", m.count())
		}
	})
}

func TestCacheWaitsWhenTheTokenHasExpired(t *testing.T) {
	m := newFakeMint(5 * time.Minute)
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		mustGet(t, c)
		time.Sleep(5*time.Minute - 15*time.Second) // the margin of a short token
		start := time.Now()
		if tok := mustGet(t, c); tok.Secret() != "token-2" {
			t.Error("served an expired token")
		}
		if d := time.Since(start); d != m.takes {
			t.Errorf("waited %s", d)
		}
	})
}

func TestEntryAges(t *testing.T) {
	t.Parallel()
	wall := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name              string
		lifetime, refresh time.Duration
		rnd               float64
		stale, expires    time.Duration
	}{
		{"an hour", time.Hour, 50 * time.Minute, 0, 50 * time.Minute, time.Hour - 30*time.Second},
		{"an hour with jitter", time.Hour, 50 * time.Minute, 0.5, 47*time.Minute + 30*time.Second, time.Hour - 30*time.Second},
		{"five minutes", 5 * time.Minute, 50 * time.Minute, 0, 225 * time.Second, 285 * time.Second},
		{"short refresh age", time.Hour, 10 * time.Minute, 0, 10 * time.Minute, time.Hour - 30*time.Second},
		{"a day", 24 * time.Hour, 100 * time.Hour, 0, 24*time.Hour - 10*time.Minute, 24*time.Hour - 30*time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEntry(credential{secret: "s", lifetime: tt.lifetime}, instant{wall: wall}, tt.refresh, tt.rnd)
			if e.staleAfter != tt.stale || e.expiresAt != tt.expires {
				t.Errorf("stale after %s, expires at %s", e.staleAfter, e.expiresAt)
			}
			if got := e.token.Expiry(); !got.Equal(wall.Add(tt.lifetime)) {
				t.Errorf("expiry %s", got)
			}
			at := func(wallAge, monoAge time.Duration) freshness {
				return e.freshness(instant{wall: wall.Add(wallAge), mono: monoAge})
			}
			for _, c := range []struct {
				name       string
				wall, mono time.Duration
				want       freshness
			}{
				{"new", 0, 0, fresh},
				{"just fresh", tt.stale - 1, tt.stale - 1, fresh},
				{"just stale", tt.stale, tt.stale, stale},
				{"just not expired", tt.expires - 1, tt.expires - 1, stale},
				{"just expired", tt.expires, tt.expires, expired},
				{"after a suspend", tt.expires, time.Second, expired},
				{"after the clock was set back", -time.Hour, tt.expires, expired},
				{"clock set back, still fresh", -time.Hour, tt.stale - 1, fresh},
				{"after the clock was set forward", tt.stale, time.Second, stale},
			} {
				if got := at(c.wall, c.mono); got != c.want {
					t.Errorf("%s: %d, want %d", c.name, got, c.want)
				}
			}
		})
	}
}

func TestCacheOutageOf20MinutesFailsNoGet(t *testing.T) {
	for _, warm := range []bool{false, true} {
		t.Run(fmt.Sprintf("background=%t", warm), func(t *testing.T) {
			m := newFakeMint(time.Hour)
			bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
				if warm {
					c.startRefresh()
				}
				// Every token sees the API go down before it turns stale and
				// come back shortly before it expires.
				start, minted, last := time.Now(), time.Now(), Token{}
				for time.Since(start) < 6*time.Hour {
					m.set(always(nil))
					if age := time.Since(minted); age > 38*time.Minute && age < 58*time.Minute {
						m.set(always(outage{}))
					}
					before := time.Now()
					if tok := mustGet(t, c); tok != last {
						minted, last = time.Now(), tok
					}
					if d := time.Since(before); d > m.takes {
						t.Errorf("a get took %s", d)
					}
					time.Sleep(time.Second)
				}
				if n := c.counts(); n.failures == 0 {
					t.Error("the outage was not noticed")
				}
			})
		})
	}
}

func TestCacheKeepsRetryingForAWaiter(t *testing.T) {
	m := newFakeMint(time.Hour)
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		m.set(always(outage{}))
		time.AfterFunc(time.Hour, func() { m.set(always(nil)) })
		start := time.Now()
		if _, err := c.get(t.Context()); err != nil {
			t.Errorf("get: %v", err)
		}
		if d := time.Since(start); d < time.Hour || d > time.Hour+maxBackoff+m.takes {
			t.Errorf("waited %s", d)
		}
		if n := m.count(); n < 60 || n > 600 {
			t.Errorf("%d attempts in an hour", n)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := 1; i < len(m.times); i++ {
			bound := maxBackoff
			if i < 6 {
				bound = minBackoff << i
			}
			if gap := m.times[i].Sub(m.times[i-1]) - m.takes; gap < minBackoff || gap > bound {
				t.Errorf("attempt %d after %s, want between %s and %s", i+1, gap, minBackoff, bound)
			}
		}
	})
}

func TestCacheSuccessEndsTheBackoff(t *testing.T) {
	m := newFakeMint(5 * time.Minute)
	m.fail = func(call int) error {
		if call < 10 || call == 11 {
			return outage{}
		}
		return nil
	}
	bubble(t, m, func(o *cacheOptions) { o.rnd = func() float64 { return 0.999 } }, func(t *testing.T, c *tokenCache) {
		if _, err := c.get(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.reject(mustGet(t, c))
		start := time.Now()
		mustGet(t, c)
		if d := time.Since(start); d > 2*minBackoff+2*m.takes {
			t.Errorf("one failure after a success cost %s", d)
		}
	})
}

func TestCacheWaitErrorSaysWhatWasTried(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.fail = always(outage{})
	bubble(t, m, func(o *cacheOptions) { o.rnd = func() float64 { return 0.999 } }, func(t *testing.T, c *tokenCache) {
		because := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(12*time.Second, func() { cancel(because) })
		_, err := c.get(ctx)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, because) || !errors.As(err, &outage{}) {
			t.Errorf("the error lacks a cause: %v", err)
		}
		if want := "still waiting for a token: 3 attempts in 12s, last: 503 try later (shutting down)"; err == nil || err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}

		m.mu.Lock()
		m.takes = time.Hour
		m.mu.Unlock()
		time.Sleep(time.Hour)
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		if _, err := c.get(ctx); err == nil || err.Error() != "still waiting for a token after 5s: context deadline exceeded" {
			t.Errorf("error %q", err)
		}
	})
}

func TestCacheWithCallerThatIsDoneAlready(t *testing.T) {
	m := newFakeMint(time.Hour)
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.get(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("get: %v", err)
		}
		if m.count() != 0 {
			t.Error("minted for nobody")
		}
		mustGet(t, c)
		if _, err := c.get(ctx); err != nil {
			t.Errorf("a fresh token needs no waiting: %v", err)
		}
	})
}

func TestCacheEndsAFlightThatNobodyNeeds(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.fail = always(outage{})
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := c.get(ctx); err == nil {
			t.Error("got a token from an API that is down")
		}
		synctest.Wait()
		before := m.count()
		time.Sleep(time.Hour)
		if n := m.count(); n != before {
			t.Errorf("%d mints for nobody", n-before)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.flight != nil {
			t.Error("the flight goes on")
		}
	})
}

func TestCacheDoesNotHammerForImpatientCallers(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.takes = time.Millisecond
	m.fail = always(outage{})
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		for range 1000 { // 20 s of callers with 20 ms of patience
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if _, err := c.get(ctx); err == nil {
				t.Error("got a token from an API that is down")
			}
			cancel()
		}
		if n := m.count(); n < 10 || n > 21 {
			t.Errorf("%d attempts in 20s, want about one a second", n)
		}
	})
}

func TestCacheHastensForTheFirstWaiter(t *testing.T) {
	m := newFakeMint(5 * time.Minute)
	bubble(t, m, func(o *cacheOptions) { o.rnd = func() float64 { return 0.999 } }, func(t *testing.T, c *tokenCache) {
		c.startRefresh()
		mustGet(t, c)
		m.set(always(outage{}))
		time.Sleep(15 * time.Minute) // expired, and backing off by a minute
		synctest.Wait()
		m.mu.Lock()
		last := m.times[len(m.times)-1]
		m.mu.Unlock()
		time.Sleep(time.Until(last.Add(5 * time.Second)))
		m.set(always(nil))
		start := time.Now()
		mustGet(t, c)
		if d := time.Since(start); d != m.takes {
			t.Errorf("waited %s although the API was back", d)
		}
	})
}

func TestCacheHonoursRetryAfter(t *testing.T) {
	for _, tt := range []struct{ asked, want time.Duration }{
		{90 * time.Second, 90 * time.Second},
		{time.Hour, maxRetryAfter},
	} {
		t.Run(tt.asked.String(), func(t *testing.T) {
			m := newFakeMint(time.Hour)
			m.fail = func(call int) error {
				if call == 1 {
					return outage{after: tt.asked}
				}
				return nil
			}
			bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				if _, err := c.get(ctx); err == nil {
					t.Error("no error")
				}
				if _, err := c.get(t.Context()); err != nil { // a first waiter again: not a reason to ask earlier
					t.Error(err)
				}
				if d := time.Since(start) - 2*m.takes; d != tt.want {
					t.Errorf("asked again after %s, want %s", d, tt.want)
				}
			})
		})
	}
}

func TestCacheTerminalFailure(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.fail = always(refusal{})
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := c.get(t.Context()); !errors.As(err, &refusal{}) {
					t.Errorf("get: %v", err)
				}
			})
		}
		wg.Wait()
		if m.count() != 1 {
			t.Errorf("%d mints", m.count())
		}
		start := time.Now()
		for range 100 {
			if _, err := c.get(t.Context()); !errors.As(err, &refusal{}) {
				t.Errorf("get: %v", err)
			}
		}
		if time.Since(start) != 0 || m.count() != 1 {
			t.Errorf("the refusal was not remembered: %d mints", m.count())
		}
		m.set(always(nil))
		time.Sleep(2 * time.Second)
		mustGet(t, c)
	})
}

func TestCacheTerminalFailureLeavesTheValidToken(t *testing.T) {
	for _, warm := range []bool{false, true} {
		t.Run(fmt.Sprintf("background=%t", warm), func(t *testing.T) {
			m := newFakeMint(time.Hour)
			bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
				if warm {
					c.startRefresh()
				}
				first := mustGet(t, c)
				m.set(always(refusal{}))
				for range 58 * 60 {
					if tok := mustGet(t, c); tok != first {
						t.Fatal("the valid token was lost")
					}
					time.Sleep(time.Second)
				}
				if n := m.count(); n < 5 || n > 60 {
					t.Errorf("%d mints in the last minutes: want a back-off that grows", n)
				}
				time.Sleep(2 * time.Minute)
				if _, err := c.get(t.Context()); !errors.As(err, &refusal{}) {
					t.Errorf("get: %v", err)
				}
			})
		})
	}
}

func TestCacheRetriesUnusableTokens(t *testing.T) {
	bad := map[string]credential{
		"empty":               {lifetime: time.Hour},
		"expired":             {secret: "old"},
		"long expired":        {secret: "old", lifetime: -time.Hour},
		"expired on the way":  {secret: "old", lifetime: 100 * time.Millisecond},
		"within its own late": {secret: "old", lifetime: time.Millisecond},
	}
	for name, cred := range bad {
		t.Run(name, func(t *testing.T) {
			m := newFakeMint(time.Hour)
			bubble(t, m, func(o *cacheOptions) {
				o.terminal = func(error) (bool, time.Duration) { return true, 0 } // not its to judge
				good := o.mint
				o.mint = func(ctx context.Context) (credential, error) {
					c, err := good(ctx)
					if m.count() == 1 {
						return cred, nil
					}
					return c, err
				}
			}, func(t *testing.T, c *tokenCache) {
				if tok := mustGet(t, c); tok.Secret() != "token-2" {
					t.Error("served an unusable token")
				}
				if n := c.counts(); n.calls != 2 || n.failures != 1 || n.tokens != 1 {
					t.Errorf("counts %+v", n)
				}
			})
		})
	}
}

func TestCacheCutsOffAMintThatHangs(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.takes = time.Hour
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		time.AfterFunc(time.Minute, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.takes = 0
		})
		start := time.Now()
		if _, err := c.get(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < time.Minute || d > 95*time.Second {
			t.Errorf("waited %s", d)
		}
		if m.count() != 3 {
			t.Errorf("%d mints, want two of 30 s and one", m.count())
		}
	})
}

func TestCacheRejectionsCostOneMint(t *testing.T) {
	m := newFakeMint(time.Hour)
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		old := mustGet(t, c)
		c.accept(old)
		parallel := func(want bool, tok Token) {
			t.Helper()
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if got := c.reject(tok); got != want {
						t.Errorf("reject = %t, want %t", got, want)
					}
					mustGet(t, c)
				})
			}
			wg.Wait()
		}
		parallel(true, old)
		if m.count() != 2 {
			t.Errorf("%d mints for 100 rejections of one token", m.count()-1)
		}
		second := mustGet(t, c)
		parallel(false, second) // revoked for good: the answer is final
		parallel(true, old)     // a straggler: someone replaced that one long ago
		if m.count() != 2 {
			t.Errorf("%d mints for a role that is refused", m.count()-1)
		}
		if n := c.counts(); n.rejections != 2 {
			t.Errorf("%d rejections counted", n.rejections)
		}

		time.Sleep(rebirthLimit)
		parallel(true, second)
		third := mustGet(t, c)
		parallel(false, third)
		if m.count() != 3 {
			t.Errorf("%d mints, want one a minute", m.count())
		}

		time.Sleep(time.Second)
		c.accept(third)
		parallel(true, third)
		if m.count() != 4 {
			t.Error("a token that was accepted once was not replaced")
		}
	})
}

func TestCacheRejectionDuringARefresh(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.takes = 10 * time.Second
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		old := mustGet(t, c)
		time.Sleep(51 * time.Minute)
		mustGet(t, c) // starts the refresh
		time.Sleep(time.Second)
		if !c.reject(old) {
			t.Error("reject = false")
		}
		inFlight := mustGet(t, c)
		if inFlight.Secret() != "token-2" || m.count() != 2 {
			t.Errorf("%d mints", m.count())
		}
		// It was asked for before the rejection, so it may be as bad as the old one.
		if !c.reject(inFlight) {
			t.Error("the first mint after the rejection was not tried")
		}
		if tok := mustGet(t, c); c.reject(tok) {
			t.Error("the answer to the rejection is final")
		}
	})
}

func TestCacheSameTokenAgainIsFinal(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.secret = func(int) string { return "the same" }
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		if !c.reject(mustGet(t, c)) {
			t.Error("reject = false")
		}
		if c.reject(mustGet(t, c)) {
			t.Error("the same secret came back and was not final")
		}
		if m.count() != 2 {
			t.Errorf("%d mints", m.count())
		}
		m.secret = func(call int) string { return fmt.Sprint("another ", call) }
		time.Sleep(2 * time.Hour)
		if !c.reject(mustGet(t, c)) {
			t.Error("a token that replaced an expired one was taken for the answer to an old rejection")
		}
	})
}

func TestCacheBackgroundRefresh(t *testing.T) {
	m := newFakeMint(5 * time.Minute)
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		c.startRefresh()
		c.startRefresh()
		time.Sleep(time.Second)
		if m.count() != 1 {
			t.Fatal("no token was fetched ahead")
		}
		last := mustGet(t, c)
		for range 24 * 60 {
			time.Sleep(time.Minute)
			start := time.Now()
			if last = mustGet(t, c); time.Since(start) != 0 {
				t.Fatal("a get had to wait")
			}
		}
		if n := m.count(); n < 24*60/4 || n > 24*60/3 {
			t.Errorf("%d mints in a day of 5-minute tokens", n)
		}

		c.reject(last)
		synctest.Wait()
		time.Sleep(m.takes)
		synctest.Wait()
		if c.valid() == nil {
			t.Error("a rejected token is not replaced ahead")
		}

		c.stopRefresh()
		c.stopRefresh()
		synctest.Wait()
		before := m.count()
		time.Sleep(time.Hour)
		if m.count() != before {
			t.Error("the refresh goes on")
		}
		c.startRefresh()
		time.Sleep(time.Hour)
		if n := m.count() - before; n < 15 {
			t.Errorf("%d mints in an hour after the restart", n)
		}
	})
}

func TestCacheBackgroundRefreshEndsWhileBackingOff(t *testing.T) {
	m := newFakeMint(5 * time.Minute)
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		c.startRefresh()
		mustGet(t, c)
		m.set(always(outage{}))
		time.Sleep(20 * time.Minute)
		c.stopRefresh()
		time.Sleep(m.takes)
		synctest.Wait()
		c.mu.Lock()
		if c.flight != nil {
			t.Error("the refresh sits out its back-off for nobody")
		}
		c.mu.Unlock()
		before := m.count()
		time.Sleep(time.Hour)
		if m.count() != before {
			t.Error("an outage keeps the stopped refresh alive")
		}
	})
}

func TestCacheBackgroundRefreshNoticesSuspend(t *testing.T) {
	m := newFakeMint(time.Hour)
	var asleep atomic.Int64
	bubble(t, m, func(o *cacheOptions) {
		clock := systemClock()
		o.now = func() instant {
			i := clock()
			i.wall = i.wall.Add(time.Duration(asleep.Load()))
			return i
		}
	}, func(t *testing.T, c *tokenCache) {
		c.startRefresh()
		mustGet(t, c)
		time.Sleep(time.Minute)
		asleep.Store(int64(3 * time.Hour)) // no timer fires for that
		time.Sleep(warmInterval + m.takes)
		synctest.Wait()
		if m.count() != 2 {
			t.Errorf("%d mints", m.count())
		}
	})
}

func TestCacheClose(t *testing.T) {
	m := newFakeMint(time.Hour)
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		mustGet(t, c)
		c.close()
		c.close()
		if _, err := c.get(t.Context()); !errors.Is(err, errCacheClosed) {
			t.Errorf("get: %v", err)
		}
		c.startRefresh()
		c.stopRefresh()
		c.accept(Token{})
		c.reject(Token{})
		if m.count() != 1 {
			t.Error("minted after close")
		}
	})
}

func TestCacheCloseReleasesWaiters(t *testing.T) {
	for _, state := range []string{"in a mint", "in a back-off"} {
		t.Run(state, func(t *testing.T) {
			m := newFakeMint(time.Hour)
			if state == "in a mint" {
				m.takes = time.Hour
			} else {
				m.fail = always(outage{after: time.Hour})
			}
			bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						if _, err := c.get(t.Context()); !errors.Is(err, errCacheClosed) {
							t.Errorf("get: %v", err)
						}
					})
				}
				time.Sleep(10 * time.Second)
				start := time.Now()
				c.close()
				wg.Wait()
				if d := time.Since(start); d != 0 {
					t.Errorf("close took %s", d)
				}
			})
		})
	}
}

func TestCacheLogs(t *testing.T) {
	var buf bytes.Buffer
	m := newFakeMint(5 * time.Minute)
	m.secret = func(call int) string { return fmt.Sprint(testSecret, call) }
	m.skew = 2 * time.Minute
	bubble(t, m, func(o *cacheOptions) {
		o.logger = slog.New(slog.NewTextHandler(&buf, nil))
	}, func(t *testing.T, c *tokenCache) {
		m.set(func(call int) error {
			if call == 1 {
				return outage{}
			}
			return nil
		})
		mustGet(t, c)
		time.Sleep(4 * time.Minute)
		mustGet(t, c) // stale
		time.Sleep(time.Hour)
		tok := mustGet(t, c) // expired
		c.reject(tok)
		mustGet(t, c)
		m.set(always(refusal{}))
		time.Sleep(time.Hour)
		if _, err := c.get(t.Context()); err == nil {
			t.Error("no error")
		}
		c.close()
		out := buf.String()
		if leaks(out) {
			t.Error("the log has the token")
		}
		for _, want := range []string{
			`level=WARN msg="lakebase: token refresh failed, will retry" target=test reason=first attempt=1 duration=100ms error="503 try later" retry_in=`,
			`level=INFO msg="lakebase: token refreshed" target=test reason=first attempt=2 duration=100ms expiry=`,
			"reason=stale attempt=1",
			"reason=expired attempt=1",
			"reason=rejected attempt=1",
			"lifetime=5m0s",
			`level=WARN msg="lakebase: token refresh failed" target=test reason=expired attempt=1 duration=100ms error="403 no permission"`,
		} {
			if !strings.Contains(out, want) {
				t.Errorf("the log lacks %s", want)
			}
		}
		if n := strings.Count(out, "clock"); n != 1 {
			t.Errorf("the skew was reported %d times", n)
		}
		if t.Failed() {
			t.Log("\n" + out)
		}
	})
}

// TestCacheRaces runs everything against everything in real time.
func TestCacheRaces(t *testing.T) {
	opt := goleak.IgnoreCurrent()
	var minted atomic.Int64
	c := newTokenCache(cacheOptions{
		logger: slog.New(slog.DiscardHandler),
		mint: func(context.Context) (credential, error) {
			n := minted.Add(1)
			if n%5 == 0 {
				return credential{}, refusal{}
			}
			return credential{secret: fmt.Sprint(n), lifetime: time.Duration(n%7) * time.Millisecond}, nil
		},
		terminal: judgeFake,
	})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				tok, err := c.get(ctx)
				cancel()
				switch {
				case errors.Is(err, errCacheClosed):
					return
				case err == nil && j%3 == 0:
					c.accept(tok)
				case err == nil:
					c.reject(tok)
				}
				switch (i + j) % 8 {
				case 0:
					c.startRefresh()
				case 1:
					c.stopRefresh()
				case 2:
					c.counts()
				}
			}
		})
	}
	wg.Go(func() {
		time.Sleep(50 * time.Millisecond)
		c.close()
	})
	wg.Wait()
	c.close()
	goleak.VerifyNone(t, opt)
}

func TestCacheFreshPathDoesNotAllocate(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.takes = 0
	c := newTokenCache(m.options())
	defer c.close()
	ctx := context.Background()
	if _, err := c.get(ctx); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := c.get(ctx); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCacheFresh(b *testing.B) {
	m := newFakeMint(time.Hour)
	m.takes = 0
	c := newTokenCache(m.options())
	defer c.close()
	ctx := context.Background()
	if _, err := c.get(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.get(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}
