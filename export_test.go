package lakebase

import (
	"context"
	"net"
	"time"

	"github.com/lakebase-go/lakebase/internal/tokencache"
)

// BreakSystemDNS makes the system's resolver and Go's own fail for c, and
// leaves the configured DNS servers.
func BreakSystemDNS(c *Connector) {
	broken := func(_ context.Context, host string) ([]string, error) {
		return nil, &net.DNSError{Err: "resolver is broken", Name: host}
	}
	c.resolver.ways[0], c.resolver.ways[1] = broken, broken
}

// HangSystemDNS makes them never answer.
func HangSystemDNS(c *Connector) {
	hang := func(ctx context.Context, _ string) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() }
	c.resolver.ways[0], c.resolver.ways[1] = hang, hang
}

// NewToken makes a token for tests of how tokens print.
func NewToken(secret string) Token { return Token{tokencache.NewToken(secret, time.Time{})} }

// SetLookup replaces every way of c to look a host up.
func SetLookup(c *Connector, f func(context.Context, string) ([]string, error)) {
	c.resolver.ways = []lookupFunc{f}
}
