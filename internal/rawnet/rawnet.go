// Package rawnet reads and writes stream sockets with non-blocking system calls. It
// does not inform Go's scheduler about calls that do not wait, and holds no buffer
// while there is nothing to read. The runtime's poller does the waiting, and handles
// deadlines.
//
// This applies to TCP and Unix sockets on Linux. On other systems, and for other
// connections, a Conn uses the methods of [net.Conn]: it is slower and holds a buffer
// while it waits.
package rawnet

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// BufferSize is the size of a [Buffer] in bytes: that of the largest TLS
// record's content.
const BufferSize = 16 << 10

// Buffer is one read's worth of bytes.
type Buffer [BufferSize]byte

var buffers = sync.Pool{New: func() any { return new(Buffer) }}

// GetBuffer returns a Buffer with undefined content.
func GetBuffer() *Buffer { return buffers.Get().(*Buffer) }

// Release returns b to the pool of buffers. It must not be used afterwards.
func (b *Buffer) Release() { buffers.Put(b) }

// Listen listens on a TCP address for clients that send first. On Linux, a connection
// is accepted when its first data has arrived, or a few seconds later if none does.
// keepAlive, which must be enabled, configures the keepalive probes of accepted
// connections. With reuse, other processes can listen on the same address.
func Listen(address string, keepAlive net.KeepAliveConfig, reuse bool) (net.Listener, error) {
	config, err := listenConfig(keepAlive, reuse)
	if err != nil {
		return nil, err
	}
	return config.Listen(context.Background(), "tcp", address)
}

// Configure makes an open listener one as Listen returns.
func Configure(l *net.TCPListener, keepAlive net.KeepAliveConfig) error {
	config, _ := listenConfig(keepAlive, false)
	if config.Control == nil {
		return nil
	}
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	return config.Control("tcp", l.Addr().String(), raw)
}

// Conn is a [net.Conn]. Only one goroutine may read from it at a time; its other
// methods may be called by any number.
type Conn struct {
	net.Conn
	socket // raw access; its zero value means none
}

// New returns a Conn on top of conn, with raw access where that is possible.
func New(conn net.Conn) *Conn {
	c := &Conn{Conn: conn}
	c.open(conn)
	return c
}

// Adopt makes conn, which continues the connection, what c is on top of. Nothing else may
// use c meanwhile.
func (c *Conn) Adopt(conn net.Conn) {
	c.Conn = conn
	c.open(conn)
}

// CloseWrite closes the writing side of the connection.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// ReadBuffer waits for data and then reads it into a Buffer, which the caller must
// release, behind a copy of begun, which must leave room. It returns the number of
// bytes of both. If it returns an error, it returns no Buffer.
func (c *Conn) ReadBuffer(begun []byte) (*Buffer, int, error) {
	if c.isRaw() {
		return c.readBuffer(begun)
	}
	b := GetBuffer()
	before := copy(b[:], begun)
	n, err := c.Conn.Read(b[before:])
	if n == 0 {
		b.Release()
		return nil, 0, err
	}
	return b, before + n, nil // an error comes again
}

// ReadBufferThrough is like [Conn.ReadBuffer] but reads from over, a TLS connection
// on top of c.
func (c *Conn) ReadBufferThrough(over net.Conn, begun []byte) (*Buffer, int, error) {
	for {
		b := GetBuffer()
		before := copy(b[:], begun)
		c.impatient = c.isRaw()
		n, err := over.Read(b[before:])
		c.impatient = false
		if n > 0 {
			return b, before + n, nil
		}
		b.Release()
		if !errors.Is(err, errWouldBlock) {
			return nil, 0, err
		}
		if err := c.wait(); err != nil {
			return nil, 0, err
		}
	}
}

// ReadMoreThrough reads from over, which is c or a TLS connection on top of it,
// without waiting. It returns 0 and no error if nothing has arrived.
func (c *Conn) ReadMoreThrough(over net.Conn, p []byte) (int, error) {
	if !c.isRaw() {
		return 0, nil
	}
	c.impatient = true
	n, err := over.Read(p)
	c.impatient = false
	if errors.Is(err, errWouldBlock) {
		err = nil
	}
	return n, err
}

// errWouldBlock ends a read that would have to wait. TLS does not keep it as the
// error of the connection, because it is temporary.
var errWouldBlock error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "nothing to read yet" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

// Interrupt ends the current read and the next ones with [os.ErrDeadlineExceeded],
// until SetReadDeadline is called.
func (c *Conn) Interrupt() { _ = c.SetReadDeadline(aLongTimeAgo) }

// SetTimeout makes an idle connection fail when the peer's TCP has not answered
// probes for about d. If data is unacknowledged, the caller must check
// [Conn.Unresponsive] instead: TCP_USER_TIMEOUT would also end the connection of a
// healthy peer that has no room for more data, as a server has not while it runs
// earlier requests. SetTimeout does nothing on a Unix socket.
func (c *Conn) SetTimeout(d time.Duration) error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	probe := max(d/3, time.Second)
	return tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probe, Interval: probe, Count: 3})
}
