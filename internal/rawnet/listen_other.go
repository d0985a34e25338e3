//go:build !linux

package rawnet

import (
	"context"
	"net"
)

// Listen listens on a TCP address for clients that send first. On Linux, a connection
// is accepted when its first data has arrived, or a few seconds later if none does.
// keepAlive, which must be enabled, configures the keepalive probes of accepted
// connections.
func Listen(address string, keepAlive net.KeepAliveConfig) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: keepAlive}
	return config.Listen(context.Background(), "tcp", address)
}
