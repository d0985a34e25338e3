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

// deferAccept is for about how many seconds a connection is held back until the
// other side says something: those that do not are to be known of too.
const deferAccept = 1

// Listen listens on a TCP address for those who speak first: where the system
// can do that, a connection is accepted when they have, or some seconds later if
// they do not. Its keepalive probes
// are as keepAlive says, which must be enabled.
func Listen(address string, keepAlive net.KeepAliveConfig) (net.Listener, error) {
	// What is set here, accepted connections inherit.
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
		KeepAlive: -1, // not once more for each
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
