package rawnet

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is the raw access of a Conn. The poller calls its functions until they return
// true. They are created once, because creating them allocates.
type socket struct {
	raw       syscall.RawConn
	impatient bool // Read must not wait
	owing     bool // an acknowledgement was owed at the last call of Unresponsive

	wanted   wanted
	in       []byte
	begun    []byte // copied to the beginning of inBuffer
	unread   []byte // comes before what the socket has
	inBuffer *Buffer
	inN      int
	inErr    error
	read     func(fd uintptr) bool

	writing sync.Mutex // guards what follows
	out     []byte
	outErr  error
	write   func(fd uintptr) bool
}

func (s *socket) open(conn net.Conn) {
	under, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := under.SyscallConn()
	if err != nil {
		return
	}
	s.raw = raw
	s.read, s.write = s.try, s.tryWrite
}

// wanted is what a read waits for.
type wanted uint8

const (
	bytesInto  wanted = iota // bytes in a slice of the caller's
	fullBuffer               // bytes in a Buffer
	something                // that there is something to read, the end included
)

// try performs the read. It reports whether it could.
func (s *socket) try(fd uintptr) bool {
	switch s.wanted {
	case bytesInto:
		again := s.receive(fd, s.in)
		if again && s.impatient {
			s.inErr = errWouldBlock
			return true
		}
		return !again
	case fullBuffer: // none is kept while this waits
		b := GetBuffer()
		before := copy(b[:], s.begun)
		if s.receive(fd, b[before:]) {
			b.Release()
			return false
		}
		s.inN += before
		s.inBuffer = b
		return true
	}
	return len(s.unread) > 0 || poll(fd, unix.POLLIN) != 0
}

// Unread makes the next reads return p before what has not been read yet.
func (c *Conn) Unread(p []byte) { c.unread = p }

func (s *socket) isRaw() bool { return s.raw != nil }

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	if !c.isRaw() {
		return c.Conn.Read(p)
	}
	if len(p) == 0 {
		return 0, nil
	}
	c.wanted, c.in = bytesInto, p
	err := c.raw.Read(c.read)
	c.in = nil
	if err != nil {
		return 0, err
	}
	return c.inN, c.result()
}

func (s *socket) readBuffer(begun []byte) (*Buffer, int, error) {
	s.wanted, s.begun = fullBuffer, begun
	err := s.raw.Read(s.read)
	b := s.inBuffer
	s.inBuffer, s.begun = nil, nil
	if err == nil {
		err = s.result()
	}
	if err == nil {
		return b, s.inN, nil
	}
	if b != nil {
		b.Release()
	}
	return nil, 0, err
}

// wait waits until there is something to read, the end included.
func (s *socket) wait() error {
	s.wanted = something
	return s.raw.Read(s.read)
}

// poll returns which of the events a socket has, and POLLHUP and POLLERR in any
// case, without waiting. Unlike a peek it does not consume the error that the next
// read reports.
func poll(fd uintptr, events int16) int16 {
	fds := unix.PollFd{Fd: int32(fd), Events: events}
	var now unix.Timespec
	for {
		_, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
		switch errno {
		case 0:
			return fds.Revents
		case syscall.EINTR:
		default:
			return unix.POLLERR // the next read tells why
		}
	}
}

// receive reports whether nothing has arrived. Otherwise it stores the result of the
// read in inN and inErr.
func (s *socket) receive(fd uintptr, p []byte) (again bool) {
	if len(s.unread) > 0 {
		s.inN, s.inErr = copy(p, s.unread), nil
		if s.unread = s.unread[s.inN:]; len(s.unread) == 0 {
			s.unread = nil
		}
		return false
	}
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
		s.inN, s.inErr = 0, nil
		switch errno {
		case 0:
			if s.inN = int(n); n == 0 {
				s.inErr = io.EOF
			}
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return true
		default:
			s.inErr = os.NewSyscallError("recv", errno)
		}
		return false
	}
}

// result returns the result of the last receive, with the errors of package net.
func (s *socket) result() error {
	if s.inErr == nil || s.inErr == io.EOF || s.inErr == errWouldBlock {
		return s.inErr
	}
	return &net.OpError{Op: "read", Net: "socket", Err: s.inErr}
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	if !c.isRaw() {
		return c.Conn.Write(p)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out, c.outErr = p, nil
	err := c.raw.Write(c.write)
	n := len(p) - len(c.out)
	c.out = nil
	if err == nil && c.outErr != nil {
		err = &net.OpError{Op: "write", Net: "socket", Err: c.outErr}
	}
	return n, err
}

func (s *socket) tryWrite(fd uintptr) bool {
	for len(s.out) > 0 {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&s.out[0])), uintptr(len(s.out)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			s.out = s.out[n:]
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			s.outErr = os.NewSyscallError("send", errno)
			return true
		}
	}
	return true
}

// events returns which of the events the connection has, and POLLHUP and POLLERR in
// any case. It may be called during reads and writes.
func (c *Conn) events(wanted int16) (got int16) {
	if !c.isRaw() {
		return 0
	}
	if err := c.raw.Control(func(fd uintptr) { got = poll(fd, wanted) }); err != nil {
		return unix.POLLERR
	}
	return got
}

// Quiet reports whether there is no unread data and the peer has not closed its
// writing side. It may be called while another goroutine reads.
func (c *Conn) Quiet() bool { return c.events(unix.POLLIN) == 0 }

// Gone reports whether the peer has closed the connection or its writing side, even
// if received data is still unread. It may be called during reads and writes.
func (c *Conn) Gone() bool { return c.events(unix.POLLRDHUP) != 0 }

// Broken reports whether the connection has ended in both directions.
func (c *Conn) Broken() bool { return c.events(0) != 0 }

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

// deferAccept is the time, in seconds, for which the kernel waits for the first data of
// a connection. It is short so that clients that send nothing are accepted, too.
const deferAccept = 1

// listenConfig sets options that accepted connections inherit.
func listenConfig(keepAlive net.KeepAliveConfig) net.ListenConfig {
	set := func(fd int) error {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferAccept),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAlive.Idle/time.Second)),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAlive.Interval/time.Second)),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAlive.Count),
		)
	}
	return net.ListenConfig{
		KeepAlive: -1, // not set again for each connection
		Control: func(_, _ string, raw syscall.RawConn) error {
			var failed error
			if err := raw.Control(func(fd uintptr) { failed = set(int(fd)) }); err != nil {
				return err
			}
			return os.NewSyscallError("setsockopt", failed)
		},
	}
}
