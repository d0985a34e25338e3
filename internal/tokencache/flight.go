package tokencache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Reasons of a refresh, for the log.
const (
	reasonFirst      = "first"
	reasonStale      = "stale"
	reasonExpired    = "expired"
	reasonRejected   = "rejected"
	reasonBackground = "background"
)

// flight is one refresh: as many attempts as it takes, for every caller that
// waits for it. The cache's lock guards the fields above done; those below it
// are written before done is closed.
type flight struct {
	reason   string
	started  time.Duration // monotonic
	attempts int
	last     error         // of the latest attempt
	waiters  int           // callers that cannot continue without a token
	wake     chan struct{} // holds one signal

	done  chan struct{}
	token *Token
	err   error
}

// addWaiter is called with the cache's lock held.
func (f *flight) addWaiter() {
	if f.waiters++; f.waiters == 1 {
		signal(f.wake) // the next attempt is due sooner
	}
}

// removeWaiter is called with the cache's lock held.
func (f *flight) removeWaiter() {
	if f.waiters--; f.waiters == 0 {
		signal(f.wake)
	}
}

// outcome returns what the flight ended with, or an error for a caller whose
// context ended first. It is called with the cache's lock held.
func (f *flight) outcome(ctx context.Context, now time.Duration) (*Token, error) {
	select {
	case <-f.done:
		return f.token, f.err
	default:
		return nil, &waitError{ctx.Err(), context.Cause(ctx), f.last, f.attempts, now - f.started}
	}
}

// waitError is a wait for a token that ended with the caller's context.
type waitError struct {
	ctx, cause error // of the context
	last       error // of Fetch; nil if no attempt has failed yet
	attempts   int
	elapsed    time.Duration
}

func (e *waitError) Error() string {
	switch {
	case e.attempts == 0:
		return fmt.Sprintf("no token: %v", e.cause)
	case e.last == nil:
		return fmt.Sprintf("still waiting for a token after %s: %v", e.elapsed.Round(time.Millisecond), e.cause)
	}
	plural := "s"
	if e.attempts == 1 {
		plural = ""
	}
	return fmt.Sprintf("still waiting for a token: %d attempt%s in %s, last: %v (%v)",
		e.attempts, plural, e.elapsed.Round(time.Millisecond), e.last, e.cause)
}

func (e *waitError) Unwrap() []error {
	errs := []error{e.ctx, e.cause}
	if e.last != nil {
		errs = append(errs, e.last)
	}
	return errs
}

// signal puts a value into a channel that holds one, unless one is there.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

const (
	fetchTimeout = 30 * time.Second
	// firstTimeout bounds the first attempt of each refresh. Most requests that
	// are unanswered for so long are lost, and callers give up after about 30
	// seconds; a server that is only slow has more time with the next attempt.
	firstTimeout = 10 * time.Second
	// reportedSkew is the difference between the local clock and the server's
	// that is worth a warning.
	reportedSkew = 30 * time.Second
	// warnInterval is how often one outage is worth a warning.
	warnInterval = 30 * time.Second
)

// attempt makes one attempt and reports whether it finished the flight.
func (c *Cache) attempt(f *flight) (finished bool) {
	c.mu.Lock()
	f.attempts++
	number, answersRejection := f.attempts, c.replacementPending
	jitter := unscheduledJitter
	if number == 1 && (f.reason == reasonStale || f.reason == reasonBackground) {
		jitter = scheduledJitter
	}
	c.mu.Unlock()

	c.counts.calls.Add(1)
	requested := c.opts.Now()
	cred, terminal, retryAfter, err := c.fetch(number)

	c.mu.Lock()
	now := c.opts.Now()
	var e *entry
	if err == nil {
		if e = newEntry(cred, requested, c.opts.RefreshAge, jitter, c.opts.Rand()); e.freshness(now) >= late {
			err = errExpiredToken
		}
	}
	if err != nil {
		c.counts.failures.Add(1)
	}
	level, message, reportSkew := slog.LevelWarn, "lakebase: token refresh failed", false
	attrs := []slog.Attr{
		slog.String("target", c.opts.Name), slog.String("reason", f.reason),
		slog.Int("attempt", number), slog.Duration("duration", now.Mono-requested.Mono),
	}
	switch {
	case c.closed:
		c.finish(f, nil, ErrClosed)
	case err == nil:
		reportSkew = !c.skewReported && cred.Skew.Abs() > reportedSkew
		c.skewReported = c.skewReported || reportSkew
		c.store(e, answersRejection)
		c.finish(f, e.token, nil)
		level, message = slog.LevelInfo, "lakebase: token refreshed"
		attrs = append(attrs, slog.Time("expiry", e.token.Expiry()), slog.Duration("lifetime", e.lifetime))
	default:
		c.backoff.fail(now.Mono, retryAfter, c.opts.Rand())
		f.last = err
		c.failure.Store(&err)
		attrs = append(attrs, slog.Any("error", err))
		if terminal {
			c.terminal = err
			c.terminalUntil = now.Mono + time.Second + time.Duration(c.opts.Rand()*float64(time.Second))
			if e := c.usable(); e != nil {
				c.finish(f, e.token, nil)
			} else {
				c.finish(f, nil, err)
			}
			break
		}
		message += ", will retry"
		attrs = append(attrs, slog.Duration("retry_in", c.backoff.due(c.awaited(f))-now.Mono))
		if now.Mono < c.warnAt {
			level = slog.LevelDebug
		} else {
			c.warnAt = now.Mono + warnInterval
		}
	}
	finished = c.flight != f
	c.mu.Unlock()
	if c.closing.Err() != nil {
		return finished
	}
	c.opts.Logger.LogAttrs(context.Background(), level, message, attrs...) // without the lock: it may do I/O
	if reportSkew {
		c.opts.Logger.Warn("lakebase: the local clock and the server's differ; token ages are corrected for it",
			slog.String("target", c.opts.Name), slog.Duration("skew", cred.Skew))
	}
	return finished
}

// fetch calls Options.Fetch, bounded in time, and Options.Terminal for its error.
// A credential that is empty or has expired is an error too.
func (c *Cache) fetch(attempt int) (cred Credential, terminal bool, retryAfter time.Duration, err error) {
	timeout := fetchTimeout
	if attempt == 1 {
		timeout = firstTimeout
	}
	ctx, cancel := context.WithTimeout(c.closing, timeout)
	defer cancel()
	cred, err = c.opts.Fetch(ctx)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("no answer within %s: %w", timeout, err)
	case err != nil:
		terminal, retryAfter = c.opts.Terminal(err)
	default:
		err = cred.check()
	}
	return cred, terminal, retryAfter, err
}
