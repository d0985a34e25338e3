package tokencache

import "time"

// Bounds of the time between a failure and the next attempt: while a caller waits
// for the token, and while none does.
const (
	minAwaited = 100 * time.Millisecond
	maxAwaited = 2 * time.Second
	minBackoff = time.Second
	maxBackoff = time.Minute
)

const (
	maxRetryAfter = 5 * time.Minute
	// forgetAfter is how long after the last possible attempt the count of
	// failures starts anew.
	forgetAfter = 2 * time.Minute
)

// backoff decides when the next attempt may start after failures. It outlives
// any one refresh, so that a series of impatient callers does not restart it.
// Its times are readings of the monotonic clock.
type backoff struct {
	failures int
	unwanted time.Duration // the next attempt while no caller waits
	awaited  time.Duration // the next attempt while a caller waits; never later
}

// fail records a failure at now and picks the time of the next attempt with full
// jitter, but not before the server's Retry-After. While no caller waits, its
// bound doubles with each failure. While one does, it stays at 2 seconds, so that
// the end of an outage is noticed at once, however long the outage was.
func (b *backoff) fail(now, retryAfter time.Duration, rnd float64) {
	if now > b.unwanted+forgetAfter {
		b.failures = 0
	}
	b.failures++
	bound := maxBackoff
	if b.failures < 6 {
		bound = min(maxBackoff, minBackoff<<b.failures)
	}
	notBefore := now + min(retryAfter, maxRetryAfter)
	b.unwanted = max(now+between(minBackoff, bound, rnd), notBefore)
	b.awaited = max(now+between(minAwaited, maxAwaited, rnd), notBefore)
}

func (b *backoff) succeed() { *b = backoff{} }

// due returns the earliest time of the next attempt.
func (b *backoff) due(awaited bool) time.Duration {
	if awaited {
		return b.awaited
	}
	return b.unwanted
}

// between returns the time at rnd, in [0, 1), of the way from low to high.
func between(low, high time.Duration, rnd float64) time.Duration {
	return low + time.Duration(rnd*float64(high-low))
}
