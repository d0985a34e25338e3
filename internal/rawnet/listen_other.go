//go:build !linux

package rawnet

import (
	"context"
	"net"
)

// Listen listens on a TCP address for those who speak first: where the system
// can do that, a connection is accepted when they have, or some seconds later if
// they do not. Its keepalive probes
// are as keepAlive says, which must be enabled.
func Listen(address string, keepAlive net.KeepAliveConfig) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: keepAlive}
	return config.Listen(context.Background(), "tcp", address)
}
