// Package rawnet reads and writes stream sockets with as little as the system
// call itself: non-blocking, without telling Go's scheduler about a call that
// does not wait, and without holding a buffer while there is nothing to read.
// Waiting stays the runtime poller's business, and so do deadlines.
//
// That is done on Linux, for TCP and Unix sockets. Elsewhere, and for other
// connections, a Conn does the same by plain means: only slower, and with a
// buffer while it waits.
package rawnet

import (
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

// GetBuffer returns a Buffer with anything in it.
func GetBuffer() *Buffer { return buffers.Get().(*Buffer) }

// Release gives b back. It must not be used again.
func (b *Buffer) Release() { buffers.Put(b) }

// Conn is a [net.Conn]. Only one goroutine may read from it at a time; its other
// methods may be called by any number.
type Conn struct {
	net.Conn
	socket // raw access; its zero value means none
}

// New returns conn with raw access where that is possible.
func New(conn net.Conn) *Conn {
	c := &Conn{Conn: conn}
	c.open(conn)
	return c
}

// CloseWrite tells the other side that nothing more will come.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// ReadBuffer waits for data and then reads into a Buffer, which is the
// caller's to release. With an error there is none.
func (c *Conn) ReadBuffer() (*Buffer, int, error) {
	if c.isRaw() {
		return c.readBuffer()
	}
	b := GetBuffer()
	n, err := c.Conn.Read(b[:])
	if n == 0 {
		b.Release()
		return nil, 0, err
	}
	return b, n, nil // an error comes again
}

// ReadBufferThrough is [Conn.ReadBuffer] for what runs on top of c, which must
// be TLS: over reads from c, and is read from.
func (c *Conn) ReadBufferThrough(over net.Conn) (*Buffer, int, error) {
	for {
		b := GetBuffer()
		c.impatient = c.isRaw()
		n, err := over.Read(b[:])
		c.impatient = false
		if n > 0 {
			return b, n, nil
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

// ReadMoreThrough reads what is there already, without waiting: it returns 0 and
// no error if that is nothing. over is c itself, or TLS on top of it.
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

// errWouldBlock ends a read that would have to wait. TLS forgets it, because
// it is temporary.
var errWouldBlock error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "nothing to read yet" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

// Interrupt ends the read that waits and those to come with
// [os.ErrDeadlineExceeded], until SetReadDeadline says otherwise.
func (c *Conn) Interrupt() { _ = c.SetReadDeadline(aLongTimeAgo) }
