package local

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

const (
	// loginTimeout bounds everything up to the first ReadyForQuery, the
	// compute's wake-up included.
	loginTimeout = time.Minute
	// lingerTimeout is how long a client may take to read the last message
	// and leave.
	lingerTimeout = 5 * time.Second
)

// client is one connection to the front.
type client struct {
	front      *front
	tcp        *net.TCPConn
	local      netip.AddrPort
	net.Conn          // tcp with its faults, then TLS over it
	serverName string // by SNI
	faults     Faults // in force when the connection began
	route      *route // guarded by front.mu for others; nil until it is known
	startup    *pgwire.Startup
}

func newClient(f *front, tcp *net.TCPConn) *client {
	c := &client{front: f, tcp: tcp, faults: f.o.Faults()}
	c.local = tcp.LocalAddr().(*net.TCPAddr).AddrPort()
	c.local = netip.AddrPortFrom(c.local.Addr().Unmap(), c.local.Port())
	c.Conn = &faultyConn{tcp, c.faults.Network, f.o.Hole, f.life.Done()}
	return c
}

// serve leads the client from its first byte to its last.
func (c *client) serve(ctx context.Context) {
	if c.strike("accept") {
		return
	}
	deadline := time.Now().Add(loginTimeout)
	c.SetDeadline(deadline)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	startup, err := c.open(ctx)
	if err != nil {
		c.fail(err)
		return
	}
	if startup != nil {
		c.startup = startup
		c.session(ctx)
	}
}

// open reads what comes before login, and brings up TLS. It returns nil if
// that was all.
func (c *client) open(ctx context.Context) (*pgwire.Startup, error) {
	n := pgwire.Negotiation{Conn: c.Conn, BeforeHandshake: c.beforeHandshake}
	if c.faults.TLS.Mode != "plaintext" {
		n.TLS = &tls.Config{
			MinVersion: tls.VersionTLS12,
			NextProtos: []string{pgwire.ALPN},
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				return c.front.o.Certificate(hello.ServerName, c.local)
			},
		}
	}
	request, err := n.Run(ctx)
	c.Conn = n.Conn
	if err != nil {
		return nil, err
	}
	if conn, ok := n.Conn.(*tls.Conn); ok {
		c.serverName = conn.ConnectionState().ServerName
	}
	switch r := request.(type) {
	case *pgwire.CancelRequest:
		c.front.forwardCancel(ctx, r)
	case *pgwire.Startup:
		if n.Encrypted {
			return r, nil
		}
		c.refuse(plaintextRefusal(r.Version))
	}
	return nil, nil
}

func (c *client) beforeHandshake() error {
	if c.strike("tls") {
		return errReset
	}
	return nil
}

// fail ends a connection that broke off before its startup packet, with an
// error message if there is somebody to read it.
func (c *client) fail(err error) {
	var e *pgwire.Error
	if errors.As(err, &e) {
		c.refuse(&refusal{Severity: "FATAL", Code: e.Code, Message: e.Message})
		return
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, errReset) {
		c.front.log.Debug("Postgres client broke off", "client", c.RemoteAddr(), "error", err)
	}
}

// refuse sends the refusal and sees the client off.
func (c *client) refuse(r *refusal) {
	c.front.o.OnRefused()
	c.front.log.Debug("login is refused", "client", c.RemoteAddr(), "code", r.Code, "message", r.Message)
	if r.Close {
		return
	}
	c.front.settle(c, nil)
	c.SetDeadline(time.Now().Add(lingerTimeout)) // the time for login may be over
	c.farewell(r.message())
}

// farewell writes the last message and waits for the client to leave. To close
// with something unread would reset the connection, and might destroy the
// message on its way.
func (c *client) farewell(message []byte) {
	if _, err := c.Write(message); err != nil {
		return
	}
	c.SetReadDeadline(time.Now().Add(lingerTimeout))
	closeWrite(c.Conn)
	io.Copy(io.Discard, c)
}

// reset cuts the connection in the rudest way there is.
func (c *client) reset() {
	c.tcp.SetLinger(0)
	c.tcp.Close()
}

// close is for the end of serve only.
func (c *client) close() {
	c.Conn.Close()
	c.tcp.Close() // where TLS could not say goodbye
}

// closeWrite half-closes, so that the other side sees an end and can still
// send the rest of what it has.
func closeWrite(conn net.Conn) error {
	c, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return c.CloseWrite()
}
