package pgwire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
)

// ALPN is the protocol name that clients offer in the TLS handshake.
const ALPN = "postgresql"

// ErrNoALPN reports a client that began with TLS but did not offer [ALPN]. As
// PostgreSQL does, [Negotiation.Run] completes the handshake and closes the
// TLS connection without an ErrorResponse (ProcessSSLStartup in PostgreSQL's
// backend_startup.c). PostgreSQL requires ALPN so that a client of another
// protocol cannot be made to speak to a database server.
var ErrNoALPN = errors.New("direct TLS connection without ALPN")

// tlsHandshake is the first byte of a TLS ClientHello. No packet of Postgres
// starts with it: its length would be hundreds of megabytes.
const tlsHandshake = 0x16

// Negotiation is the part of a server's connection before the login: requests
// for encryption and the TLS handshake.
type Negotiation struct {
	// Conn is the connection to the client. Run replaces it with the TLS
	// connection on top of it.
	Conn net.Conn
	// TLS is the configuration of TLS connections, or nil if the server offers
	// none. Its NextProtos must be [ALPN] alone.
	TLS *tls.Config
	// BeforeHandshake, if it is not nil, runs before the TLS handshake. Its
	// error ends the negotiation.
	BeforeHandshake func() error
	// Encrypted reports whether Conn is a TLS connection.
	Encrypted bool

	sslRequested, gssRequested bool
}

// Run reads and answers the client's packets up to the one that ends the
// negotiation, and returns that: a [*Startup] or a [*CancelRequest]. The error is
// io.EOF if the client closed the connection between two packets, and an
// [*Error] if the client can be sent one.
//
// Run reads not a byte more than it needs, so data that was injected in the
// clear before the TLS handshake cannot be taken for data that TLS protects: it
// becomes part of the handshake, which fails.
func (n *Negotiation) Run(ctx context.Context) (Request, error) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(n.Conn, first); err != nil {
		return nil, err
	}
	if first[0] == tlsHandshake {
		if err := n.directTLS(ctx, first); err != nil {
			return nil, err
		}
		first = nil
	}
	for {
		request, err := ReadRequest(io.MultiReader(bytes.NewReader(first), n.Conn))
		if err != nil {
			return nil, err
		}
		first = nil
		switch request.(type) {
		case SSLRequest:
			err = n.answerSSL(ctx)
		case GSSENCRequest:
			err = n.answer(&n.gssRequested, 'N') // GSSAPI is not offered
		default:
			return request, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// directTLS serves a client that begins with TLS, without an SSLRequest. first
// is what was read of its ClientHello.
func (n *Negotiation) directTLS(ctx context.Context, first []byte) error {
	if n.TLS == nil {
		return &Error{Code: "08P01", Message: "TLS is not offered", Hint: "connect with sslmode=disable"}
	}
	if err := n.handshake(ctx, &prefixedConn{Conn: n.Conn, prefix: first}); err != nil {
		return err
	}
	conn := n.Conn.(*tls.Conn)
	if conn.ConnectionState().NegotiatedProtocol != ALPN {
		conn.CloseWrite()
		return ErrNoALPN
	}
	return nil
}

func (n *Negotiation) answerSSL(ctx context.Context) error {
	if n.TLS == nil {
		return n.answer(&n.sslRequested, 'N')
	}
	if err := n.answer(&n.sslRequested, 'S'); err != nil {
		return err
	}
	return n.handshake(ctx, n.Conn)
}

// answer answers a request for encryption, which a client may send once.
func (n *Negotiation) answer(requested *bool, answer byte) error {
	if n.Encrypted || *requested {
		return &Error{Code: "08P01", Message: "encryption was requested twice"}
	}
	*requested = true
	_, err := n.Conn.Write([]byte{answer})
	return err
}

func (n *Negotiation) handshake(ctx context.Context, conn net.Conn) error {
	if n.BeforeHandshake != nil {
		if err := n.BeforeHandshake(); err != nil {
			return err
		}
	}
	encrypted := tls.Server(conn, n.TLS)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return err
	}
	n.Conn, n.Encrypted = encrypted, true
	return nil
}

// prefixedConn is a connection whose first bytes were read already.
type prefixedConn struct {
	net.Conn
	prefix []byte
}

func (c *prefixedConn) Read(p []byte) (int, error) {
	if len(c.prefix) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.prefix)
	c.prefix = c.prefix[n:]
	return n, nil
}
