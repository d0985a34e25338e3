package rawnet

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Unresponsive reports whether the peer's TCP owes an acknowledgement, now and at the
// last call, and has sent none for d. One goroutine must call it regularly, at
// intervals longer than a round trip.
func (c *Conn) Unresponsive(d time.Duration) bool {
	if !c.isRaw() {
		return false
	}
	was := c.owing
	c.owing = false
	err := c.raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		// Probes of a zero window are acknowledged too, but become rare, so the last
		// acknowledgement may be old while the next one is on its way; and one
		// probe may stay unanswered (tcp_invalid_ratelimit).
		c.owing = err == nil && (info.Retransmits > 0 || info.Probes > 1) &&
			time.Duration(info.Last_ack_recv)*time.Millisecond >= d
	})
	return err == nil && was && c.owing
}

// Gone reports whether the peer has closed the connection or its writing side, even
// if received data is still unread. It may be called during reads and writes.
func (c *Conn) Gone() bool {
	if !c.isRaw() {
		return false
	}
	gone := false
	err := c.raw.Control(func(fd uintptr) { gone = poll(fd)&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0 })
	return err != nil || gone
}

// Broken reports whether the connection has ended in both directions.
func (c *Conn) Broken() bool {
	if !c.isRaw() {
		return false
	}
	broken := false
	err := c.raw.Control(func(fd uintptr) { broken = poll(fd)&(unix.POLLHUP|unix.POLLERR) != 0 })
	return err != nil || broken
}

// poll returns the events of a socket that are about its end.
func poll(fd uintptr) int16 {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		if _, err := unix.Poll(fds, 0); err != syscall.EINTR {
			return fds[0].Revents
		}
	}
}
