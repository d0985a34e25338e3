package tokencache

import (
	"context"
	"fmt"
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
