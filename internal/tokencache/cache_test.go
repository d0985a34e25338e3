package tokencache_test

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

	"github.com/lakebase-go/lakebase/internal/tokencache"
)

// fakeAPI is a credentials API: it counts its calls, numbers its tokens and
// answers as told.
type fakeAPI struct {
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

func newFakeAPI(lifetime time.Duration) *fakeAPI {
	return &fakeAPI{
		lifetime: lifetime,
		takes:    100 * time.Millisecond,
		fail:     func(int) error { return nil },
		secret:   func(call int) string { return fmt.Sprintf("token-%d", call) },
	}
}

func (m *fakeAPI) fetch(ctx context.Context) (tokencache.Credential, error) {
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
		return tokencache.Credential{}, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail(call); err != nil {
		return tokencache.Credential{}, err
	}
	return tokencache.Credential{Secret: m.secret(call), Lifetime: m.lifetime, Skew: m.skew}, nil
}

func (m *fakeAPI) set(f func(call int) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = f
}

func (m *fakeAPI) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// check fails the test if the fetch was ever called by two at a time.
func (m *fakeAPI) check(t *testing.T) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.overlaps > 0 {
		t.Errorf("%d fetches overlapped", m.overlaps)
	}
}

// answerAtOnce is for the calls that follow.
func (m *fakeAPI) answerAtOnce() {
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

func (m *fakeAPI) options() tokencache.Options {
	return tokencache.Options{Fetch: m.fetch, Terminal: judgeFake, RefreshAge: 50 * time.Minute, Logger: slog.New(slog.DiscardHandler), Name: "test"}
}

func always(err error) func(int) error { return func(int) error { return err } }

// bubble runs f with a cache over m in fake time and checks that closing
// leaves nothing behind: synctest fails if a goroutine outlives it.
func bubble(t *testing.T, m *fakeAPI, change func(*tokencache.Options), f func(t *testing.T, c *tokencache.Cache)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := m.options()
		if change != nil {
			change(&o)
		}
		c := tokencache.New(o)
		defer c.Close()
		f(t, c)
		m.check(t)
	})
}

func mustGet(t *testing.T, c *tokencache.Cache) *tokencache.Token {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tok, err := c.Get(ctx)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if tok.Secret() == "" {
		t.Fatal("get returned an empty token")
	}
	return tok
}

// slowFetch is as long as a first attempt may take and not be tried again, and no
// whole number of seconds: what ends at the same moment ends in any order.
const slowFetch = tokencache.FirstTimeout - 500*time.Millisecond

func TestManyCallersCostOneFetchThoughHalfGiveUp(t *testing.T) {
	m := newFakeAPI(time.Hour)
	m.takes = slowFetch
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
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
				tok, err := c.Get(ctx)
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
			t.Errorf("%d fetches", m.count())
		}
		if served.Load() != 500 || cancelled.Load() != 500 {
			t.Errorf("%d served, %d cancelled", served.Load(), cancelled.Load())
		}
		if d := time.Duration(longest.Load()); d > m.takes {
			t.Errorf("a survivor waited %s for a fetch of %s", d, m.takes)
		}
	})
}

func TestFetchGoesOnAfterItsLastCallerGaveUp(t *testing.T) {
	m := newFakeAPI(time.Hour)
	m.takes = slowFetch
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("get: %v", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("waited %s", d)
		}
		mustGet(t, c)
		if m.count() != 1 {
			t.Errorf("%d fetches: the one in flight was thrown away", m.count())
		}
	})
}

func TestStaleTokenIsServedDuringTheRefresh(t *testing.T) {
	m := newFakeAPI(time.Hour)
	bubble(t, m, func(o *tokencache.Options) { o.Rand = func() float64 { return 0 } }, func(t *testing.T, c *tokencache.Cache) {
		first := mustGet(t, c)
		time.Sleep(44 * time.Minute)
		if mustGet(t, c); m.count() != 1 {
			t.Errorf("refreshed a fresh token: %d fetches", m.count())
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
			t.Errorf("%d fetches", m.count())
		}
	})
}

func TestExpiredTokenIsNotServed(t *testing.T) {
	m := newFakeAPI(5 * time.Minute)
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
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

func TestEndedContextGetsOnlyAFreshToken(t *testing.T) {
	m := newFakeAPI(time.Hour)
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Get(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("get: %v", err)
		}
		if m.count() != 0 {
			t.Error("fetched without a caller")
		}
		mustGet(t, c)
		if _, err := c.Get(ctx); err != nil {
			t.Errorf("a fresh token needs no waiting: %v", err)
		}
	})
}

func TestEachAttemptIsLogged(t *testing.T) {
	var buf bytes.Buffer
	m := newFakeAPI(5 * time.Minute)
	m.secret = func(call int) string { return fmt.Sprint("SECRET-", call) }
	m.skew = 2 * time.Minute
	bubble(t, m, func(o *tokencache.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&buf, nil))
	}, func(t *testing.T, c *tokencache.Cache) {
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
		c.Reject(tok.Secret())
		mustGet(t, c)
		m.set(always(refusal{}))
		time.Sleep(time.Hour)
		if _, err := c.Get(t.Context()); err == nil {
			t.Error("no error")
		}
		c.Close()
		out := buf.String()
		if strings.Contains(out, "SECRET") {
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

func TestFreshPathDoesNotAllocate(t *testing.T) {
	m := newFakeAPI(time.Hour)
	m.takes = 0
	c := tokencache.New(m.options())
	defer c.Close()
	ctx := context.Background()
	if _, err := c.Get(ctx); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := c.Get(ctx); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFresh(b *testing.B) {
	m := newFakeAPI(time.Hour)
	m.takes = 0
	c := tokencache.New(m.options())
	defer c.Close()
	ctx := context.Background()
	if _, err := c.Get(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Get(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}
