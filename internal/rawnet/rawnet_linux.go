package rawnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
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
	var raw syscall.RawConn
	var err error
	switch conn := conn.(type) {
	case *net.TCPConn:
		raw, err = conn.SyscallConn()
	case *net.UnixConn:
		raw, err = conn.SyscallConn()
	}
	if raw == nil || err != nil {
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
		return s.tryRead(fd)
	case fullBuffer:
		return s.tryReadInto(fd)
	}
	return readable(fd)
}

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

func (s *socket) tryRead(fd uintptr) bool {
	again := s.receive(fd, s.in)
	if again && s.impatient {
		s.inErr = errWouldBlock
		return true
	}
	return !again
}

func (s *socket) readBuffer() (*Buffer, int, error) {
	s.wanted = fullBuffer
	err := s.raw.Read(s.read)
	b, n := s.inBuffer, s.inN
	s.inBuffer = nil
	if err == nil {
		err = s.result()
	}
	if err != nil && b != nil {
		b.Release()
		b = nil
	}
	if err != nil {
		return nil, 0, err
	}
	return b, n, nil
}

// tryReadInto keeps no buffer while it waits.
func (s *socket) tryReadInto(fd uintptr) bool {
	b := GetBuffer()
	if s.receive(fd, b[:]) {
		b.Release()
		return false
	}
	s.inBuffer = b
	return true
}

// wait waits until there is something to read, the end included.
func (s *socket) wait() error {
	s.wanted = something
	return s.raw.Read(s.read)
}

// readable reports whether a read would not wait. Unlike a peek it does not consume the
// error that the next read reports.
func readable(fd uintptr) bool {
	poll := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	var now unix.Timespec
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
		if errno != syscall.EINTR {
			return n != 0 // if it fails, the read tells why
		}
	}
}

// receive reports whether nothing has arrived. Otherwise it stores the result of the
// read in inN and inErr.
func (s *socket) receive(fd uintptr, p []byte) (again bool) {
	n, errno := receive(fd, p)
	s.inN, s.inErr = n, nil
	if errno == syscall.EAGAIN {
		s.inN = 0
		return true
	}
	if errno != 0 {
		s.inN, s.inErr = 0, os.NewSyscallError("recv", errno)
	} else if n == 0 {
		s.inErr = io.EOF
	}
	return false
}

func receive(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
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

// Quiet reports whether there is no unread data and the peer has not closed its
// writing side. It may be called while another goroutine reads.
func (c *Conn) Quiet() bool {
	if !c.isRaw() {
		return true
	}
	quiet := false
	err := c.raw.Control(func(fd uintptr) { quiet = !readable(fd) })
	return err == nil && quiet
}
