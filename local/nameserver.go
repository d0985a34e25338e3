package local

import "net/netip"

// nameserver answers DNS queries, UDP and TCP, on loopback.
type nameserver struct{}

// startNameserver listens on addr. lookup returns the addresses of a name
// (lower case, no trailing dot), ok false for NXDOMAIN. mode returns the
// DNSFault.Mode in force.
func startNameserver(addr string, lookup func(name string) ([]netip.Addr, bool), mode func() string) (*nameserver, error) {
	panic("TODO: front helper")
}

func (n *nameserver) addr() string { panic("TODO") }
func (n *nameserver) close() error { panic("TODO") }
