package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// handshake is the result of one TLS handshake with a server.
type handshake struct {
	offered bool // the server speaks TLS at all
	state   *tls.ConnectionState
	chain   []*x509.Certificate // as the server sent it, trusted or not
	err     error
}

// sslRequest is the packet that asks a server for TLS: its length and a code.
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// errNoTLS has pgx's text, by which the library recognises this error.
var errNoTLS = errors.New("server refused TLS connection")

// shakeHands does what pgx does up to the end of the handshake, and keeps the
// certificates even if they are not trusted.
func shakeHands(ctx context.Context, a address) handshake {
	conn, err := a.dial(ctx)
	if err != nil {
		return handshake{err: err}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := conn.Write(sslRequest); err != nil {
		return handshake{err: err}
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return handshake{err: orDeadline(ctx, err)}
	}
	if answer[0] != 'S' {
		if a.server.Plaintext {
			return handshake{}
		}
		return handshake{err: errNoTLS}
	}
	h := handshake{offered: true}
	config := a.server.TLS.Clone()
	config.ClientSessionCache = nil // a resumed session shows no certificates
	secure := tls.Client(conn, config)
	err = secure.HandshakeContext(ctx)
	state := secure.ConnectionState()
	h.chain = state.PeerCertificates
	if untrusted := (*tls.CertificateVerificationError)(nil); errors.As(err, &untrusted) {
		h.chain = untrusted.UnverifiedCertificates
	}
	if err != nil {
		h.err = orDeadline(ctx, err)
		return h
	}
	h.state = &state
	return h
}

// orDeadline distinguishes the end of ctx, which closes the connection, from
// one that the server closed.
func orDeadline(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.DeadlineExceeded
	}
	return err
}

// details lists what the server showed.
func (h handshake) details() []Detail {
	var details []Detail
	if h.state != nil {
		details = append(details, Detail{Name: "protocol", Value: tls.VersionName(h.state.Version)})
	}
	for i, c := range h.chain {
		value := fmt.Sprintf("%s, issued by %s, %s to %s", nameOf(c.Subject), nameOf(c.Issuer),
			c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
		if i == 0 && len(c.DNSNames)+len(c.IPAddresses) > 0 {
			value += ", for " + certificateNames(c)
		}
		details = append(details, Detail{Name: fmt.Sprintf("certificate %d", i+1), Value: value})
	}
	return details
}

// issuer names the authority at the end of the chain.
func (h handshake) issuer() string {
	if len(h.chain) == 0 {
		return "an unknown authority"
	}
	return nameOf(h.chain[len(h.chain)-1].Issuer)
}

// invalidNow returns the first certificate of the chain that is not valid at
// this time, or the server's own.
func (h handshake) invalidNow() *x509.Certificate {
	now := time.Now()
	invalid := slices.IndexFunc(h.chain, func(c *x509.Certificate) bool { return now.After(c.NotAfter) || now.Before(c.NotBefore) })
	return h.chain[max(invalid, 0)]
}

func nameOf(n pkix.Name) string { return cmp.Or(n.String(), "(no name)") }

func certificateNames(c *x509.Certificate) string {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return strings.Join(names, ", ")
}
