package lakebase

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/lakebase-go/lakebase/internal/resolver"
	"github.com/lakebase-go/lakebase/internal/tokencache"
)

// BreakSystemDNS makes the system's resolver and Go's own fail for c, and
// leaves the configured DNS servers.
func BreakSystemDNS(c *Connector) {
	replaceSystemDNS(c, func(_ context.Context, host string) ([]string, error) {
		return nil, &net.DNSError{Err: "resolver is broken", Name: host}
	})
}

// HangSystemDNS makes them never answer.
func HangSystemDNS(c *Connector) {
	replaceSystemDNS(c, func(ctx context.Context, _ string) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() })
}

func replaceSystemDNS(c *Connector, lookup func(context.Context, string) ([]string, error)) {
	upstreams := slices.Clone(c.resolver.Upstreams())
	upstreams[0].Lookup, upstreams[1].Lookup = lookup, lookup
	c.resolver = resolver.NewWith(upstreams...)
}

// SetLookup replaces every resolver of c.
func SetLookup(c *Connector, lookup func(context.Context, string) ([]string, error)) {
	c.resolver = resolver.NewWith(resolver.Upstream{Lookup: lookup})
}

// SetUsersClock replaces both clocks of u.
func SetUsersClock(u *Users, now func() (wall time.Time, mono time.Duration)) {
	u.clock = func() tokencache.Instant {
		wall, mono := now()
		return tokencache.Instant{Wall: wall, Mono: mono}
	}
}

// UsersSizes returns how many users, tokens and verifications u holds, and how many
// pools it is closing.
func UsersSizes(u *Users) (users, tokens, verifications, ending int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.verify.mu.Lock()
	defer u.verify.mu.Unlock()
	return len(u.byName), len(u.byToken), len(u.verify.calls), len(u.ending)
}

// PasswordOf returns the password that the context of a login has, and whether it is
// the context of one.
func PasswordOf(ctx context.Context) (string, bool) {
	password, ok := ctx.Value(passwordKey{}).(*string)
	if !ok {
		return "", false
	}
	return *password, true
}
