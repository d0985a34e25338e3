// Package dnsclient makes resolvers whose lookups end with their caller.
package dnsclient

import (
	"context"
	"net"
)

// New returns a resolver that asks server (host:port), or the system's name
// servers if that is empty. Unless preferGo is set, the system's own resolver is
// asked instead where Go thinks that it may know better.
//
// By itself Go lets a lookup that nobody waits for any more go on until a name
// server answers or its time is over, 5 s by default, with a socket and some
// goroutines. Here that socket is closed when the last caller has given up.
func New(preferGo bool, server string) *net.Resolver {
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
