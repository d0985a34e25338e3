package tokencache

import "time"

const (
	minBackoff    = time.Second
	maxBackoff    = time.Minute
	maxRetryAfter = 5 * time.Minute
	// minUrgent is the least time between a failure and the next attempt when a
	// caller that just began to wait shortens the back-off.
	minUrgent = time.Second
	// forgetAfter is how long after the last possible attempt the count of
	// failures starts anew.
	forgetAfter = 2 * time.Minute
)

// backoff decides when the next attempt may start after failures. It outlives
// any one refresh, so that a series of impatient callers does not restart it.
// Its times are readings of the monotonic clock.
type backoff struct {
	failures  int
	failedAt  time.Duration
	notBefore time.Duration // what the server asked for
	retryAt   time.Duration
}

// fail records a failure at now and picks the time of the next attempt: full
// jitter below a bound that doubles, but not before the server's Retry-After.
func (b *backoff) fail(now, retryAfter time.Duration, rnd float64) {
	if now > b.retryAt+forgetAfter {
		b.failures = 0
	}
	b.failures++
	b.failedAt = now
	b.notBefore = now + min(retryAfter, maxRetryAfter)
	b.retryAt = max(now+delay(b.failures, rnd), b.notBefore)
}

func (b *backoff) succeed() { *b = backoff{} }

// due returns the earliest time of the next attempt. Urgency shortens the
// back-off, but never what the server asked for.
func (b *backoff) due(urgent bool) time.Duration {
	if b.failures == 0 {
		return 0
	}
	if urgent {
		return min(b.retryAt, max(b.failedAt+minUrgent, b.notBefore))
	}
	return b.retryAt
}

// delay returns a time between minBackoff and a bound that doubles with each
// failure up to maxBackoff. rnd is in [0, 1).
func delay(failures int, rnd float64) time.Duration {
	bound := maxBackoff
	if failures < 6 {
		bound = min(maxBackoff, minBackoff<<failures)
	}
	return minBackoff + time.Duration(rnd*float64(bound-minBackoff))
}
