package tokencache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakebase-go/lakebase/internal/tokencache"
)

func TestOutageOf20MinutesFailsNoGet(t *testing.T) {
	for _, warm := range []bool{false, true} {
		t.Run(fmt.Sprintf("background=%t", warm), func(t *testing.T) {
			m := newFakeAPI(time.Hour)
			bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
				if warm {
					c.StartRefresh()
				}
				// Every token sees the API go down before it turns stale and
				// come back shortly before it expires.
				start, fetched, last := time.Now(), time.Now(), (*tokencache.Token)(nil)
				for time.Since(start) < 6*time.Hour {
					m.set(always(nil))
					if age := time.Since(fetched); age > 38*time.Minute && age < 58*time.Minute {
						m.set(always(outage{}))
					}
					before := time.Now()
					if tok := mustGet(t, c); tok != last {
						fetched, last = time.Now(), tok
					}
					if d := time.Since(before); d > m.takes {
						t.Errorf("a get took %s", d)
					}
					time.Sleep(time.Second)
				}
				if n := c.Stats(); n.CredentialFailures == 0 {
					t.Error("the outage was not noticed")
				}
			})
		})
	}
}

func TestRetriesForAsLongAsACallerWaits(t *testing.T) {
	m := newFakeAPI(time.Hour)
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		m.set(always(outage{}))
		time.AfterFunc(time.Hour, func() { m.set(always(nil)) })
		start := time.Now()
		if _, err := c.Get(t.Context()); err != nil {
			t.Errorf("get: %v", err)
		}
		if d := time.Since(start); d < time.Hour || d > time.Hour+tokencache.MaxAwaited+2*m.takes {
			t.Errorf("waited %s", d)
		}
		if n := m.count(); n < 2500 || n > 4500 {
			t.Errorf("%d attempts in an hour", n)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := 1; i < len(m.times); i++ {
			if gap := m.times[i].Sub(m.times[i-1]) - m.takes; gap < tokencache.MinAwaited || gap > tokencache.MaxAwaited {
				t.Fatalf("attempt %d after %s, want between %s and %s", i+1, gap, tokencache.MinAwaited, tokencache.MaxAwaited)
			}
		}
	})
}

func TestSuccessEndsTheBackoff(t *testing.T) {
	m := newFakeAPI(5 * time.Minute)
	m.fail = func(call int) error {
		if call < 10 || call == 11 {
			return outage{}
		}
		return nil
	}
	bubble(t, m, func(o *tokencache.Options) { o.Rand = func() float64 { return 0.999 } }, func(t *testing.T, c *tokencache.Cache) {
		if _, err := c.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Reject(mustGet(t, c).Secret())
		start := time.Now()
		mustGet(t, c)
		if d := time.Since(start); d > 2*tokencache.MinBackoff+2*m.takes {
			t.Errorf("one failure after a success cost %s", d)
		}
	})
}

func TestWaitErrorNamesTheAttempts(t *testing.T) {
	m := newFakeAPI(time.Hour)
	m.fail = always(outage{})
	bubble(t, m, func(o *tokencache.Options) { o.Rand = func() float64 { return 0.999 } }, func(t *testing.T, c *tokencache.Cache) {
		because := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(12*time.Second, func() { cancel(because) })
		_, err := c.Get(ctx)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, because) || !errors.As(err, &outage{}) {
			t.Errorf("the error lacks a cause: %v", err)
		}
		if want := "still waiting for a token: 6 attempts in 12s, last: 503 try later (shutting down)"; err == nil || err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}

		m.mu.Lock()
		m.takes = time.Hour
		m.mu.Unlock()
		time.Sleep(time.Hour)
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		if _, err := c.Get(ctx); err == nil || err.Error() != "still waiting for a token after 5s: context deadline exceeded" {
			t.Errorf("error %q", err)
		}
	})
}

func TestRefreshWithoutWaitersEnds(t *testing.T) {
	m := newFakeAPI(time.Hour)
	m.fail = always(outage{})
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := c.Get(ctx); err == nil {
			t.Error("got a token from an API that is down")
		}
		synctest.Wait()
		before := m.count()
		time.Sleep(time.Hour)
		if n := m.count(); n != before {
			t.Errorf("%d fetches without a waiter", n-before)
		}
		if c.InFlight() {
			t.Error("the flight goes on")
		}
	})
}

func TestImpatientCallersDoNotRestartTheBackoff(t *testing.T) {
	m := newFakeAPI(time.Hour)
	m.takes = time.Millisecond
	m.fail = always(outage{})
	bubble(t, m, func(o *tokencache.Options) { o.Rand = func() float64 { return 0.5 } }, func(t *testing.T, c *tokencache.Cache) {
		for range 1000 { // 20 s of callers with 20 ms of patience
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if _, err := c.Get(ctx); err == nil {
				t.Error("got a token from an API that is down")
			}
			cancel()
		}
		if n := m.count(); n < 10 || n > 21 {
			t.Errorf("%d attempts in 20s, want about one a second", n)
		}
	})
}

func TestFirstWaiterShortensTheBackoff(t *testing.T) {
	m := newFakeAPI(5 * time.Minute)
	bubble(t, m, func(o *tokencache.Options) { o.Rand = func() float64 { return 0.999 } }, func(t *testing.T, c *tokencache.Cache) {
		c.StartRefresh()
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

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, tt := range []struct{ asked, want time.Duration }{
		{90 * time.Second, 90 * time.Second},
		{time.Hour, tokencache.MaxRetryAfter},
	} {
		t.Run(tt.asked.String(), func(t *testing.T) {
			m := newFakeAPI(time.Hour)
			m.fail = func(call int) error {
				if call == 1 {
					return outage{after: tt.asked}
				}
				return nil
			}
			bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				if _, err := c.Get(ctx); err == nil {
					t.Error("no error")
				}
				if _, err := c.Get(t.Context()); err != nil { // a first waiter again: not a reason to ask earlier
					t.Error(err)
				}
				if d := time.Since(start) - 2*m.takes; d != tt.want {
					t.Errorf("asked again after %s, want %s", d, tt.want)
				}
			})
		})
	}
}

func TestTerminalFailureIsSharedAndRemembered(t *testing.T) {
	m := newFakeAPI(time.Hour)
	m.fail = always(refusal{})
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := c.Get(t.Context()); !errors.As(err, &refusal{}) {
					t.Errorf("get: %v", err)
				}
			})
		}
		wg.Wait()
		if m.count() != 1 {
			t.Errorf("%d fetches", m.count())
		}
		start := time.Now()
		for range 100 {
			if _, err := c.Get(t.Context()); !errors.As(err, &refusal{}) {
				t.Errorf("get: %v", err)
			}
		}
		if time.Since(start) != 0 || m.count() != 1 {
			t.Errorf("the refusal was not remembered: %d fetches", m.count())
		}
		m.set(always(nil))
		time.Sleep(2 * time.Second)
		mustGet(t, c)
	})
}

func TestTerminalFailureKeepsTheValidToken(t *testing.T) {
	for _, warm := range []bool{false, true} {
		t.Run(fmt.Sprintf("background=%t", warm), func(t *testing.T) {
			m := newFakeAPI(time.Hour)
			bubble(t, m, func(o *tokencache.Options) { o.Rand = func() float64 { return 0.5 } }, func(t *testing.T, c *tokencache.Cache) {
				if warm {
					c.StartRefresh()
				}
				first := mustGet(t, c)
				m.set(always(refusal{}))
				for range 58 * 60 {
					if tok := mustGet(t, c); tok != first {
						t.Fatal("the valid token was lost")
					}
					time.Sleep(time.Second)
				}
				// With the mean jitter it is stale for half an hour, and then asked for about
				// twice a minute.
				if n := m.count(); n < 50 || n > 70 {
					t.Errorf("%d fetches while the token is stale: want a back-off that grows to a minute", n)
				}
				time.Sleep(2 * time.Minute)
				if _, err := c.Get(t.Context()); !errors.As(err, &refusal{}) {
					t.Errorf("get: %v", err)
				}
			})
		})
	}
}

func TestUnusableTokensAreRetried(t *testing.T) {
	bad := map[string]tokencache.Credential{
		"empty":               {Lifetime: time.Hour},
		"expired":             {Secret: "old"},
		"long expired":        {Secret: "old", Lifetime: -time.Hour},
		"expired on the way":  {Secret: "old", Lifetime: 100 * time.Millisecond},
		"within its own late": {Secret: "old", Lifetime: time.Millisecond},
	}
	for name, cred := range bad {
		t.Run(name, func(t *testing.T) {
			m := newFakeAPI(time.Hour)
			bubble(t, m, func(o *tokencache.Options) {
				o.Terminal = func(error) (bool, time.Duration) { return true, 0 } // not its to judge
				good := o.Fetch
				o.Fetch = func(ctx context.Context) (tokencache.Credential, error) {
					c, err := good(ctx)
					if m.count() == 1 {
						return cred, nil
					}
					return c, err
				}
			}, func(t *testing.T, c *tokencache.Cache) {
				if tok := mustGet(t, c); tok.Secret() != "token-2" {
					t.Error("served an unusable token")
				}
				if n := c.Stats(); n.CredentialCalls != 2 || n.CredentialFailures != 1 || n.Tokens != 1 {
					t.Errorf("counts %+v", n)
				}
			})
		})
	}
}

func TestHangingFetchIsCutOff(t *testing.T) {
	m := newFakeAPI(time.Hour)
	m.takes = time.Hour
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		time.AfterFunc(time.Minute, m.answerAtOnce)
		start := time.Now()
		if _, err := c.Get(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < time.Minute || d > 95*time.Second {
			t.Errorf("waited %s", d)
		}
		if m.count() != 4 {
			t.Errorf("%d fetches, want one of 10 s, two of 30 s and one", m.count())
		}
	})
}

func TestLostFirstRequestIsReplacedSoon(t *testing.T) {
	m := newFakeAPI(time.Hour)
	m.takes = time.Hour
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		time.AfterFunc(time.Second, m.answerAtOnce)
		start := time.Now()
		if _, err := c.Get(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > tokencache.FirstTimeout+2*tokencache.MinBackoff {
			t.Errorf("waited %s", d)
		}
		if m.count() != 2 {
			t.Errorf("%d fetches, want one that is lost and one", m.count())
		}
	})
}

// The longest outage is ten times as long as a doubling back-off may become.
func TestEndOfAnOutageIsNoticedWithin3Seconds(t *testing.T) {
	for outageOf, rounds := range map[time.Duration]int{8 * time.Second: 50, 75 * time.Second: 50, 10 * time.Minute: 20} {
		for _, background := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/background=%t", outageOf, background), func(t *testing.T) {
				m := newFakeAPI(5 * time.Minute)
				bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
					if background {
						c.StartRefresh()
					}
					for range rounds {
						mustGet(t, c)
						time.Sleep(tokencache.RejectInterval)
						m.set(always(outage{}))
						back := time.Now().Add(outageOf)
						time.AfterFunc(outageOf, func() { m.set(always(nil)) })
						c.Reject(mustGet(t, c).Secret()) // none is left that could be served
						var wg sync.WaitGroup
						for worker := range 8 {
							wg.Go(func() {
								for {
									ctx, cancel := context.WithTimeout(t.Context(), time.Duration(2+worker)*time.Second)
									_, err := c.Get(ctx)
									cancel()
									if err == nil {
										break
									}
								}
								if d := time.Since(back); d < 0 || d > 3*time.Second {
									t.Errorf("a token %s after the workspace came back", d)
								}
							})
						}
						wg.Wait()
					}
				})
			})
		}
	}
}

func TestLateTokenIsServedIfNoOtherIsToBeHad(t *testing.T) {
	for name, fail := range map[string]func(m *fakeAPI){
		"outage": func(m *fakeAPI) { m.set(always(outage{})) },
		"hang":   func(m *fakeAPI) { m.takes = time.Hour },
		"denied": func(m *fakeAPI) { m.set(always(refusal{})) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newFakeAPI(5 * time.Minute)
			bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
				first := mustGet(t, c)
				time.Sleep(5*time.Minute - 14*time.Second) // within the margin of a short token
				fail(m)
				for range 26 {
					start := time.Now()
					if tok := mustGet(t, c); tok != first {
						t.Fatal("the token that is still valid was not served")
					}
					if d := time.Since(start); d > tokencache.LatePatience {
						t.Errorf("waited %s for another one", d)
					}
					time.Sleep(500*time.Millisecond - time.Since(start))
				}
				time.Sleep(2 * time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := c.Get(ctx); err == nil {
					t.Error("served a token that has expired")
				}
			})
		})
	}
}

func TestOneOutageIsOneWarningIn30Seconds(t *testing.T) {
	var buf bytes.Buffer
	m := newFakeAPI(time.Hour)
	m.fail = always(outage{})
	bubble(t, m, func(o *tokencache.Options) { o.Logger = slog.New(slog.NewTextHandler(&buf, nil)) }, func(t *testing.T, c *tokencache.Cache) {
		ctx, cancel := context.WithTimeout(t.Context(), 119*time.Second)
		defer cancel()
		if _, err := c.Get(ctx); err == nil {
			t.Error("got a token from an API that is down")
		}
		c.Close()
		if n := strings.Count(buf.String(), "level=WARN"); n != 4 {
			t.Errorf("%d warnings in two minutes, want 4:\n%s", n, buf.String())
		}
	})
}
