package lakebase

import (
	"sync/atomic"
	"time"
)

// cacheStats counts what a tokenCache did.
type cacheStats struct {
	calls, failures, tokens, rejections atomic.Int64
}

// cacheCounts is a reading of cacheStats.
type cacheCounts struct {
	calls      int64     // of the mint
	failures   int64     // of those, without a usable token
	tokens     int64     // received
	rejections int64     // tokens that the server refused
	expiry     time.Time // of the current token; zero if there is none
}

func (c *tokenCache) counts() cacheCounts {
	n := cacheCounts{
		calls:      c.stats.calls.Load(),
		failures:   c.stats.failures.Load(),
		tokens:     c.stats.tokens.Load(),
		rejections: c.stats.rejections.Load(),
	}
	if e := c.current.Load(); e != nil {
		n.expiry = e.token.Expiry()
	}
	return n
}
