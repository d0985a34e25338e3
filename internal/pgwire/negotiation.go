package pgwire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// ALPN is the protocol name that clients offer in the TLS handshake.
const ALPN = "postgresql"

// ErrNoALPN reports a client that began with TLS but did not offer [ALPN]. As
// PostgreSQL does, [Negotiation.Run] completes the handshake and closes the
// TLS connection without an ErrorResponse (ProcessSSLStartup in PostgreSQL's
// backend_startup.c). PostgreSQL requires ALPN so that a client of another
// protocol cannot be made to speak to a database server.
var ErrNoALPN = errors.New("direct TLS connection without ALPN")

// ErrNoTLS reports a client that began with TLS where none is offered. It would not
// understand an ErrorResponse.
var ErrNoTLS = errors.New("direct TLS connection, which is not offered")

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

	// SSLRequested reports that the client has asked for TLS before, which has been refused.
	SSLRequested bool
	gssRequested bool
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
		return ErrNoTLS
	}
	if err := n.handshake(ctx, first); err != nil {
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
		return n.answer(&n.SSLRequested, 'N')
	}
	if err := n.answer(&n.SSLRequested, 'S'); err != nil {
		return err
	}
	return n.handshake(ctx, nil)
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

// handshake does the handshake. first is what was read of it.
func (n *Negotiation) handshake(ctx context.Context, first []byte) error {
	if n.BeforeHandshake != nil {
		if err := n.BeforeHandshake(); err != nil {
			return err
		}
	}
	under := &handshakeConn{Conn: n.Conn, prefix: first, watched: true}
	encrypted := tls.Server(under, n.TLS)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return under.explain(err)
	}
	under.watched = false
	n.Conn, n.Encrypted = encrypted, true
	return nil
}

// handshakeConn is the connection under TLS, whose first bytes may have been read
// already.
type handshakeConn struct {
	net.Conn
	prefix  []byte
	watched bool
	last    [alertSize]byte // that were read while it was watched
}

// alertSize is the size of an alert that is not encrypted: type, version, length,
// level, description.
const alertSize = 7

func (c *handshakeConn) Read(p []byte) (n int, err error) {
	if len(c.prefix) > 0 {
		n = copy(p, c.prefix)
		c.prefix = c.prefix[n:]
	} else {
		n, err = c.Conn.Read(p)
	}
	if c.watched {
		seen := append(c.last[:], p[max(0, n-alertSize):n]...)
		copy(c.last[:], seen[len(seen)-alertSize:])
	}
	return n, err
}

// explain says which error of a handshake is the client's refusal of the
// certificate. OpenSSL's clients do not encrypt that alert in TLS 1.3, so that
// crypto/tls takes it for a damaged record.
func (c *handshakeConn) explain(err error) error {
	var reason error
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == "remote error" {
		reason = remote.Err
	} else if c.last[0] == 21 && c.last[3] == 0 && c.last[4] == 2 {
		reason = tls.AlertError(c.last[6])
	}
	if reason == nil || !strings.Contains(reason.Error(), "certificate") {
		return err
	}
	return fmt.Errorf("the client refuses the certificate: %w", reason)
}
