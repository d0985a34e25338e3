package rawnet

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Unresponsive reports whether the other side's TCP has owed an answer, now and
// when this was last asked, and has not given any for d. It is to be asked
// regularly, by one goroutine, at intervals longer than a round trip.
func (c *Conn) Unresponsive(d time.Duration) bool {
	if !c.isRaw() {
		return false
	}
	was := c.owing
	c.owing = false
	err := c.raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		// Probes of a window without room are answered too, but become rare,
		// so that the last answer may be old while the next is on its way;
		// and one of them may stay unanswered (tcp_invalid_ratelimit).
		c.owing = err == nil && (info.Retransmits > 0 || info.Probes > 1) &&
			time.Duration(info.Last_ack_recv)*time.Millisecond >= d
	})
	return err == nil && was && c.owing
}

// Gone reports whether the other side has ended the connection, or at least
// will say nothing more, even if not all is read yet of what it said. It may be
// asked while others read and write.
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

// poll returns what there is to say of a socket's end.
func poll(fd uintptr) int16 {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		if _, err := unix.Poll(fds, 0); err != syscall.EINTR {
			return fds[0].Revents
		}
	}
}
