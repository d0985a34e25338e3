package tokencache_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/tokencache"
)

func TestManyRejectionsCostOneFetch(t *testing.T) {
	m := newFakeAPI(time.Hour)
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		old := mustGet(t, c)
		c.Accept(old.Secret())
		parallel := func(want bool, tok *tokencache.Token) {
			t.Helper()
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if got := c.Reject(tok.Secret()); got != want {
						t.Errorf("reject = %t, want %t", got, want)
					}
					mustGet(t, c)
				})
			}
			wg.Wait()
		}
		parallel(true, old)
		if m.count() != 2 {
			t.Errorf("%d fetches for 100 rejections of one token", m.count()-1)
		}
		second := mustGet(t, c)
		parallel(false, second) // revoked for good: the answer is final
		parallel(true, old)     // a straggler: someone replaced that one long ago
		if m.count() != 2 {
			t.Errorf("%d fetches for a role that is refused", m.count()-1)
		}
		if n := c.Stats(); n.Rejections != 2 {
			t.Errorf("%d rejections counted", n.Rejections)
		}

		time.Sleep(tokencache.RejectInterval)
		parallel(true, second)
		third := mustGet(t, c)
		parallel(false, third)
		if m.count() != 3 {
			t.Errorf("%d fetches, want one a minute", m.count())
		}

		time.Sleep(time.Second)
		c.Accept(third.Secret())
		parallel(true, third)
		if m.count() != 4 {
			t.Error("a token that was accepted once was not replaced")
		}
	})
}

func TestRejectionDuringARefresh(t *testing.T) {
	m := newFakeAPI(time.Hour)
	m.takes = slowFetch
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		old := mustGet(t, c)
		time.Sleep(51 * time.Minute)
		mustGet(t, c) // starts the refresh
		time.Sleep(time.Second)
		if !c.Reject(old.Secret()) {
			t.Error("reject = false")
		}
		inFlight := mustGet(t, c)
		if inFlight.Secret() != "token-2" || m.count() != 2 {
			t.Errorf("%d fetches", m.count())
		}
		// It was asked for before the rejection, so it may be as bad as the old one.
		if !c.Reject(inFlight.Secret()) {
			t.Error("the first fetch after the rejection was not tried")
		}
		if tok := mustGet(t, c); c.Reject(tok.Secret()) {
			t.Error("the answer to the rejection is final")
		}
	})
}

func TestSameTokenAgainIsFinal(t *testing.T) {
	m := newFakeAPI(time.Hour)
	m.secret = func(int) string { return "the same" }
	bubble(t, m, nil, func(t *testing.T, c *tokencache.Cache) {
		if !c.Reject(mustGet(t, c).Secret()) {
			t.Error("reject = false")
		}
		if c.Reject(mustGet(t, c).Secret()) {
			t.Error("the same secret came back and was not final")
		}
		if m.count() != 2 {
			t.Errorf("%d fetches", m.count())
		}
		m.secret = func(call int) string { return fmt.Sprint("another ", call) }
		time.Sleep(2 * time.Hour)
		if !c.Reject(mustGet(t, c).Secret()) {
			t.Error("a token that replaced an expired one was taken for the answer to an old rejection")
		}
	})
}
