package tokencache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

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
