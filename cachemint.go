package lakebase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// reportedSkew is the difference between the local clock and the server's
// that is worth a warning.
const reportedSkew = 30 * time.Second

var (
	errEmptyToken   = errors.New("the workspace returned an empty token")
	errExpiredToken = errors.New("the workspace returned a token that has expired")
)

// attempt is one call of mint and what came of it.
type attempt struct {
	number   int
	reason   string
	took     time.Duration
	cred     credential
	entry    *entry
	err      error
	terminal bool
	retryIn  time.Duration
	skewed   bool // first sight of a clock that is off
}

// try makes one attempt and reports whether it ended the flight.
func (c *tokenCache) try(f *flight) (landed bool) {
	c.mu.Lock()
	f.attempts++
	f.haste = false
	a := attempt{number: f.attempts, reason: f.reason}
	answersRejection := c.rebirth
	c.mu.Unlock()

	c.stats.calls.Add(1)
	requested := c.opts.now()
	var retryAfter time.Duration
	timeout := c.opts.mintTimeout
	if a.number == 1 {
		timeout = min(timeout, firstMintTimeout)
	}
	a.cred, a.err = c.mint(timeout)
	if a.err != nil {
		a.terminal, retryAfter = c.judge(a.err)
	}

	c.mu.Lock()
	now := c.opts.now()
	a.took = now.mono - requested.mono
	if a.err == nil {
		a.entry = newEntry(a.cred, requested, c.opts.refreshAge, c.opts.rnd())
		if a.entry.freshness(now) == expired {
			a.err = errExpiredToken
		}
	}
	if a.err != nil {
		c.stats.failures.Add(1)
	}
	switch {
	case c.closed:
		c.land(f, Token{}, errCacheClosed)
		landed = true
	case a.err == nil:
		a.skewed = !c.skewReported && a.cred.skew.Abs() > reportedSkew
		c.skewReported = c.skewReported || a.skewed
		c.store(a.entry, answersRejection)
		c.land(f, a.entry.token, nil)
		landed = true
	default:
		c.pace.fail(now.mono, retryAfter, c.opts.rnd())
		a.retryIn = c.pace.retryAt - now.mono
		f.last = a.err
		if a.terminal {
			c.final = a.err
			c.finalUntil = now.mono + time.Second + time.Duration(c.opts.rnd()*float64(time.Second))
			c.land(f, Token{}, a.err)
			landed = true
		}
	}
	c.mu.Unlock()
	c.record(&a)
	return landed
}

// mint makes one bounded call. Nothing that comes back unusable passes.
func (c *tokenCache) mint(timeout time.Duration) (credential, error) {
	ctx, cancel := context.WithTimeout(c.closing, timeout)
	defer cancel()
	cred, err := c.opts.mint(ctx)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return credential{}, &cutOffError{after: timeout, err: err}
	case err != nil:
		return credential{}, err
	case cred.secret == "":
		return credential{}, errEmptyToken
	case cred.lifetime <= 0:
		return credential{}, errExpiredToken
	}
	return cred, nil
}

// judge asks the caller's opinion of the errors that are its own.
func (c *tokenCache) judge(err error) (terminal bool, retryAfter time.Duration) {
	var cutOff *cutOffError
	if errors.Is(err, errEmptyToken) || errors.Is(err, errExpiredToken) || errors.As(err, &cutOff) {
		return false, 0
	}
	return c.opts.terminal(err)
}

// store makes e the current entry. A mint that was under way before the
// rejection does not count as the answer to it, unless it brings the rejected
// token back.
func (c *tokenCache) store(e *entry, answersRejection bool) {
	e.reborn = answersRejection || e.token.Secret() == c.rejected
	c.rebirth = false
	c.final = nil
	c.pace.succeed()
	c.current.Store(e)
	c.stats.tokens.Add(1)
}

// put makes cred, which someone else minted, the current token.
func (c *tokenCache) put(cred credential, requested instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.store(newEntry(cred, requested, c.opts.refreshAge, c.opts.rnd()), false)
	}
}

// record logs an attempt. It runs outside the lock, because a log
// handler may do I/O.
func (c *tokenCache) record(a *attempt) {
	log := c.opts.logger.With(
		slog.String("target", c.opts.name),
		slog.String("reason", a.reason),
		slog.Int("attempt", a.number),
		slog.Duration("duration", a.took))
	switch {
	case c.closing.Err() != nil:
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
	if a.skewed {
		c.opts.logger.Warn("lakebase: the local clock and the workspace's differ; token ages are corrected for it",
			slog.String("target", c.opts.name),
			slog.Duration("skew", a.cred.skew))
	}
}

// cutOffError is an attempt that did not end within its time.
type cutOffError struct {
	after time.Duration
	err   error
}

func (e *cutOffError) Error() string { return fmt.Sprintf("no answer within %s: %v", e.after, e.err) }
func (e *cutOffError) Unwrap() error { return e.err }

// waitError is a wait for a token that the caller's context ended.
type waitError struct {
	ctx, cause error // of the context
	last       error // of the mint; nil if no attempt has failed yet
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
	return fmt.Sprintf("still waiting for a token: %s in %s, last: %v (%v)",
		attempts(e.attempts), e.elapsed.Round(time.Millisecond), e.last, e.cause)
}

func (e *waitError) Unwrap() []error {
	errs := []error{e.ctx, e.cause}
	if e.last != nil {
		errs = append(errs, e.last)
	}
	return errs
}

func attempts(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", n)
}
