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

// answerAtOnce is for the calls that follow.
func (m *fakeMint) answerAtOnce() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.takes = 0
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

// slowMint is as long as a first attempt may take and not be tried again, and no
// whole number of seconds: what ends at the same moment ends in any order.
const slowMint = firstMintTimeout - 500*time.Millisecond

func TestCacheMintsOnceForManyOfWhomHalfGiveUp(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.takes = slowMint
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
		if d := time.Duration(longest.Load()); d > m.takes {
			t.Errorf("a survivor waited %s for a mint of %s", d, m.takes)
		}
	})
}

func TestCacheFinishesTheMintThatEveryoneLeft(t *testing.T) {
	m := newFakeMint(time.Hour)
	m.takes = slowMint
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
