package lakebase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/internal/redact"
)

const (
	defaultMintTimeout = 30 * time.Second
	// firstMintTimeout is for the first attempt of each refresh. Most requests
	// that are silent for so long are lost, and those who wait for the token
	// give up after about 30 seconds; one that is only slow gets its time with
	// the next attempt.
	firstMintTimeout = 10 * time.Second
	// rebirthLimit is how often a token that the server refuses may be
	// replaced when its replacements are refused as well.
	rebirthLimit = time.Minute
)

var errCacheClosed = errors.New("the connector is closed")

// credential is what a mint brings back.
type credential struct {
	secret   string
	lifetime time.Duration // left when the request was sent, by the server's own clock
	skew     time.Duration // local clock minus the server's; zero where unknown
}

// Format prints [redacted] for every verb and flag.
func (credential) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redact.Placeholder)) }

// cacheOptions configure a tokenCache.
type cacheOptions struct {
	// mint fetches a credential. It is called on a detached context by one
	// goroutine at a time, and must return when that context ends.
	mint func(ctx context.Context) (credential, error)
	// terminal judges an error of mint: whether trying again is pointless, and
	// if it is not, how long the server asks to wait. Nil means that every
	// error is worth another try.
	terminal func(error) (terminal bool, retryAfter time.Duration)

	refreshAge  time.Duration // zero means 50 minutes
	mintTimeout time.Duration // of one attempt, the first of a refresh excepted; zero means 30 seconds
	logger      *slog.Logger  // nil means slog.Default()
	name        string        // what the token is for, for the log

	now func() instant // nil means the machine's clocks
	rnd func() float64 // in [0, 1), called by one goroutine at a time; nil means math/rand
}

func (o cacheOptions) withDefaults() cacheOptions {
	if o.terminal == nil {
		o.terminal = func(error) (bool, time.Duration) { return false, 0 }
	}
	if o.refreshAge <= 0 {
		o.refreshAge = defaultRefreshAge
	}
	if o.mintTimeout <= 0 {
		o.mintTimeout = defaultMintTimeout
	}
	if o.logger == nil {
		o.logger = slog.Default()
	}
	if o.now == nil {
		o.now = systemClock()
	}
	if o.rnd == nil {
		o.rnd = rand.Float64
	}
	return o
}

// tokenCache hands out one token to any number of callers and replaces it
// before it expires. It is safe for concurrent use.
type tokenCache struct {
	opts    cacheOptions
	current atomic.Pointer[entry]
	stats   cacheStats

	work    sync.WaitGroup
	closing context.Context // ends with the cache; the parent of every mint, none of which is a caller's
	cancel  context.CancelFunc
	poke    chan struct{} // wakes the background refresh; holds one signal

	mu           sync.Mutex // never held over I/O
	closed       bool
	flight       *flight       // the refresh in progress, if any
	pace         pace          // of the attempts, across flights
	final        error         // of the last terminal failure ...
	finalUntil   time.Duration // ... and until when it is the answer without another call
	rejected     string        // the secret that was dropped last
	rebirth      bool          // and no token has come in its place yet
	stopWarming  chan struct{} // ends the background refresh; nil if there is none
	skewReported bool
}

func newTokenCache(o cacheOptions) *tokenCache {
	c := &tokenCache{opts: o.withDefaults(), poke: make(chan struct{}, 1)}
	c.closing, c.cancel = context.WithCancel(context.Background())
	return c
}

// get returns a token that is not expired. The fresh path neither locks nor
// allocates. A caller whose ctx is done gets a token all the same if no
// waiting is needed; otherwise the end of ctx ends this caller's wait only,
// and the error wraps its cause and the last failure of the mint.
func (c *tokenCache) get(ctx context.Context) (Token, error) {
	if t, ok := c.peek(); ok {
		return t, nil
	}
	f, t, err := c.join(ctx)
	if f == nil {
		return t, err
	}
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	return c.leave(ctx, f)
}

// peek returns the token at hand, if there is one that is not expired. It
// waits for nothing, and starts a refresh of a stale one.
func (c *tokenCache) peek() (Token, bool) {
	e := c.current.Load()
	if e == nil {
		return Token{}, false
	}
	switch e.freshness(c.opts.now()) {
	case fresh:
		return e.token, true
	case stale:
		c.refresh()
		return e.token, true
	}
	return Token{}, false
}

// reject tells the cache that the server refused t. It drops t, and only t,
// and reports whether a fresh token is worth trying: false means that t was
// itself minted in answer to a rejection and never accepted. Such a token is
// kept, so that a role that is refused for good costs at most one mint a
// minute.
func (c *tokenCache) reject(t Token) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.current.Load()
	if e == nil || e.token.Secret() != t.Secret() {
		return true
	}
	if !e.refused {
		e.refused = true
		c.stats.rejections.Add(1)
	}
	if e.reborn && !e.accepted.Load() && e.age(c.opts.now()) < rebirthLimit {
		return false
	}
	c.rejected, c.rebirth = t.Secret(), true
	c.current.Store(nil)
	signal(c.poke)
	return true
}

// accept tells the cache that the server accepted t for a login.
func (c *tokenCache) accept(t Token) {
	e := c.current.Load()
	if e != nil && !e.accepted.Load() && e.token.Secret() == t.Secret() {
		e.accepted.Store(true)
	}
}

// close ends the background work and waits for it. Later gets fail.
func (c *tokenCache) close() {
	c.mu.Lock()
	c.closed = true
	c.current.Store(nil)
	c.cancel()
	c.mu.Unlock()
	c.work.Wait()
}

// valid returns the current entry unless it is expired or missing.
func (c *tokenCache) valid() *entry {
	if e := c.current.Load(); e != nil && e.freshness(c.opts.now()) != expired {
		return e
	}
	return nil
}

// signal puts a token into a channel that holds one, unless one is there.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
