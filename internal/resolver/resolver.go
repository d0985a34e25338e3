// Package resolver looks up host names with a fallback.
//
// Lookups are hedged: if one resolver fails or does not answer soon, the next
// one is asked as well, and the first answer wins. A resolver that was slow is
// given little time for a while, and the last address that was found is the
// last resort.
package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// hedgeDelay is how long a resolver may stay silent before the next one is
	// asked too.
	hedgeDelay = 400 * time.Millisecond
	// slowHedgeDelay applies to a slow resolver. A healthy one answers sooner,
	// so that the order still counts: the system's resolver may know a private
	// address where the others know a public one.
	slowHedgeDelay = 50 * time.Millisecond
	// slowPeriod is how long a resolver that was silent counts as slow. After
	// that one lookup is delayed again if the resolver is still silent.
	slowPeriod = time.Minute
	// timeout bounds a whole lookup.
	timeout = 10 * time.Second
)

// Upstream is one resolver that a [Resolver] asks.
type Upstream struct {
	Name   string // system, go, or the address of a name server
	Lookup func(ctx context.Context, host string) ([]string, error)
}

// Resolver asks several resolvers, the preferred one first. It is safe for
// concurrent use.
type Resolver struct {
	upstreams []Upstream
	slowUntil []atomic.Pointer[time.Time] // by upstream; nil if it was not slow
	last      sync.Map                    // []string by host: the last answer
}

// New returns a Resolver that asks the system's resolver, then Go's own, which
// talks to the configured name servers directly and so avoids a broken system
// service, then each of servers (host or host:port).
func New(servers []string) *Resolver {
	upstreams := []Upstream{
		{"system", NewClient(false, "").LookupHost},
		{"go", NewClient(true, "").LookupHost},
	}
	for _, s := range servers {
		upstreams = append(upstreams, nameServer(s))
	}
	return NewWith(upstreams...)
}

// NewWith returns a Resolver that asks the upstreams in this order.
func NewWith(upstreams ...Upstream) *Resolver {
	return &Resolver{upstreams: upstreams, slowUntil: make([]atomic.Pointer[time.Time], len(upstreams))}
}

// nameServer asks one name server, whatever the system's configuration is.
func nameServer(server string) Upstream {
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(strings.Trim(server, "[]"), "53")
	}
	client := NewClient(true, server)
	return Upstream{server, func(ctx context.Context, host string) ([]string, error) {
		// Rooted, so that the machine's search list is not applied.
		return client.LookupHost(ctx, strings.TrimSuffix(host, ".")+".")
	}}
}

// Upstreams returns the resolvers that r asks, in order.
func (r *Resolver) Upstreams() []Upstream { return r.upstreams }

// Lookup returns the addresses of host, to be tried in order. An address is
// returned as it is. If every resolver fails, Lookup returns the addresses that
// it found last, or the error of the first resolver. It fits
// pgconn.Config.LookupFunc: called for each connection, it follows a failover
// to another address.
func (r *Resolver) Lookup(ctx context.Context, host string) ([]string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{host}, nil
	}
	addrs, err := r.hedge(ctx, host)
	if err == nil {
		r.last.Store(host, addrs)
		return addrs, nil
	}
	if last, known := r.last.Load(host); known && ctx.Err() == nil {
		return last.([]string), nil
	}
	return nil, err
}

type answer struct {
	upstream int
	addrs    []string
	err      error
}

// hedge asks one resolver after another, each when the one before it failed or
// its delay is over, and returns the first answer.
func (r *Resolver) hedge(ctx context.Context, host string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	answers := make(chan answer, len(r.upstreams)) // a late answer never blocks
	delay := time.NewTimer(hedgeDelay)
	defer delay.Stop()
	started, pending := 0, 0
	next := func() {
		if started == len(r.upstreams) {
			return
		}
		number := started
		started, pending = started+1, pending+1
		// For the last one the delay is the time that an answer may take.
		if number < len(r.upstreams)-1 && r.isSlow(number) {
			delay.Reset(slowHedgeDelay)
		} else {
			delay.Reset(hedgeDelay)
		}
		go func() {
			addrs, err := r.upstreams[number].Lookup(ctx, host)
			answers <- answer{number, addrs, err}
		}()
	}

	var first error // the preferred resolver's error explains most
	_, known := r.last.Load(host)
	for next(); pending > 0; {
		select {
		case a := <-answers:
			pending--
			if a.err == nil && len(a.addrs) > 0 {
				r.slowUntil[a.upstream].Store(nil)
				return a.addrs, nil
			}
			if first == nil {
				first = a.err
			}
			next()
		case <-delay.C:
			// The period of one that is slow already is not extended: it had less
			// time to answer.
			if silent := started - 1; !r.isSlow(silent) {
				until := time.Now().Add(slowPeriod)
				r.slowUntil[silent].Store(&until)
			}
			if started == len(r.upstreams) && known {
				return nil, errSilent // the last known address is better than a longer wait
			}
			next()
		case <-ctx.Done():
			return nil, &net.DNSError{Err: context.Cause(ctx).Error(), Name: host, IsTimeout: true}
		}
	}
	if first == nil {
		first = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return nil, first
}

var errSilent = errors.New("no resolver answered in time")

// isSlow reports whether an upstream was silent not long ago.
func (r *Resolver) isSlow(upstream int) bool {
	until := r.slowUntil[upstream].Load()
	return until != nil && time.Now().Before(*until)
}

// NewClient returns a resolver that asks server (host:port), or the system's
// name servers if that is empty. Unless preferGo is set, it uses the system's
// own resolver instead wherever Go considers that one better informed.
//
// By itself Go continues an abandoned lookup until a name server answers or
// its timeout ends, 5 seconds by default, with a socket and several goroutines.
// This resolver closes the socket when the last caller has given up.
func NewClient(preferGo bool, server string) *net.Resolver {
	return &net.Resolver{PreferGo: preferGo, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if server != "" {
			address = server
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}}
}
