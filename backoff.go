package lakebase

import "time"

const (
	minBackoff    = time.Second
	maxBackoff    = time.Minute
	maxRetryAfter = 5 * time.Minute
	// minHaste is the least time between a failure and an attempt that was
	// brought forward for someone who just began to wait.
	minHaste = time.Second
	// forgetAfter is how long nobody tries before a row of failures is over.
	forgetAfter = 2 * time.Minute
)

// pace says when the next attempt may start after failures. It outlives any
// one refresh, so that a row of impatient callers does not restart it. Its
// times are readings of the monotonic clock.
type pace struct {
	failures  int
	failedAt  time.Duration
	notBefore time.Duration // what the server asked for
	retryAt   time.Duration
}

// fail records a failure at now and picks the time of the next attempt: full
// jitter below a bound that doubles, but not before the server's Retry-After.
func (p *pace) fail(now, retryAfter time.Duration, rnd float64) {
	if now > p.retryAt+forgetAfter {
		p.failures = 0
	}
	p.failures++
	p.failedAt = now
	p.notBefore = now + min(retryAfter, maxRetryAfter)
	p.retryAt = max(now+backoff(p.failures, rnd), p.notBefore)
}

func (p *pace) succeed() { *p = pace{} }

// due returns the earliest time of the next attempt. Haste shortens the
// back-off, never what the server asked for.
func (p *pace) due(haste bool) time.Duration {
	if p.failures == 0 {
		return 0
	}
	if haste {
		return min(p.retryAt, max(p.failedAt+minHaste, p.notBefore))
	}
	return p.retryAt
}

// backoff returns a delay between minBackoff and a bound that doubles with
// each failure up to maxBackoff. rnd is in [0, 1).
func backoff(failures int, rnd float64) time.Duration {
	bound := maxBackoff
	if failures < 6 {
		bound = min(maxBackoff, minBackoff<<failures)
	}
	return minBackoff + time.Duration(rnd*float64(bound-minBackoff))
}
