// Package tokencache keeps one credential fresh for any number of callers.
//
// A token is fresh, stale, late or expired by its age. A fresh one is served by an
// atomic load. A stale one is served too, and starts one refresh in the
// background. Without such a token callers wait for the one refresh in flight,
// which retries at intervals of at most 2 seconds for as long as a caller waits;
// if it does not succeed at once, a token in its last seconds is served. A failed
// refresh never replaces a token that is still valid, and the end of a caller's
// context ends only that caller's wait.
//
// The caller reports how the server received a token: a rejected token is
// dropped once, whatever number of callers report it, and if its replacement is
// rejected too, that is final for a minute.
package tokencache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// rejectInterval is how often a rejected token is replaced while its
	// replacements are rejected too.
	rejectInterval = time.Minute
	// checkInterval is the longest that the background refresh waits before it
	// reads the clocks again: timers stand still while the machine sleeps.
	checkInterval = 30 * time.Second
	// latePatience is how long a caller waits for the replacement of a late token.
	latePatience = 500 * time.Millisecond
)

// ErrClosed is the error of every Get on a closed Cache.
var ErrClosed = errors.New("the token cache is closed")

// Cache serves one token to any number of callers and replaces it before it
// expires. It is safe for concurrent use.
type Cache struct {
	opts    Options
	current atomic.Pointer[entry]
	failure atomic.Pointer[error] // of the latest attempt; nil if it succeeded
	counts  struct{ calls, failures, tokens, rejections atomic.Int64 }

	work    sync.WaitGroup
	closing context.Context // ends with the cache; the parent of every fetch's context
	cancel  context.CancelFunc
	changed chan struct{} // wakes the background refresh; holds one signal

	mu                 sync.Mutex // never held over I/O
	closed             bool
	flight             *flight       // the refresh in progress, if any
	backoff            backoff       // across flights
	terminal           error         // the last terminal failure ...
	terminalUntil      time.Duration // ... and until when it is the answer without another call
	rejected           string        // the secret that was dropped last
	replacementPending bool          // no token has come in its place yet
	stopRefresh        chan struct{} // closed to end the background refresh; nil if there is none
	skewReported       bool
	warnAt             time.Duration // failures before that are not worth another warning
}

// New returns a Cache. It does nothing until it is asked for a token.
func New(o Options) *Cache {
	c := &Cache{opts: o.withDefaults(), changed: make(chan struct{}, 1)}
	c.closing, c.cancel = context.WithCancel(context.Background())
	return c
}

// Get returns a token that is not expired. If it has one, it neither locks nor
// allocates nor looks at ctx. If it has to wait, the end of ctx ends this
// caller's wait only, with an error that wraps the context's error, its cause
// and the last failure of Fetch.
func (c *Cache) Get(ctx context.Context) (*Token, error) {
	if t := c.Peek(); t != nil {
		return t, nil
	}
	f, t, err := c.join(ctx)
	if f == nil {
		return t, err
	}
	late := c.wait(ctx, f)
	c.mu.Lock()
	defer c.mu.Unlock()
	f.removeWaiter()
	if late != nil {
		return late.token, nil
	}
	return f.outcome(ctx, c.opts.Now().Mono)
}

// wait waits until the flight or ctx ends. It returns earlier with a late token
// whose replacement is not there at once.
func (c *Cache) wait(ctx context.Context, f *flight) *entry {
	patience := time.NewTimer(latePatience)
	defer patience.Stop()
	for {
		select {
		case <-f.done:
			return nil
		case <-ctx.Done():
			return nil
		case <-patience.C:
			if e := c.usable(); e != nil {
				return e
			}
		}
	}
}

// Peek returns the current token, or nil if there is none that is usable. It
// never waits. If the token is stale, it starts a refresh.
func (c *Cache) Peek() *Token {
	e := c.current.Load()
	if e == nil {
		return nil
	}
	switch e.freshness(c.opts.Now()) {
	case fresh:
		return e.token
	case stale:
		c.refreshStale()
		return e.token
	}
	return nil
}

// Reject reports that the server refused the token with this secret, and drops
// that token and no other. It returns whether a new token is worth trying:
// false means that the refused one was itself fetched because of a rejection
// and was never accepted. Such a token is kept, so that a role that is refused
// for good costs at most one fetch a minute.
func (c *Cache) Reject(secret string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.current.Load()
	if e == nil || e.token.Secret() != secret {
		return true
	}
	if !e.refused {
		e.refused = true
		c.counts.rejections.Add(1)
	}
	if e.replacement && !e.accepted.Load() && e.age(c.opts.Now()) < rejectInterval {
		return false
	}
	c.rejected, c.replacementPending = secret, true
	c.current.Store(nil)
	signal(c.changed)
	return true
}

// Accept reports that the server accepted the token with this secret.
func (c *Cache) Accept(secret string) {
	e := c.current.Load()
	if e != nil && !e.accepted.Load() && e.token.Secret() == secret {
		e.accepted.Store(true)
	}
}

// FetchNow fetches a credential at once, whatever the cache holds and however
// recently a fetch failed. If it is usable, it becomes the current token.
func (c *Cache) FetchNow(ctx context.Context) (Credential, error) {
	requested := c.opts.Now()
	cred, err := c.opts.Fetch(ctx)
	if err != nil {
		return Credential{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed && cred.check() == nil {
		c.store(newEntry(cred, requested, c.opts.RefreshAge, unscheduledJitter, c.opts.Rand()), false)
	}
	return cred, nil
}

// Failure returns the error of the latest attempt to get a token, nil if that
// succeeded or none has ended yet.
func (c *Cache) Failure() error {
	if err := c.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Recheck waits for the next attempt if the latest one failed, as a caller without a
// token would: it makes that attempt due within 2 seconds.
func (c *Cache) Recheck(ctx context.Context) {
	c.mu.Lock()
	if c.closed || c.failure.Load() == nil {
		c.mu.Unlock()
		return
	}
	f := c.flight
	if f == nil {
		reason := c.reasonWithoutToken()
		if c.usable() != nil {
			reason = reasonBackground
		}
		f = c.start(reason)
	}
	f.addWaiter()
	c.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f.removeWaiter()
}

// Stats are a Cache's counters since [New].
type Stats struct {
	CredentialCalls    int64     // of Fetch
	CredentialFailures int64     // of those, the ones without a usable token
	Tokens             int64     // received
	Rejections         int64     // tokens that the server refused
	TokenExpiry        time.Time // of the current token; zero if there is none
}

// Stats returns the counters.
func (c *Cache) Stats() Stats {
	s := Stats{
		CredentialCalls:    c.counts.calls.Load(),
		CredentialFailures: c.counts.failures.Load(),
		Tokens:             c.counts.tokens.Load(),
		Rejections:         c.counts.rejections.Load(),
	}
	if e := c.current.Load(); e != nil {
		s.TokenExpiry = e.token.expiry
	}
	return s
}

// StartRefresh keeps the token fresh in the background until StopRefresh or
// Close. Both may be called any number of times.
func (c *Cache) StartRefresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.stopRefresh != nil {
		return
	}
	stop := make(chan struct{})
	c.stopRefresh = stop
	c.work.Go(func() { c.refreshInBackground(stop) })
}

// StopRefresh ends the background refresh.
func (c *Cache) StopRefresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopRefresh == nil {
		return
	}
	close(c.stopRefresh)
	c.stopRefresh = nil
	if c.flight != nil {
		signal(c.flight.wake) // it may not be needed any more
	}
}

// Close ends all background work and waits for it. Every later Get fails with
// [ErrClosed].
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed, c.rejected = true, ""
	c.current.Store(nil)
	c.cancel()
	c.mu.Unlock()
	c.work.Wait()
}

// usable returns the current entry unless it has expired.
func (c *Cache) usable() *entry {
	if e := c.current.Load(); e != nil && e.freshness(c.opts.Now()) != expired {
		return e
	}
	return nil
}

// awaited reports whether a caller waits for the flight's token, or would if it
// came now. It is called with the lock held.
func (c *Cache) awaited(f *flight) bool {
	e := c.current.Load()
	return f.waiters > 0 || e != nil && e.freshness(c.opts.Now()) == late
}

// join adds the caller to the waiters of the refresh in flight, and starts one
// if there is none. It returns no flight if the answer is known already.
func (c *Cache) join(ctx context.Context) (*flight, *Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	e := c.usable()
	if e != nil && e.freshness(c.opts.Now()) != late {
		return nil, e.token, nil
	}
	if e != nil && c.backoff.failures > 0 {
		if c.flight == nil {
			c.start(reasonExpired)
		}
		return nil, e.token, nil
	}
	if c.terminal != nil && c.opts.Now().Mono < c.terminalUntil {
		return nil, nil, c.terminal
	}
	if ctx.Err() != nil {
		return nil, nil, &waitError{ctx: ctx.Err(), cause: context.Cause(ctx)}
	}
	f := c.flight
	if f == nil {
		f = c.start(c.reasonWithoutToken())
	}
	f.addWaiter()
	return f, nil, nil
}

func (c *Cache) reasonWithoutToken() string {
	switch {
	case c.replacementPending:
		return reasonRejected
	case c.counts.tokens.Load() > 0:
		return reasonExpired
	}
	return reasonFirst
}

// refreshStale starts a refresh of a stale token unless one is in flight or the
// last one failed a moment ago.
func (c *Cache) refreshStale() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.opts.Now()
	if c.closed || c.flight != nil || now.Mono < c.backoff.due(false) {
		return
	}
	if e := c.current.Load(); e != nil && e.freshness(now) == stale {
		c.start(reasonStale)
	}
}

// start starts a flight. The caller holds the lock and has checked that the
// cache is open and no flight is under way.
func (c *Cache) start(reason string) *flight {
	f := &flight{reason: reason, started: c.opts.Now().Mono, wake: make(chan struct{}, 1), done: make(chan struct{})}
	c.flight = f
	c.work.Go(func() {
		for c.waitForAttempt(f) {
			if c.attempt(f) {
				return
			}
		}
	})
	return f
}

// waitForAttempt sleeps until the next attempt is due. It finishes the flight
// and returns false as soon as nothing needs its token any more.
func (c *Cache) waitForAttempt(f *flight) bool {
	for {
		c.mu.Lock()
		if !c.needed(f) {
			c.finish(f, nil, ErrClosed) // no waiter reads it unless the cache is closed
			c.mu.Unlock()
			return false
		}
		wait := c.backoff.due(c.awaited(f)) - c.opts.Now().Mono
		c.mu.Unlock()
		if wait <= 0 {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-f.wake:
		case <-c.closing.Done():
		}
		timer.Stop()
	}
}

// needed reports whether the flight's token has a use: for a waiter, for the
// background refresh, or for the callers that come while the old token is still
// valid.
func (c *Cache) needed(f *flight) bool {
	if c.closed {
		return false
	}
	return f.waiters > 0 || c.stopRefresh != nil || c.usable() != nil
}

// store makes e the current entry. A fetch that was under way before the
// rejection does not count as the answer to it, unless it returns the rejected
// token again.
func (c *Cache) store(e *entry, answersRejection bool) {
	e.replacement = answersRejection || e.token.Secret() == c.rejected
	c.replacementPending = false
	c.terminal, c.warnAt = nil, 0
	c.failure.Store(nil)
	c.backoff.succeed()
	c.current.Store(e)
	c.counts.tokens.Add(1)
}

// finish ends the flight with its outcome.
func (c *Cache) finish(f *flight, t *Token, err error) {
	f.token, f.err = t, err
	c.flight = nil
	close(f.done)
	signal(c.changed)
}

func (c *Cache) refreshInBackground(stop chan struct{}) {
	defer signal(c.changed) // the next background refresh may need the signal this one took
	for {
		timer := time.NewTimer(c.refreshIfDue(stop))
		select {
		case <-timer.C:
		case <-c.changed:
		case <-stop:
			timer.Stop()
			return
		case <-c.closing.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// refreshIfDue starts a refresh if one is due and returns when to check again.
func (c *Cache) refreshIfDue(stop chan struct{}) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.stopRefresh != stop || c.flight != nil {
		return checkInterval // the end of the flight is signalled
	}
	now := c.opts.Now()
	wait := c.backoff.due(false) - now.Mono
	reason := reasonBackground
	if e := c.current.Load(); e == nil {
		reason = c.reasonWithoutToken()
	} else {
		wait = max(wait, e.staleAfter-e.age(now))
	}
	if wait <= 0 {
		c.start(reason)
		return checkInterval
	}
	return min(wait, checkInterval)
}
