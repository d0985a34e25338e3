package tokencache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lakebase-go/lakebase/internal/tokencache"
)

func TestBackgroundRefresh(t *testing.T) {
	m := newFakeAPI(5 * time.Minute)
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		c.StartRefresh()
		c.StartRefresh()
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
			t.Errorf("%d fetches in a day of 5-minute tokens", n)
		}

		c.Reject(last.Secret())
		synctest.Wait()
		time.Sleep(m.takes)
		synctest.Wait()
		if !c.HasToken() {
			t.Error("a rejected token is not replaced ahead")
		}

		c.StopRefresh()
		c.StopRefresh()
		synctest.Wait()
		before := m.count()
		time.Sleep(time.Hour)
		if m.count() != before {
			t.Error("the refresh goes on")
		}
		c.StartRefresh()
		time.Sleep(time.Hour)
		if n := m.count() - before; n < 15 {
			t.Errorf("%d fetches in an hour after the restart", n)
		}
	})
}

func TestBackgroundRefreshStopsDuringABackoff(t *testing.T) {
	m := newFakeAPI(5 * time.Minute)
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		c.StartRefresh()
		mustGet(t, c)
		m.set(always(outage{}))
		time.Sleep(20 * time.Minute)
		c.StopRefresh()
		time.Sleep(m.takes)
		synctest.Wait()
		if c.InFlight() {
			t.Error("the refresh sits out its back-off for nobody")
		}
		before := m.count()
		time.Sleep(time.Hour)
		if m.count() != before {
			t.Error("an outage keeps the stopped refresh alive")
		}
	})
}

func TestBackgroundRefreshNoticesASuspend(t *testing.T) {
	m := newFakeAPI(time.Hour)
	var asleep atomic.Int64
	bubble(t, m, func(o *tokencache.Options) {
		clock := tokencache.SystemClock()
		o.Now = func() tokencache.Instant {
			i := clock()
			i.Wall = i.Wall.Add(time.Duration(asleep.Load()))
			return i
		}
	}, func(t *testing.T, c *tokencache.Cache) {
		c.StartRefresh()
		mustGet(t, c)
		time.Sleep(time.Minute)
		asleep.Store(int64(3 * time.Hour)) // no timer fires for that
		time.Sleep(tokencache.CheckInterval + m.takes)
		synctest.Wait()
		if m.count() != 2 {
			t.Errorf("%d fetches", m.count())
		}
	})
}

func TestClosedCacheFetchesNothing(t *testing.T) {
	m := newFakeAPI(time.Hour)
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		mustGet(t, c)
		c.Close()
		c.Close()
		if _, err := c.Get(t.Context()); !errors.Is(err, tokencache.ErrClosed) {
			t.Errorf("get: %v", err)
		}
		c.StartRefresh()
		c.StopRefresh()
		c.Accept("")
		c.Reject("")
		if m.count() != 1 {
			t.Error("fetched after close")
		}
	})
}

func TestCloseReleasesWaiters(t *testing.T) {
	for _, state := range []string{"in a fetch", "in a back-off"} {
		t.Run(state, func(t *testing.T) {
			m := newFakeAPI(time.Hour)
			if state == "in a fetch" {
				m.takes = time.Hour
			} else {
				m.fail = always(outage{after: time.Hour})
			}
			bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						if _, err := c.Get(t.Context()); !errors.Is(err, tokencache.ErrClosed) {
							t.Errorf("get: %v", err)
						}
					})
				}
				time.Sleep(10 * time.Second)
				start := time.Now()
				c.Close()
				wg.Wait()
				if d := time.Since(start); d != 0 {
					t.Errorf("close took %s", d)
				}
			})
		})
	}
}

// TestConcurrentUse runs everything against everything in real time.
func TestConcurrentUse(t *testing.T) {
	opt := goleak.IgnoreCurrent()
	var fetched atomic.Int64
	c := tokencache.New(tokencache.Options{
		Logger: slog.New(slog.DiscardHandler),
		Fetch: func(context.Context) (tokencache.Credential, error) {
			n := fetched.Add(1)
			if n%5 == 0 {
				return tokencache.Credential{}, refusal{}
			}
			return tokencache.Credential{Secret: fmt.Sprint(n), Lifetime: time.Duration(n%7) * time.Millisecond}, nil
		},
		Terminal: judgeFake, RefreshAge: 50 * time.Minute,
	})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				tok, err := c.Get(ctx)
				cancel()
				switch {
				case errors.Is(err, tokencache.ErrClosed):
					return
				case err == nil && j%3 == 0:
					c.Accept(tok.Secret())
				case err == nil:
					c.Reject(tok.Secret())
				}
				switch (i + j) % 8 {
				case 0:
					c.StartRefresh()
				case 1:
					c.StopRefresh()
				case 2:
					c.Stats()
				}
			}
		})
	}
	wg.Go(func() {
		time.Sleep(50 * time.Millisecond)
		c.Close()
	})
	wg.Wait()
	c.Close()
	goleak.VerifyNone(t, opt)
}
