package lakebase

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
)

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
