package local

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
)

// route is where a connection to the front goes, found by SNI, address or port.
type route struct {
	endpoint string // its key, for connection bookkeeping
	compute  *compute
	native   bool     // native password roles may log in
	refuse   *refusal // non-nil: answer every login with this (stopped, failing over, deleted, disabled)
	readOnly bool
	pooled   bool // a pooled host: native passwords only, tokens are refused
}

// frontOptions connect the front to the workspace behind it. All funcs are
// safe for concurrent use.
type frontOptions struct {
	// Certificate for a ClientHello's server name ("" if none was sent)
	// arriving at local.
	Certificate func(serverName string, local netip.AddrPort) (*tls.Certificate, error)
	// Route finds the target; a refusal if there is none.
	Route func(serverName, user, database string, options string, local netip.AddrPort) (*route, *refusal)
	// Authenticate judges the password that an OAuth role presented.
	Authenticate func(r *route, user, password string) *refusal
	// Faults in force for a connection that is just beginning, with
	// Remaining already accounted for at the point where it strikes.
	Faults func() Faults
	// StrikeLogin and StrikeReset consume one of Remaining and say whether
	// the fault strikes.
	StrikeLogin func() (kind string, strike bool)
	StrikeReset func(point string) bool
	// Hole is a black hole while that fault is in force.
	Hole *blackhole
	// OnLogin, OnPassword and OnRefused count.
	OnLogin    func(r *route, native bool, token string)
	OnPassword func(bytes int)
	OnRefused  func()
	Logger     *slog.Logger
}

// front accepts Postgres clients over TLS on any number of addresses.
type front struct {
	o       frontOptions
	log     *slog.Logger
	life    context.Context // ends with close
	end     context.CancelFunc
	cancels cancelKeys
	wg      sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	clients   map[*client]bool
}

func newFront(o frontOptions) *front {
	f := &front{o: o, log: o.Logger, clients: map[*client]bool{}}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.life, f.end = context.WithCancel(context.Background())
	return f
}

// listen starts to accept on addr and returns the address in use.
func (f *front) listen(addr string) (net.Addr, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for Postgres clients: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		l.Close()
		return nil, net.ErrClosed
	}
	f.listeners = append(f.listeners, l)
	f.wg.Go(func() { f.accept(l.(*net.TCPListener)) })
	return l.Addr(), nil
}

// connections counts the open ones to endpoint, or to all for "". Those that
// have not said yet where they want to go do not count.
func (f *front) connections(endpoint string) int { return len(f.to(endpoint)) }

// reset cuts the connections to endpoint (TCP RST), or all for "".
func (f *front) reset(endpoint string) int {
	clients := f.to(endpoint)
	for _, c := range clients {
		c.reset()
	}
	return len(clients)
}

// to returns the clients of endpoint, or of any for "".
func (f *front) to(endpoint string) []*client {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []*client
	for c := range f.clients {
		if c.route != nil && (endpoint == "" || c.route.endpoint == endpoint) {
			found = append(found, c)
		}
	}
	return found
}

// close stops listening, ends all connections and waits for them.
func (f *front) close() error {
	f.mu.Lock()
	f.closed = true
	var errs []error
	for _, l := range f.listeners {
		errs = append(errs, l.Close())
	}
	f.listeners = nil
	for c := range f.clients {
		c.tcp.Close()
	}
	f.mu.Unlock()
	f.end()
	f.wg.Wait()
	return errors.Join(errs...)
}
