package local

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
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

// refusal is an error in the service's own words.
type refusal struct {
	Severity string // FATAL or, as the service's proxy does, ERROR
	Code     string // SQLSTATE
	Message  string
	Detail   string
	Hint     string
	Close    bool // say nothing, just close
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
	// OnLogin, OnPassword and OnRefused count.
	OnLogin    func(r *route, native bool, token string)
	OnPassword func(bytes int)
	OnRefused  func()
	Logger     *slog.Logger
}

// front accepts Postgres clients over TLS on any number of addresses.
type front struct{}

func newFront(o frontOptions) *front { panic("TODO: front helper") }

// listen starts to accept on addr and returns the address in use.
func (f *front) listen(addr string) (net.Addr, error) { panic("TODO") }

// connections counts the open ones to endpoint, or to all for "".
func (f *front) connections(endpoint string) int { panic("TODO") }

// reset cuts the connections to endpoint (TCP RST), or all for "".
func (f *front) reset(endpoint string) int { panic("TODO") }

// close stops listening, ends all connections and waits for them.
func (f *front) close() error { panic("TODO") }
