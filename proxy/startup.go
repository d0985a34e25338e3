package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// handshakeRecord is the first byte of a TLS ClientHello, and of nothing that
// Postgres sends.
const handshakeRecord = 0x16

// startup reads what comes before login. It returns nil if there is no login
// to follow.
func (c *client) startup(ctx context.Context) (*pgwire.Startup, error) {
	encryption := c.server.config().TLS
	if c.local {
		encryption = nil
	}
	direct, err := c.peekTLS()
	if err == io.EOF {
		return nil, nil // somebody looked whether the port is open
	}
	if err != nil {
		return nil, err
	}
	if direct {
		if encryption == nil {
			return nil, &pgwire.Error{Code: "08P01", Message: "this proxy does not offer TLS", Hint: "connect with sslmode=disable"}
		}
		if err := c.startTLS(ctx, encryption); err != nil {
			return nil, err
		}
	}
	askedGSS := false
	for {
		request, err := pgwire.ReadRequest(c.Conn)
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if !c.inTLS {
			c.Conn = c.raw // what was looked at has been read
		}
		switch r := request.(type) {
		case pgwire.GSSENCRequest:
			if askedGSS || c.inTLS {
				return nil, repeatedRequest()
			}
			askedGSS = true
			if _, err := c.Write([]byte{'N'}); err != nil {
				return nil, err
			}
		case pgwire.SSLRequest:
			if c.inTLS || c.askedTLS {
				return nil, repeatedRequest()
			}
			c.askedTLS = true
			if err := c.answerSSL(ctx, encryption); err != nil {
				return nil, err
			}
		case *pgwire.CancelRequest:
			c.server.cancels.deliver(ctx, c.server, r)
			return nil, nil
		case *pgwire.Startup:
			return r, nil
		}
	}
}

func repeatedRequest() *pgwire.Error {
	return &pgwire.Error{Code: "08P01", Message: "encryption was asked for twice"}
}

// peekTLS reports whether the client begins with TLS itself. It looks at as many
// bytes as the length of a request has: both begin with more.
func (c *client) peekTLS() (bool, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
		return false, err
	}
	c.Conn = &unreadConn{Conn: c.raw, unread: head[:]}
	return head[0] == handshakeRecord, nil
}

// answerSSL goes on in TLS if there is any.
func (c *client) answerSSL(ctx context.Context, encryption *tls.Config) error {
	if encryption == nil {
		_, err := c.Write([]byte{'N'})
		return err
	}
	if _, err := c.Write([]byte{'S'}); err != nil {
		return err
	}
	return c.startTLS(ctx, encryption)
}

// startTLS goes on in TLS. Requests are read to the byte, so what a client,
// or someone between, sent ahead in the clear is taken for its handshake and
// fails there.
func (c *client) startTLS(ctx context.Context, encryption *tls.Config) error {
	conn := tls.Server(c.Conn, encryption)
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	c.Conn, c.inTLS = conn, true
	return nil
}

// negotiate checks who may go on, and settles the protocol's version.
func (c *client) negotiate(startup *pgwire.Startup) error {
	if c.needsTLS && !c.inTLS {
		return &pgwire.Error{Code: "28000", Message: "this address accepts no connection without TLS", Hint: "connect with sslmode=require or better"}
	}
	if startup.User() == "" {
		return &pgwire.Error{Code: "28000", Message: "no PostgreSQL user name specified in startup packet",
			Hint: "name any user: the proxy logs in upstream as its own role"}
	}
	version, unknown, agreed := startup.Negotiate(pgwire.Version32)
	c.version = version
	if !agreed {
		c.out = pgwire.AppendNegotiate(c.out, version, unknown)
	}
	return nil
}

// unreadConn is a connection whose first bytes have been looked at.
type unreadConn struct {
	net.Conn
	unread []byte
}

func (u *unreadConn) Read(p []byte) (int, error) {
	if len(u.unread) == 0 {
		return u.Conn.Read(p)
	}
	n := copy(p, u.unread)
	u.unread = u.unread[n:]
	return n, nil
}

// CloseWrite is that of the connection underneath.
func (u *unreadConn) CloseWrite() error {
	if half, ok := u.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
