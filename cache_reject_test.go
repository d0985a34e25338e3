package lakebase

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

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
	m.takes = slowMint
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
