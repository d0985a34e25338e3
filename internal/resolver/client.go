package resolver

import (
	"context"
	"net"
)

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
