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

// tally counts the effects of a fault.
type tally struct {
	times  int
	felt   map[symptom]int
	worst  time.Duration // until all had recovered
	longer bool          // combined with another fault
}

// tally returns the one of a fault. The caller holds mu.
func (h *harness) tally(name string) *tally {
	if h.tallies[name] == nil {
		h.tallies[name] = &tally{felt: map[symptom]int{}}
	}
	return h.tallies[name]
}

// noteError counts an error of a client, and reports one that no fault explains.
func (h *harness) noteError(c *client, doing string, began time.Time, err error) {
	s := symptomOf(err)
	h.mu.Lock()
	explained, cutOff := c.route.logsInItself && s == tokenRefused && time.Since(began) > slowLogin, false
	refusing := 0
	for _, v := range slices.Backward(h.windows) {
		if over := v.over; !over.IsZero() {
			if s == tokenRefused && c.route.logsInItself && v.has('t') {
				over = over.Add(tokenLifetime) // a token from that time may be used later
			}
			if over.Before(began) {
				continue
			}
		}
		for _, f := range v.faults {
			if strings.Contains(f.slots, "t") && f.feltByPools.include(tokenRefused) {
				// Two faults in sequence may refuse a token that was minted after a
				// refusal, which is not replaced again.
				if refusing++; refusing > 1 && s == tokenRefused {
					explained = true
					h.tally(f.name).felt[s]++
					continue
				}
			}
			if f.felt.include(s) || c.route.logsInItself && f.feltByPools.include(s) {
				explained, cutOff = true, cutOff || f.cutsMessages
				h.tally(f.name).felt[s]++
			}
		}
	}
	h.errors++
	if !explained && slices.Contains([]symptom{timedOut, poolTimedOut, dialTimedOut}, s) && h.machineIsSlow(began) {
		explained = true
		h.tally(slowMachine).felt[s]++
	}
	h.mu.Unlock()
	if c.route.isProxy && dropped(err) && !(doing == longAnswer || cutOff) {
		h.wrong("client %d (%s): its connection was closed without an error during %q: %v", c.id, c.route.name, doing, err)
	}
	if !explained {
		h.wrong("client %d (%s) got an error that no fault explains, %s after the start of %q: %s: %v",
			c.id, c.route.name, time.Since(began).Round(time.Millisecond), doing, s, err)
	}
}

// dropped reports whether a connection was closed without an error message. A
// proxy may do that only in the middle of another message.
func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// wrong reports a violation. The first one ends the test.
func (h *harness) wrong(format string, args ...any) {
	h.t.Helper()
	if h.failed.Swap(true) {
		h.t.Errorf(format, args...)
		return
	}
	h.t.Errorf("%s\nafter %s with seed %d, product %s, and these faults:\n%sthe library's log until %s:\n%sto repeat: make chaos CHAOS=%s CHAOS_SEED=%d", fmt.Sprintf(format, args...),
		time.Since(h.began).Round(time.Millisecond), h.seed, h.product, h.schedule(), time.Now().Format(time.RFC3339Nano), h.log.tail(), h.duration, h.seed)
}

// schedule lists the faults so far.
func (h *harness) schedule() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var text strings.Builder
	at := func(t time.Time) string {
		if t.IsZero() {
			return "..."
		}
		return t.Sub(h.began).Round(time.Millisecond).String()
	}
	for i, v := range h.windows {
		fmt.Fprintf(&text, "%4d  %s to %s: %s\n", i, at(v.began), at(v.ended), v.text)
	}
	return text.String()
}

// every calls do at an interval, until ctx ends or the test has failed.
func (h *harness) every(ctx context.Context, interval time.Duration, do func()) {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for !h.failed.Load() {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		do()
	}
}

// watch checks the limits until ctx ends.
func (h *harness) watch(ctx context.Context) {
	h.every(ctx, 20*time.Millisecond, func() {
		for _, y := range h.routes {
			if excess := y.excess(); excess != "" {
				h.wrong("%s: %s", y.name, excess)
			}
		}
		// One at a time, and while it is unanswered for seconds, two that repeat it:
		// an outage in which requests hang is over within 3 seconds only so.
		if n := h.server.Stats().CredentialsPeak; n > 3 {
			h.wrong("one identity had %d credential requests in flight", n)
		}
		h.checkTokens()
	})
}

// checkTokens verifies that no cache returns an expired token. While the
// service's clock is skewed, caches cannot know the expiry.
func (h *harness) checkTokens() {
	if h.isSkewed() {
		return
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel() // so that Token returns the cached token at once
	for _, y := range h.routes {
		now := time.Now()
		token, err := y.connector.Token(ended)
		if err != nil {
			continue
		}
		var claims jwt.RegisteredClaims
		if _, _, err := jwt.NewParser().ParseUnverified(token.Secret(), &claims); err != nil {
			h.wrong("%s: the token cannot be parsed", y.name)
		} else if age := now.Sub(claims.ExpiresAt.Time); age > 0 && !h.isSkewed() {
			h.wrong("%s: the cache returned a token that expired %s ago", y.name, age)
		}
	}
}

// isSkewed reports whether the service's clock is skewed, or was within a token's
// lifetime.
func (h *harness) isSkewed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.windows {
		if v.set.Tokens.ClockSkew != 0 && (v.over.IsZero() || time.Since(v.over) < tokenLifetime) {
			return true
		}
	}
	return false
}
