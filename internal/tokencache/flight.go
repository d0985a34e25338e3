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
	urgent   bool          // the first of them has just come: shorten the back-off
	wake     chan struct{} // holds one signal

	done  chan struct{}
	token *Token
	err   error
}

func newFlight(reason string, now time.Duration) *flight {
	return &flight{reason: reason, started: now, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// addWaiter is called with the cache's lock held.
func (f *flight) addWaiter() {
	if f.waiters++; f.waiters == 1 {
		f.urgent = true
		signal(f.wake)
	}
}

// removeWaiter is called with the cache's lock held.
func (f *flight) removeWaiter() {
	if f.waiters--; f.waiters == 0 {
		f.urgent = false
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
		err := newWaitError(ctx)
		err.last, err.attempts, err.elapsed = f.last, f.attempts, now-f.started
		return nil, err
	}
}

// waitError is a wait for a token that ended with the caller's context.
type waitError struct {
	ctx, cause error // of the context
	last       error // of Fetch; nil if no attempt has failed yet
	attempts   int
	elapsed    time.Duration
}

func newWaitError(ctx context.Context) *waitError {
	return &waitError{ctx: ctx.Err(), cause: context.Cause(ctx)}
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
)

// attempt is one call of Options.Fetch and its outcome.
type attempt struct {
	number     int // of the refresh, from 1
	reason     string
	requested  Instant
	duration   time.Duration
	cred       Credential
	entry      *entry
	err        error
	terminal   bool
	retryAfter time.Duration // what the server asked for
	retryIn    time.Duration
	reportSkew bool
}

// fetch makes the call, bounded in time. A credential that is empty or has
// expired is an error.
func (a *attempt) fetch(ctx context.Context, o *Options) {
	timeout := fetchTimeout
	if a.number == 1 {
		timeout = firstTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	a.requested = o.Now()
	a.cred, a.err = o.Fetch(ctx)
	switch {
	case a.err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		a.err = &timeoutError{after: timeout, err: a.err}
	case a.err != nil:
		a.terminal, a.retryAfter = o.Terminal(a.err)
	default:
		a.err = a.cred.check()
	}
}

// complete turns the credential into an entry as of now.
func (a *attempt) complete(now Instant, o *Options) {
	a.duration = now.Mono - a.requested.Mono
	if a.err != nil {
		return
	}
	a.entry = newEntry(a.cred, a.requested, o.RefreshAge, o.Rand())
	if a.entry.freshness(now) == expired {
		a.err = errExpiredToken
	}
}

// log reports the outcome. It runs without the cache's lock, because a log
// handler may do I/O.
func (a *attempt) log(o *Options) {
	log := o.Logger.With(
		slog.String("target", o.Name),
		slog.String("reason", a.reason),
		slog.Int("attempt", a.number),
		slog.Duration("duration", a.duration))
	switch {
	case a.err == nil:
		log.Info("lakebase: token refreshed",
			slog.Time("expiry", a.entry.token.Expiry()),
			slog.Duration("lifetime", a.entry.lifetime))
	case a.terminal:
		log.Warn("lakebase: token refresh failed", slog.Any("error", a.err))
	default:
		log.Warn("lakebase: token refresh failed, will retry",
			slog.Any("error", a.err),
			slog.Duration("retry_in", a.retryIn))
	}
	if a.reportSkew {
		o.Logger.Warn("lakebase: the local clock and the server's differ; token ages are corrected for it",
			slog.String("target", o.Name),
			slog.Duration("skew", a.cred.Skew))
	}
}

// timeoutError is an attempt that did not end in time.
type timeoutError struct {
	after time.Duration
	err   error
}

func (e *timeoutError) Error() string { return fmt.Sprintf("no answer within %s: %v", e.after, e.err) }
func (e *timeoutError) Unwrap() error { return e.err }
