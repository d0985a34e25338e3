package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tally is what has come of a fault.
type tally struct {
	times  int
	felt   map[symptom]int
	worst  time.Duration // until all had recovered
	longer bool          // with another fault at the same time
}

// tally returns that of a fault. The caller holds mu.
func (w *world) tally(name string) *tally {
	if w.tallies[name] == nil {
		w.tallies[name] = &tally{felt: map[symptom]int{}}
	}
	return w.tallies[name]
}

// felt judges an error that a client got.
func (w *world) felt(c *client, doing string, began time.Time, err error) {
	s := symptomOf(err)
	w.mu.Lock()
	explained, cutOff := c.way.byItself && s == refused && time.Since(began) > slowLogin, false
	refusing := 0
	for _, v := range slices.Backward(w.windows) {
		if over := v.over; !over.IsZero() {
			if s == refused && c.way.byItself && v.has('t') {
				over = over.Add(tokenLifetime) // a token of that time may not have been tried since
			}
			if over.Before(began) {
				continue
			}
		}
		for _, f := range v.faults {
			if strings.Contains(f.slots, "t") && f.feltByPools.include(refused) {
				// One after the other may hit a token that came in answer to a
				// refusal, and such a one is not replaced again.
				if refusing++; refusing > 1 && s == refused {
					explained = true
					w.tally(f.name).felt[s]++
					continue
				}
			}
			if f.felt.include(s) || c.way.byItself && f.feltByPools.include(s) {
				explained, cutOff = true, cutOff || f.cutsMessages
				w.tally(f.name).felt[s]++
			}
		}
	}
	w.errors++
	if !explained && slices.Contains([]symptom{tooLate, starved, outOfTime}, s) && w.machineIsSlow(began) {
		explained = true
		w.tally(slowMachine).felt[s]++
	}
	w.mu.Unlock()
	if c.way.isProxy && dropped(err) && !(doing == longAnswer || cutOff) {
		w.wrong("client %d (%s): its connection ended without a word while it was to %s: %v", c.id, c.way.name, doing, err)
	}
	if !explained {
		w.wrong("client %d (%s) got an error that no fault explains, %s after it had begun to %s: %s: %v",
			c.id, c.way.name, time.Since(began).Round(time.Millisecond), doing, s, err)
	}
}

// dropped reports whether a connection was closed without an error message. A
// proxy may do so only in the middle of another message.
func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// wrong is what must not be. The first violation ends the test.
func (w *world) wrong(format string, args ...any) {
	w.t.Helper()
	if w.failed.Swap(true) {
		w.t.Errorf(format, args...)
		return
	}
	w.t.Errorf("%s\nafter %s with seed %d, product %s, and these faults:\n%sthe library's log until %s:\n%sto repeat: make chaos CHAOS=%s CHAOS_SEED=%d", fmt.Sprintf(format, args...),
		time.Since(w.began).Round(time.Millisecond), w.seed, w.product, w.schedule(), time.Now().Format(time.RFC3339Nano), w.log.tail(), w.duration, w.seed)
}

// schedule is what has gone wrong so far, on purpose.
func (w *world) schedule() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var text strings.Builder
	at := func(t time.Time) string {
		if t.IsZero() {
			return "..."
		}
		return t.Sub(w.began).Round(time.Millisecond).String()
	}
	for i, v := range w.windows {
		fmt.Fprintf(&text, "%4d  %s to %s: %s\n", i, at(v.began), at(v.ended), v.text)
	}
	return text.String()
}

// every does something again and again, until ctx ends or the test has failed.
func (w *world) every(ctx context.Context, interval time.Duration, do func()) {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for !w.failed.Load() {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		do()
	}
}

// watch looks at the limits until ctx ends.
func (w *world) watch(ctx context.Context) {
	w.every(ctx, 20*time.Millisecond, func() {
		for _, y := range w.ways {
			if excess := y.excess(); excess != "" {
				w.wrong("%s: %s", y.name, excess)
			}
		}
		if n := w.server.Stats().CredentialsPeak; n > 1 {
			w.wrong("one identity had %d credential requests under way at once", n)
		}
		w.checkTokens()
	})
}

// checkTokens judges what the caches give out, which must not have expired.
// With a clock that jumps they cannot know; then the server's refusal tells.
func (w *world) checkTokens() {
	if w.isSkewed() {
		return
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel() // it takes what is there, and waits for nothing
	for _, y := range w.ways {
		now := time.Now()
		token, err := y.by.Token(ended)
		if err != nil {
			continue
		}
		var claims jwt.RegisteredClaims
		if _, _, err := jwt.NewParser().ParseUnverified(token.Secret(), &claims); err != nil {
			w.wrong("%s: what should be a token is none", y.name)
		} else if age := now.Sub(claims.ExpiresAt.Time); age > 0 && !w.isSkewed() {
			w.wrong("%s: a token was given out that expired %s ago", y.name, age)
		}
	}
}

// isSkewed reports whether the service's clock is, or was a moment ago.
func (w *world) isSkewed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.windows {
		if v.set.Tokens.ClockSkew != 0 && (v.over.IsZero() || time.Since(v.over) < tokenLifetime) {
			return true
		}
	}
	return false
}
