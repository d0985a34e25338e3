package proxy

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// userTimeout is how long sent data may go unacknowledged before the
// connection counts as dead. Keepalive does not cover that case.
const userTimeout = time.Minute

func setUserTimeout(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	})
}
