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

	mu        sync.Mutex
	last      map[string][]string // by host: the last answer
	slowUntil map[int]time.Time   // by upstream
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
	return &Resolver{upstreams: upstreams, last: make(map[string][]string), slowUntil: make(map[int]time.Time)}
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

	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.last[host] = addrs
		return addrs, nil
	}
	if last := r.last[host]; last != nil && ctx.Err() == nil {
		return last, nil
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
		delay.Reset(r.delay(number))
		go func() {
			addrs, err := r.upstreams[number].Lookup(ctx, host)
			answers <- answer{number, addrs, err}
		}()
	}

	var first error // the preferred resolver's error explains most
	known := r.known(host)
	for next(); pending > 0; {
		select {
		case a := <-answers:
			pending--
			if a.err == nil && len(a.addrs) > 0 {
				r.markFast(a.upstream)
				return a.addrs, nil
			}
			if first == nil {
				first = a.err
			}
			next()
		case <-delay.C:
			r.markSlow(started - 1)
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

// delay returns how long an upstream may stay silent before the next one is
// asked. For the last one it is the time that an answer may take.
func (r *Resolver) delay(upstream int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if upstream < len(r.upstreams)-1 && time.Now().Before(r.slowUntil[upstream]) {
		return slowHedgeDelay
	}
	return hedgeDelay
}

// markSlow records that an upstream was silent. The period of one that is slow
// already is not extended: it had less time to answer.
func (r *Resolver) markSlow(upstream int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); !now.Before(r.slowUntil[upstream]) {
		r.slowUntil[upstream] = now.Add(slowPeriod)
	}
}

// markFast records that an upstream answered.
func (r *Resolver) markFast(upstream int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.slowUntil, upstream)
}

func (r *Resolver) known(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[host] != nil
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
