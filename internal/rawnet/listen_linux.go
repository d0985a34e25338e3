package rawnet

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// deferAccept is the time, in seconds, for which the kernel waits for the first data of
// a connection. It is short so that clients that send nothing are accepted, too.
const deferAccept = 1

// Listen listens on a TCP address for clients that send first. On Linux, a connection
// is accepted when its first data has arrived, or a few seconds later if none does.
// keepAlive, which must be enabled, configures the keepalive probes of accepted
// connections.
func Listen(address string, keepAlive net.KeepAliveConfig) (net.Listener, error) {
	// Accepted connections inherit these options.
	set := func(fd int) error {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferAccept),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAlive.Idle/time.Second)),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAlive.Interval/time.Second)),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAlive.Count),
		)
	}
	config := net.ListenConfig{
		KeepAlive: -1, // not set again for each connection
		Control: func(_, _ string, raw syscall.RawConn) error {
			var failed error
			if err := raw.Control(func(fd uintptr) { failed = set(int(fd)) }); err != nil {
				return err
			}
			return os.NewSyscallError("setsockopt", failed)
		},
	}
	return config.Listen(context.Background(), "tcp", address)
}
