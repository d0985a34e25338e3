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

// socket is the raw access of a Conn.
type socket struct {
	raw       syscall.RawConn
	impatient bool   // Read must not wait
	owing     bool   // an acknowledgement was owed at the last call of Unresponsive
	unread    []byte // comes before what the socket has

	changes interface{ Changes() (uint32, bool) } // of an eventloop.Conn
	empty   bool                                  // the socket was after a read
	emptyAt uint32                                // of its changes

	writing sync.Mutex // guards what follows, and the order of writes
	keeps   bool       // Write keeps what the socket does not take, instead of waiting
	kept    []byte
}

// pendingRead is a read from a socket that is under way, and pendingWrite a write. An idle
// connection has neither. The poller calls their functions until they return true; those
// are created once, because creating them allocates.
type (
	pendingRead struct {
		socket *socket
		wanted wanted
		into   []byte
		begun  []byte // copied to the beginning of buffer
		buffer *Buffer
		n      int
		err    error
		try    func(fd uintptr) bool
	}
	pendingWrite struct {
		rest      []byte
		err       error
		try, once func(fd uintptr) bool // whether it waits
	}
)

var (
	readings = sync.Pool{New: func() any {
		r := &pendingRead{}
		r.try = r.attempt
		return r
	}}
	writings = sync.Pool{New: func() any {
		w := &pendingWrite{}
		w.try, w.once = w.attempt, w.attemptOnce
		return w
	}}
)

// do performs a read, waiting for it. The caller releases the result.
func (s *socket) do(wanted wanted, into, begun []byte) (*pendingRead, error) {
	r := readings.Get().(*pendingRead)
	r.socket, r.wanted, r.into, r.begun = s, wanted, into, begun
	return r, s.raw.Read(r.try)
}

func (r *pendingRead) release() {
	*r = pendingRead{try: r.try}
	readings.Put(r)
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
	s.changes, _ = conn.(interface{ Changes() (uint32, bool) })
}

// wanted is what a read waits for.
type wanted uint8

const (
	bytesInto  wanted = iota // bytes in a slice of the caller's
	fullBuffer               // bytes in a Buffer
	something                // that there is something to read, the end included
)

// attempt performs the read. It reports whether it could.
func (r *pendingRead) attempt(fd uintptr) bool {
	switch r.wanted {
	case bytesInto:
		again := r.receive(fd, r.into)
		if again && r.socket.impatient {
			r.err = errWouldBlock
			return true
		}
		return !again
	case fullBuffer: // none is kept while this waits
		b := GetBuffer()
		before := copy(b[:], r.begun)
		if r.receive(fd, b[before:]) {
			b.Release()
			return false
		}
		r.n += before
		r.buffer = b
		return true
	}
	return len(r.socket.unread) > 0 || poll(fd, unix.POLLIN) != 0
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
	var seen uint32
	ended := true
	if c.impatient && c.changes != nil && len(c.unread) == 0 {
		if seen, ended = c.changes.Changes(); !ended && c.empty && seen == c.emptyAt {
			return 0, errWouldBlock
		}
	}
	r, err := c.do(bytesInto, p, nil)
	defer r.release()
	if err != nil {
		return 0, err
	}
	c.empty, c.emptyAt = !ended && r.n < len(p), seen
	return r.n, r.result()
}

func (s *socket) readBuffer(begun []byte) (*Buffer, int, error) {
	r, err := s.do(fullBuffer, nil, begun)
	defer r.release()
	if err == nil {
		err = r.result()
	}
	if err == nil {
		return r.buffer, r.n, nil
	}
	if r.buffer != nil {
		r.buffer.Release()
	}
	return nil, 0, err
}

// wait waits until there is something to read, the end included.
func (s *socket) wait() error {
	r, err := s.do(something, nil, nil)
	r.release()
	s.empty = false // the event loop may not have reported the change yet
	return err
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
// read.
func (r *pendingRead) receive(fd uintptr, p []byte) (again bool) {
	if s := r.socket; len(s.unread) > 0 {
		r.n, r.err = copy(p, s.unread), nil
		if s.unread = s.unread[r.n:]; len(s.unread) == 0 {
			s.unread = nil
		}
		return false
	}
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
		r.n, r.err = 0, nil
		switch errno {
		case 0:
			if r.n = int(n); n == 0 {
				r.err = io.EOF
			}
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return true
		default:
			r.err = os.NewSyscallError("recv", errno)
		}
		return false
	}
}

// result returns the error of the read, like one of package net.
func (r *pendingRead) result() error {
	if r.err == nil || r.err == io.EOF || r.err == errWouldBlock {
		return r.err
	}
	return &net.OpError{Op: "read", Net: "socket", Err: r.err}
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	if !c.isRaw() {
		return c.Conn.Write(p)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	w := writings.Get().(*pendingWrite)
	defer func() {
		w.rest = nil
		writings.Put(w)
	}()
	if c.keeps {
		if err := c.keep(w, p); err != nil {
			return 0, &net.OpError{Op: "write", Net: "socket", Err: err}
		}
		return len(p), nil
	}
	w.rest, w.err = p, nil
	err := c.raw.Write(w.try)
	n := len(p) - len(w.rest)
	if err == nil && w.err != nil {
		err = &net.OpError{Op: "write", Net: "socket", Err: w.err}
	}
	return n, err
}

// maxKept is how much is kept, in bytes, when a write fails: the callers of Write flush,
// and TLS itself writes little.
const maxKept = 1 << 20

var errKeptTooMuch = errors.New("the peer does not read")

// KeepWrites makes Write return at once from now on: it keeps what the socket does not
// take. Then [Conn.Flush] writes that.
func (c *Conn) KeepWrites() {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.keeps = c.isRaw()
}

// keep writes what the socket takes of p, and keeps the rest. The caller holds writing.
func (c *Conn) keep(w *pendingWrite, p []byte) error {
	switch {
	case len(c.kept) > maxKept:
		return errKeptTooMuch
	case len(c.kept) > 0:
		c.kept = append(c.kept, p...)
		return nil
	}
	w.rest, w.err = p, nil
	err := c.raw.Write(w.once)
	if err == nil {
		err = w.err
	}
	if err == nil && len(w.rest) > 0 {
		c.kept = append(c.kept, w.rest...)
	}
	return err
}

// Kept reports whether there is something for [Conn.Flush] to write.
func (c *Conn) Kept() bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	return len(c.kept) > 0
}

// Flush waits until what Write has kept is written. Only one goroutine may call it at a
// time. Others may write meanwhile.
func (c *Conn) Flush() error {
	if !c.Kept() {
		return nil
	}
	w := writings.Get().(*pendingWrite)
	err := c.raw.Write(func(fd uintptr) bool {
		c.writing.Lock()
		defer c.writing.Unlock()
		w.rest, w.err = c.kept, nil
		done := w.attempt(fd)
		if c.kept = w.rest; len(c.kept) == 0 || done {
			c.kept = nil
		}
		return done
	})
	if err == nil {
		err = w.err
	}
	w.rest = nil
	writings.Put(w)
	if err != nil {
		return &net.OpError{Op: "write", Net: "socket", Err: err}
	}
	return nil
}

// attemptOnce writes what the socket takes, even if that is not everything.
func (w *pendingWrite) attemptOnce(fd uintptr) bool {
	w.attempt(fd)
	return true
}

// attempt writes what the socket takes. It reports whether that was everything, or failed.
func (w *pendingWrite) attempt(fd uintptr) bool {
	for len(w.rest) > 0 {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&w.rest[0])), uintptr(len(w.rest)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			w.rest = w.rest[n:]
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			w.err = os.NewSyscallError("send", errno)
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
func listenConfig(keepAlive net.KeepAliveConfig, reuse bool) (net.ListenConfig, error) {
	set := func(fd int) error {
		var shared error
		if reuse {
			shared = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
		return errors.Join(
			shared,
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
	}, nil
}
