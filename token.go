package lakebase

import (
	"context"
	"time"
)

// Token is a Postgres password that expires. It prints as [redacted] in
// every format; Secret returns the password itself.
type Token struct {
	secret string
	expiry time.Time
}

// Secret returns the password. Never log it.
func (t Token) Secret() string { return t.secret }

// Expiry returns the local wall-clock time at which the server stops
// accepting the token for new logins, corrected for the clock skew seen at
// the mint.
func (t Token) Expiry() time.Time { return t.expiry }

// credential is what a mint brings back.
type credential struct {
	secret   string
	lifetime time.Duration // left when the request was sent, by the server's own clock
}

// cacheOptions configure a tokenCache. mint is called on a detached context
// by at most one goroutine at a time.
type cacheOptions struct {
	mint       func(ctx context.Context) (credential, error)
	refreshAge time.Duration
}

// tokenCache hands out one token to any number of callers and replaces it
// before it expires.
type tokenCache struct{ opts cacheOptions }

func newTokenCache(o cacheOptions) *tokenCache { panic("TODO: token helper") }

// get returns a token that is not expired. The fresh path neither locks nor
// allocates.
func (c *tokenCache) get(ctx context.Context) (Token, error) { panic("TODO: token helper") }

// reject tells the cache that the server refused t. It drops t, and only t,
// and reports whether a fresh token is worth trying: false means that t was
// itself minted in answer to a rejection and never accepted.
func (c *tokenCache) reject(t Token) bool { panic("TODO: token helper") }

// accept tells the cache that the server accepted t for a login.
func (c *tokenCache) accept(t Token) { panic("TODO: token helper") }

// startRefresh keeps the token warm in the background until stopRefresh or
// close. Both may be called any number of times.
func (c *tokenCache) startRefresh() { panic("TODO: token helper") }
func (c *tokenCache) stopRefresh()  { panic("TODO: token helper") }

// close ends the background work and waits for it. Later gets fail.
func (c *tokenCache) close() { panic("TODO: token helper") }
