package lakebase

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

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
		time.AfterFunc(time.Minute, m.answerAtOnce)
		start := time.Now()
		if _, err := c.get(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < time.Minute || d > 95*time.Second {
			t.Errorf("waited %s", d)
		}
		if m.count() != 4 {
			t.Errorf("%d mints, want one of 10 s, two of 30 s and one", m.count())
		}
	})
}

func TestCacheSoonReplacesARequestThatIsLost(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.takes = time.Hour
	bubble(t, m, nil, func(t *testing.T, c *tokenCache) {
		time.AfterFunc(time.Second, m.answerAtOnce)
		start := time.Now()
		if _, err := c.get(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > firstMintTimeout+2*minBackoff {
			t.Errorf("waited %s", d)
		}
		if m.count() != 2 {
			t.Errorf("%d mints, want one that is lost and one", m.count())
		}
	})
}
