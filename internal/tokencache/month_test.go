package tokencache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakebase-go/lakebase/internal/tokencache"
)

// world is a server with a clock of its own, and a client machine that sleeps
// and whose clock is set. The time of the synctest bubble is the client's
// monotonic clock.
type world struct {
	t        *testing.T
	lifetime time.Duration
	start    time.Time

	mu       sync.Mutex
	rnd      *rand.Rand
	slept    time.Duration // total of the suspends: the server lived through them
	set      time.Duration // total of what the client's clock was set by
	down     time.Time     // end of the outage
	troubled time.Time     // latest time up to which a failed get is excusable
	inFlight int
	fetches  int
	expiry   map[string]time.Time // by the server's clock
	revoked  map[string]bool
	newest   string
}

func (w *world) serverNow() time.Time { return time.Now().Add(w.slept) }

func (w *world) clientNow() tokencache.Instant {
	w.mu.Lock()
	defer w.mu.Unlock()
	return tokencache.Instant{
		Wall: time.Now().Round(0).Add(w.slept + w.set),
		Mono: time.Since(w.start),
	}
}

func (w *world) chance(p float64) bool { return w.rnd.Float64() < p }

// upTo is a duration between a second and d.
func (w *world) upTo(d time.Duration) time.Duration {
	return time.Second + time.Duration(w.rnd.Float64()*float64(d-time.Second))
}

func (w *world) excuse(d time.Duration) {
	if until := time.Now().Add(d); until.After(w.troubled) {
		w.troubled = until
	}
}

// fetch answers, fails or hangs as chance has it.
func (w *world) fetch(ctx context.Context) (tokencache.Credential, error) {
	w.mu.Lock()
	w.fetches++
	if w.inFlight++; w.inFlight > 1 {
		w.t.Error("two fetches in flight")
	}
	sent := w.serverNow()
	takes, err := w.upTo(3*time.Second), error(nil)
	switch down := time.Now().Before(w.down); {
	case down && w.chance(0.5), w.chance(0.02):
		takes = time.Hour // hangs
		w.excuse(tokencache.FetchTimeout + 2*tokencache.MaxBackoff)
	case down, w.chance(0.05):
		err = outage{}
		if w.chance(0.2) {
			err = outage{after: w.upTo(2 * time.Minute)}
		}
		w.excuse(2*tokencache.MaxBackoff + err.(outage).after)
	case w.chance(0.01):
		err = refusal{}
		w.excuse(2 * tokencache.MaxBackoff)
	}
	w.mu.Unlock()

	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight--
	if err != nil {
		return tokencache.Credential{}, err
	}
	w.newest = fmt.Sprintf("token-%d", w.fetches)
	w.expiry[w.newest] = sent.Add(w.lifetime)
	return tokencache.Credential{Secret: w.newest, Lifetime: w.lifetime}, nil
}

type verdict int

const (
	welcome verdict = iota
	revoked
	outdated
)

// login is what the server says to a token.
func (w *world) login(tok *tokencache.Token) verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	end, known := w.expiry[tok.Secret()]
	switch {
	case !known:
		w.t.Errorf("the server never made %s", tok.Secret())
		return outdated
	case !w.serverNow().Before(end):
		return outdated
	case w.revoked[tok.Secret()]:
		return revoked
	}
	return welcome
}

// upset lets something happen every few minutes, whatever the cache is at.
// Clock events keep a token's life apart: a clock set back as far as the
// machine slept hides the sleep from any clock.
func (w *world) upset(ctx context.Context) {
	lastClockEvent := w.start
	for {
		w.mu.Lock()
		pause := w.upTo(10 * time.Minute)
		w.mu.Unlock()
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		w.mu.Lock()
		if w.chance(0.01) {
			w.down = time.Now().Add(w.upTo(45 * time.Minute))
		}
		if w.chance(0.03) && w.newest != "" {
			w.revoked[w.newest] = true
		}
		if time.Since(lastClockEvent) > w.lifetime+time.Minute && w.chance(0.2) {
			lastClockEvent = time.Now()
			w.excuse(2 * tokencache.MaxBackoff) // for the fetch under way, whose token may now seem old
			switch step := w.upTo(90 * time.Minute); w.rnd.IntN(3) {
			case 0:
				w.slept += step
			case 1:
				w.set += step
			case 2:
				w.set -= step
			}
		}
		w.mu.Unlock()
	}
}

// TestMonthOfRefreshes lives through a month of refreshes. Whatever happens, no
// login is tried with a token that the server's clock calls expired, and no
// get fails while tokens can be had.
func TestMonthOfRefreshes(t *testing.T) {
	t.Parallel()
	for _, lifetime := range []time.Duration{5 * time.Minute, time.Hour} {
		for _, background := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/background=%t", lifetime, background), func(t *testing.T) {
				t.Parallel()
				seed := monthSeed(t)
				synctest.Test(t, func(t *testing.T) { liveAMonth(t, seed, lifetime, background) })
			})
		}
	}
}

// monthSeed is random, or LAKEBASE_TEST_SEED to repeat a failure.
func monthSeed(t *testing.T) uint64 {
	seed := rand.Uint64()
	if s := os.Getenv("LAKEBASE_TEST_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("LAKEBASE_TEST_SEED=%d", seed)
	return seed
}

func liveAMonth(t *testing.T, seed uint64, lifetime time.Duration, background bool) {
	start := time.Now()
	w := &world{
		t: t, lifetime: lifetime, start: start,
		rnd:    rand.New(rand.NewPCG(seed, 1)),
		expiry: make(map[string]time.Time), revoked: make(map[string]bool),
	}
	jitter := rand.New(rand.NewPCG(seed, 2))
	c := tokencache.New(tokencache.Options{
		Fetch: w.fetch, Terminal: judgeFake, RefreshAge: 50 * time.Minute,
		Now: w.clientNow, Rand: jitter.Float64,
		Logger: slog.New(slog.DiscardHandler),
	})
	defer c.Close()
	if background {
		c.StartRefresh()
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go w.upset(ctx)

	var logins, rejected, failed int
	for time.Since(start) < 30*24*time.Hour {
		w.mu.Lock()
		pause := w.upTo(lifetime/10 + 2*time.Minute)
		w.mu.Unlock()
		time.Sleep(pause)

		tok, err := timedGet(c)
		if err == nil && w.login(tok) == revoked {
			rejected++
			if !c.Reject(tok.Secret()) {
				continue
			}
			tok, err = timedGet(c)
		}
		logins++
		if err != nil {
			failed++
			w.mu.Lock()
			if time.Now().After(w.troubled) {
				t.Errorf("seed %d, after %s: get failed while tokens could be had: %v", seed, time.Since(start), err)
			}
			w.mu.Unlock()
			continue
		}
		switch w.login(tok) {
		case welcome:
			c.Accept(tok.Secret())
		case outdated:
			t.Errorf("seed %d, after %s: presented an expired token", seed, time.Since(start))
		}
		if t.Failed() {
			return
		}
	}
	c.Close()
	n := c.Stats()
	t.Logf("%d logins, %d failed, %d rejected, %+v", logins, failed, rejected, n)
	if rejected == 0 || failed == 0 || n.CredentialFailures == 0 {
		t.Error("it was too quiet a month to prove anything")
	}
	if n.CredentialCalls != int64(w.fetches) {
		t.Errorf("counted %d calls of %d", n.CredentialCalls, w.fetches)
	}
	if failed > logins/20 {
		t.Errorf("%d of %d logins failed", failed, logins)
	}
}

// timedGet gives the cache the patience of a program that logs in.
func timedGet(c *tokencache.Cache) (*tokencache.Token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	tok, err := c.Get(ctx)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &refusal{}) {
		return tok, fmt.Errorf("unexpected: %w", err)
	}
	return tok, err
}
