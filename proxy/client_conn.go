package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/internal/eventloop"
	"github.com/lakebase-go/lakebase/internal/rawnet"
)

// lingerTimeout is how long a client may take to read its last message. Closing
// a socket with unread input would discard that message.
const lingerTimeout = time.Second

// clientConn is the network connection of a client. One goroutine reads from it;
// where several write, the caller of write sees to the order.
type clientConn struct {
	env  *env
	raw  *rawnet.Conn
	conn net.Conn // raw, or TLS on top of it
	tls  bool
	out  []byte // to be written by flush
}

func newClientConn(e *env, conn net.Conn) *clientConn {
	raw := rawnet.New(conn)
	return &clientConn{env: e, raw: raw, conn: raw}
}

// receive waits, without holding a buffer, and reads into one, behind what has come
// before. The caller releases the buffer.
func (c *clientConn) receive(before []byte) (*rawnet.Buffer, int, error) {
	if c.tls {
		return c.raw.ReadBufferThrough(c.conn, before)
	}
	return c.raw.ReadBuffer(before)
}

func (c *clientConn) write(p []byte) error {
	if _, err := c.conn.Write(p); err != nil {
		return err
	}
	return c.raw.Flush()
}

// writeSoon is write, but where the event loop serves the connection it does not wait: it
// reports whether p is written, or else remains to be flushed.
func (c *clientConn) writeSoon(p []byte) (written bool, err error) {
	_, err = c.conn.Write(p)
	return err != nil || !c.raw.Kept(), err
}

// flush writes what has been gathered in out.
func (c *clientConn) flush() error {
	c.setWriteDeadline(c.env.config().ClientLoginTimeout)
	defer c.raw.SetWriteDeadline(time.Time{})
	err := c.write(c.out)
	c.out = nil
	return err
}

// writeLast writes a last message, for which a slow client gets no more time
// than for lingering.
func (c *clientConn) writeLast(p []byte) {
	c.setWriteDeadline(lingerTimeout)
	c.write(p)
}

// linger lets the client read what was written last.
func (c *clientConn) linger() {
	c.closeWrite()
	c.raw.SetReadDeadline(time.Now().Add(lingerTimeout))
	io.Copy(io.Discard, c.conn)
}

// closeWrite tells the client that nothing more will come.
func (c *clientConn) closeWrite() {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

// isServed reports whether the event loop serves the connection, so that writeSoon does
// not wait.
func (c *clientConn) isServed() bool {
	_, ok := c.raw.Conn.(*eventloop.Conn)
	return ok
}

// refuse sends an error and closes, without reading what the client has sent.
func (c *clientConn) refuse(e interface{ Append([]byte) []byte }) {
	c.raw.SetWriteDeadline(time.Now().Add(lingerTimeout))
	c.raw.Write(e.Append(nil))
	c.close()
}

// close closes the connection without any message.
func (c *clientConn) close() { c.raw.Close() }

// setWriteDeadline bounds writes from now on.
func (c *clientConn) setWriteDeadline(after time.Duration) {
	c.raw.SetWriteDeadline(time.Now().Add(after))
}

// tlsInfo returns the version and the cipher suite of a connection, "" without
// TLS.
func tlsInfo(conn net.Conn) string {
	encrypted, ok := conn.(*tls.Conn)
	if !ok {
		return ""
	}
	state := encrypted.ConnectionState()
	return strings.ReplaceAll(tls.VersionName(state.Version), " ", "v") + "/" + tls.CipherSuiteName(state.CipherSuite)
}
