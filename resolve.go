package lakebase

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/dnsclient"
)

// resolver looks host names up in several ways, the usual one first. A way
// that fails, or does not answer soon, is joined by the next; the first
// answer wins. What answered last is the last resort.
type resolver struct {
	ways []lookupFunc
	// patience is how long a way may stay silent before the next one starts,
	// so that a hanging resolver costs little.
	patience time.Duration
	timeout  time.Duration // of a whole lookup

	mu      sync.Mutex
	last    map[string][]string // by host: the last answer
	doubted map[int]time.Time   // by way: until when it gets doubtfulPatience only
}

const (
	// doubtfulPatience is for a way that has been silent a moment ago. A resolver
	// in good health answers sooner, so that the order of the ways still counts:
	// the system's may know of a private address where others know a public one.
	doubtfulPatience = 50 * time.Millisecond
	// doubtFor is how long a silent way is doubted. After that one lookup is slow
	// again if the way still is.
	doubtFor = time.Minute
)

type lookupFunc func(ctx context.Context, host string) ([]string, error)

// newResolver asks the system's resolver, then Go's own, which talks to the
// configured name servers directly and so passes by a broken system service,
// then each of servers (host or host:port).
func newResolver(servers []string) *resolver {
	r := &resolver{
		patience: 400 * time.Millisecond, timeout: 10 * time.Second,
		last: make(map[string][]string), doubted: make(map[int]time.Time),
	}
	r.ways = append(r.ways,
		dnsclient.New(false, "").LookupHost,
		dnsclient.New(true, "").LookupHost,
	)
	for _, s := range servers {
		r.ways = append(r.ways, lookupAt(s))
	}
	return r
}

// lookupAt asks one name server, whatever the system's configuration says.
func lookupAt(server string) lookupFunc {
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, "53")
	}
	r := dnsclient.New(true, server)
	return func(ctx context.Context, host string) ([]string, error) {
		// Rooted, so that the machine's search list is not applied.
		return r.LookupHost(ctx, strings.TrimSuffix(host, ".")+".")
	}
}

// lookup returns the addresses of host, to be tried in order. It fits
// pgconn.Config.LookupFunc and is called anew for every connection, so that a
// failover to another address is followed.
func (r *resolver) lookup(ctx context.Context, host string) ([]string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{host}, nil
	}
	addrs, err := r.race(ctx, host)

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
	way   int
	addrs []string
	err   error
}

// race starts the ways one after another, each when the one before has failed
// or exhausted its patience, and returns the first answer.
func (r *resolver) race(ctx context.Context, host string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()

	answers := make(chan answer, len(r.ways)) // never blocks a late one
	patience := time.NewTimer(r.patience)
	defer patience.Stop()
	started, pending := 0, 0
	next := func() {
		if started == len(r.ways) {
			return
		}
		number := started
		started, pending = started+1, pending+1
		patience.Reset(r.patienceWith(number))
		go func() {
			addrs, err := r.ways[number](ctx, host)
			answers <- answer{number, addrs, err}
		}()
	}

	var first error // the usual way's error says most
	known := r.known(host)
	for next(); pending > 0; {
		select {
		case a := <-answers:
			pending--
			if a.err == nil && len(a.addrs) > 0 {
				r.trust(a.way)
				return a.addrs, nil
			}
			if first == nil {
				first = a.err
			}
			next()
		case <-patience.C:
			r.doubt(started - 1)
			if started == len(r.ways) && known {
				return nil, errSilent // the last known address is better than more waiting
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

// patienceWith returns how long a way may stay silent before the next one
// starts. Where there is no next one it is what an answer may take.
func (r *resolver) patienceWith(way int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if way < len(r.ways)-1 && time.Now().Before(r.doubted[way]) {
		return doubtfulPatience
	}
	return r.patience
}

// doubt notes that a way has been silent. Who is doubted already is not
// doubted for longer: it had less time to answer.
func (r *resolver) doubt(way int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); !now.Before(r.doubted[way]) {
		r.doubted[way] = now.Add(doubtFor)
	}
}

// trust notes that a way has answered.
func (r *resolver) trust(way int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.doubted, way)
}

func (r *resolver) known(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[host] != nil
}
