//go:build !noeventloop

package eventloop

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is a connection of a [Loop]. It implements [net.Conn] and [syscall.Conn], with
// their rules for concurrency, deadlines and closing.
type Conn struct {
	poller *poller
	peer   netip.AddrPort // not valid for a Unix socket
	fd     int32
	generation

	mu     sync.Mutex // guards what follows
	users  int32      // of the descriptor, which the last one closes
	closed bool
	ended  bool // the peer sends nothing more, or there is an error
	read   side
	write  side
	turned *sync.Cond // something of this has changed; nil before the first wait for that

	handler func()
}

// side is one direction of a connection.
type side struct {
	changes  uint32 // of what the kernel reports
	deadline int64  // Unix nanoseconds, 0 means none
}

// isOver reports whether the deadline has passed.
func (s *side) isOver() bool { return s.deadline != 0 && time.Now().UnixNano() >= s.deadline }

func newConn(p *poller, fd int, peer syscall.Sockaddr) (*Conn, error) {
	c := &Conn{poller: p, fd: int32(fd)}
	switch a := peer.(type) {
	case *syscall.SockaddrInet4:
		c.peer = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		c.peer = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return c, p.add(fd, c, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP)
}

// Handle makes the loop call handler, which must not wait, each time that there is
// something new to read, and a goroutine call it when c is closed. What is there already is
// not reported again: the caller reads once without being called.
func (c *Conn) Handle(handler func()) {
	c.mu.Lock()
	c.handler = handler
	c.mu.Unlock()
}

// Changes returns how often something new to read has been reported. As long as that stays
// the same, a read after one that has not filled its buffer finds nothing. ended reports
// whether this does not hold, because of the end of the connection, an error or a deadline,
// which are not reported again.
func (c *Conn) Changes() (n uint32, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read.changes, c.ended || c.closed || c.read.isOver()
}

// MayHaveMore reports whether a read may find something after one that has not filled
// its buffer, without being reported again: the end of the connection, or an error.
func (c *Conn) MayHaveMore() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// Take takes over a TCP connection, which must not be in use: it is closed, and a Conn
// continues it. With an error it stays as it is.
func (l *Loop) Take(conn net.Conn) (*Conn, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	if err := raw.Control(func(old uintptr) { fd, failed = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, os.NewSyscallError("fcntl", failed)
	}
	c, err := newConn(l.next(), fd, nil)
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	c.peer = tcp.RemoteAddr().(*net.TCPAddr).AddrPort()
	c.peer = netip.AddrPortFrom(c.peer.Addr().Unmap(), c.peer.Port())
	return c, tcp.Close()
}

const (
	readEvents  = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	writeEvents = unix.EPOLLOUT | unix.EPOLLHUP | unix.EPOLLERR
)

func (c *Conn) event(what uint32) {
	c.mu.Lock()
	if what&readEvents != 0 {
		c.read.changes++
	}
	c.ended = c.ended || what&(readEvents&^unix.EPOLLIN) != 0
	if what&writeEvents != 0 {
		c.write.changes++
	}
	h := c.handler
	c.changed()
	c.mu.Unlock()
	if h != nil && what&readEvents != 0 {
		h()
	}
}

// changed lets those look that wait for a change. The caller holds mu.
func (c *Conn) changed() {
	if c.turned != nil {
		c.turned.Broadcast()
	}
}

// use runs f with the descriptor until it returns true, and waits for a change on side
// each time that it does not.
func (c *Conn) use(s *side, f func(fd uintptr) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.users++
	defer c.release()
	for {
		if s.isOver() {
			return os.ErrDeadlineExceeded
		}
		seen := s.changes
		c.mu.Unlock()
		done := f(uintptr(c.fd))
		c.mu.Lock()
		if done {
			return nil
		}
		if err := c.wait(s, seen); err != nil {
			return err
		}
	}
}

// wait waits for a change of s after seen. The caller holds mu.
func (c *Conn) wait(s *side, seen uint32) error {
	var timer *time.Timer
	var until int64
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	for !c.closed && s.changes == seen && !s.isOver() {
		if s.deadline != until {
			until = s.deadline
			if timer != nil {
				timer.Stop()
			}
			timer = nil
			if until != 0 {
				timer = time.AfterFunc(time.Until(time.Unix(0, until)), func() {
					c.mu.Lock()
					defer c.mu.Unlock()
					c.changed()
				})
			}
		}
		if c.turned == nil {
			c.turned = sync.NewCond(&c.mu)
		}
		c.turned.Wait()
	}
	if c.closed {
		return net.ErrClosed
	}
	return nil
}

// release ends a use of the descriptor. The caller holds mu.
func (c *Conn) release() {
	c.users--
	if c.closed && c.users == 0 {
		unix.Close(int(c.fd))
	}
}

// Close closes the connection, and ends what waits for it.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	c.poller.drop(int(c.fd))
	c.users++
	c.release()
	c.changed()
	if c.handler != nil {
		go c.handler()
	}
	return nil
}

// CloseWrite tells the peer that nothing more comes.
func (c *Conn) CloseWrite() error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = unix.Shutdown(int(fd), unix.SHUT_WR) })
	if err == nil && failed != nil {
		err = os.NewSyscallError("shutdown", failed)
	}
	return err
}

// SyscallConn returns the raw access to the connection.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return rawConn{c}, nil }

// Control runs f with the descriptor.
func (c *Conn) Control(f func(fd uintptr)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.users++
	defer c.release()
	c.mu.Unlock()
	f(uintptr(c.fd))
	c.mu.Lock()
	return nil
}

// rawConn is the raw access to a Conn.
type rawConn struct{ *Conn }

func (r rawConn) Read(f func(fd uintptr) bool) error  { return r.use(&r.read, f) }
func (r rawConn) Write(f func(fd uintptr) bool) error { return r.use(&r.write, f) }

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	waited := c.use(&c.read, func(fd uintptr) bool {
		for {
			if n, err = unix.Read(int(fd), p); err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	return max(n, 0), c.result("read", n == 0, waited, err)
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (n int, err error) {
	waited := c.use(&c.write, func(fd uintptr) bool {
		for n < len(p) {
			var sent int
			sent, err = unix.SendmsgN(int(fd), p[n:], nil, nil, unix.MSG_NOSIGNAL)
			if err == unix.EAGAIN {
				return false
			}
			if err != nil && err != unix.EINTR {
				return true
			}
			n += max(sent, 0)
		}
		err = nil
		return true
	})
	return n, c.result("write", false, waited, err)
}

// result returns the error of an operation.
func (c *Conn) result(op string, atEnd bool, waited, err error) error {
	switch {
	case waited != nil:
		err = waited
	case err != nil:
		err = os.NewSyscallError(op, err)
	case atEnd:
		return io.EOF
	default:
		return nil
	}
	return &net.OpError{Op: op, Net: "socket", Addr: c.RemoteAddr(), Err: err}
}

// LocalAddr returns the own address, an empty one when c is closed.
func (c *Conn) LocalAddr() net.Addr {
	var own unix.Sockaddr
	_ = c.Control(func(fd uintptr) { own, _ = unix.Getsockname(int(fd)) })
	switch a := own.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Net: "unix", Name: a.Name}
	}
	return &net.TCPAddr{}
}

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr {
	if !c.peer.IsValid() {
		return &net.UnixAddr{Net: "unix", Name: "@"} // that of a client without a name, as in package net
	}
	return net.TCPAddrFromAddrPort(c.peer)
}

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(t, &c.read, &c.write) }

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.read) }

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.write) }

func (c *Conn) setDeadline(t time.Time, sides ...*side) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	for _, s := range sides {
		s.deadline = 0
		if !t.IsZero() {
			s.deadline = max(t.UnixNano(), 1)
		}
	}
	c.changed()
	return nil
}
