package lakebase

import (
	"context"
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

// flight is one refresh: as many attempts as it takes, or as anyone needs.
// The cache's lock guards the fields above done; those below it are written
// before done is closed.
type flight struct {
	reason   string
	started  time.Duration // monotonic
	attempts int
	last     error // of the latest attempt
	waiters  int   // callers that cannot go on without a token
	haste    bool  // one of them has just come: do not sit out the back-off
	wake     chan struct{}

	done  chan struct{}
	token Token
	err   error
}

// join makes the caller wait for the refresh in flight, starting one if there
// is none. It returns no flight if the answer is known already.
func (c *tokenCache) join(ctx context.Context) (*flight, Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, Token{}, errCacheClosed
	}
	if e := c.valid(); e != nil {
		return nil, e.token, nil
	}
	if c.final != nil && c.opts.now().mono < c.finalUntil {
		return nil, Token{}, c.final
	}
	if ctx.Err() != nil {
		return nil, Token{}, newWaitError(ctx)
	}
	f := c.flight
	if f == nil {
		f = c.launch(c.missingReason())
	}
	if f.waiters++; f.waiters == 1 {
		f.haste = true
		signal(f.wake)
	}
	return f, Token{}, nil
}

// leave ends the caller's wait and returns its outcome.
func (c *tokenCache) leave(ctx context.Context, f *flight) (Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		f.haste = false
		signal(f.wake)
	}
	select {
	case <-f.done:
		return f.token, f.err
	default:
		err := newWaitError(ctx)
		err.last, err.attempts, err.elapsed = f.last, f.attempts, c.opts.now().mono-f.started
		return Token{}, err
	}
}

func (c *tokenCache) missingReason() string {
	switch {
	case c.rebirth:
		return reasonRejected
	case c.stats.tokens.Load() > 0:
		return reasonExpired
	}
	return reasonFirst
}

// refresh starts a refresh of a stale token unless one is in flight or the
// last one failed a moment ago.
func (c *tokenCache) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.opts.now()
	if c.closed || c.flight != nil || now.mono < c.pace.due(false) {
		return
	}
	if e := c.current.Load(); e != nil && e.freshness(now) == stale {
		c.launch(reasonStale)
	}
}

// launch starts a flight. The caller holds the lock and has seen that the
// cache is open and no flight is under way.
func (c *tokenCache) launch(reason string) *flight {
	f := &flight{
		reason:  reason,
		started: c.opts.now().mono,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	c.flight = f
	c.work.Go(func() {
		for c.pause(f) {
			if c.try(f) {
				return
			}
		}
	})
	return f
}

// pause sleeps until the next attempt is due. It ends the flight and returns
// false once nobody needs it any more.
func (c *tokenCache) pause(f *flight) bool {
	for {
		c.mu.Lock()
		if !c.needed(f) {
			c.land(f, Token{}, errCacheClosed) // read by waiters, and only closing leaves any
			c.mu.Unlock()
			return false
		}
		wait := c.pace.due(f.haste) - c.opts.now().mono
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

// needed reports whether anyone would miss the flight's token: a caller, the
// background refresh, or those who will come while the old one still serves.
func (c *tokenCache) needed(f *flight) bool {
	if c.closed {
		return false
	}
	return f.waiters > 0 || c.stopWarming != nil || c.valid() != nil
}

// land ends the flight with its outcome.
func (c *tokenCache) land(f *flight, t Token, err error) {
	f.token, f.err = t, err
	c.flight = nil
	close(f.done)
	signal(c.poke)
}
