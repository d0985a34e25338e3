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

	"github.com/lakebase-go/lakebase"
)

// soon is how long before its end a certificate causes a warning. The
// service's are replaced weeks before.
const soon = 7 * 24 * time.Hour

// checkTLS makes the handshake of a login, and closes the connection before
// anything is sent over it.
func checkTLS(ctx context.Context, v *visit) Result {
	a := v.reached[0]
	if a.server.TLS == nil {
		return withoutTLS(a, found(nil, "not used: sslmode turns it off"))
	}
	ctx, cancel := v.within(ctx)
	defer cancel()
	h := shakeHands(ctx, a)
	details := append(h.details(), v.roots())
	switch {
	case h.err != nil:
		return v.explainHandshake(h, details)
	case h.state == nil:
		return withoutTLS(a, found(details, "the server offers no TLS, and sslmode does not require it"))
	}
	leaf, version := h.chain[0], tls.VersionName(h.state.Version)
	r := found(details, "%s, verified for %s until %s", version, a.server.Host, leaf.NotAfter.Format(time.DateOnly))
	if config := a.server.TLS; config.InsecureSkipVerify && config.VerifyConnection == nil && config.VerifyPeerCertificate == nil {
		r.Summary = version + ", not verified"
		if !parse(a.ip).IsLoopback() {
			r = r.warn(problem("the connection is encrypted, but the server is not verified").
				means("a server in between could pose as this one and read the password").
				do("ask for verification in the URL: sslmode=verify-full"))
		}
	}
	if left := time.Until(leaf.NotAfter); left < soon {
		r = r.warn(problem("the server's certificate ends in %s", rounded(left)).
			means("logins fail from then on, if it is not replaced").
			do("have the administrator of the server, or of the TLS proxy before it, replace the certificate"))
	}
	return r
}

// roots says which authorities are trusted.
func (v *visit) roots() Detail {
	s := v.setting("sslrootcert")
	if s.Value == "" || s.Value == "system" {
		s.Value = "the system's"
	}
	return Detail{Name: "roots", Value: s.Value, Source: s.Source}
}

// withoutTLS warns of a plaintext connection, except on this machine.
func withoutTLS(a address, r Result) Result {
	if parse(a.ip).IsLoopback() {
		return r
	}
	return r.warn(problem("the connection is not encrypted").
		means("every machine between here and the server can read the password and the data").
		do("ask for TLS in the URL: sslmode=verify-full"))
}

// handshake is the result of one TLS handshake with a server.
type handshake struct {
	state *tls.ConnectionState // nil without TLS
	chain []*x509.Certificate  // as the server sent it, trusted or not
	err   error
}

// sslRequest is the packet that asks a server for TLS: its length and a code.
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// errNoTLS has pgx's text, by which the library recognises this error.
var errNoTLS = errors.New("server refused TLS connection")

// shakeHands does what pgx does up to the end of the handshake, and keeps the
// certificates even if they are not trusted.
func shakeHands(ctx context.Context, a address) (h handshake) {
	conn, err := a.dial(ctx)
	if err != nil {
		return handshake{err: err}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer func() {
		if h.err != nil && ctx.Err() != nil { // which has closed the connection
			h.err = context.DeadlineExceeded
		}
	}()
	if _, err := conn.Write(sslRequest); err != nil {
		return handshake{err: err}
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return handshake{err: err}
	}
	if answer[0] != 'S' {
		if a.server.Plaintext {
			return handshake{}
		}
		return handshake{err: errNoTLS}
	}
	config := a.server.TLS.Clone()
	config.ClientSessionCache = nil // a resumed session shows no certificates
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		h.err = err
		if untrusted := (*tls.CertificateVerificationError)(nil); errors.As(err, &untrusted) {
			h.chain = untrusted.UnverifiedCertificates
		} else {
			h.chain = secure.ConnectionState().PeerCertificates
		}
		return h
	}
	state := secure.ConnectionState()
	return handshake{state: &state, chain: state.PeerCertificates}
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

func nameOf(n pkix.Name) string { return cmp.Or(n.String(), "(no name)") }

func certificateNames(c *x509.Certificate) string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return strings.Join(names, ", ")
}

// explainHandshake explains a handshake that failed.
func (v *visit) explainHandshake(h handshake, details []Detail) Result {
	server, at := v.reached[0].server, v.reached[0].String()
	err := v.refused(h.err, server.Host)
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	const retry = "try again; if it stays so, look for what stands between here and the server"
	p := problem("the handshake failed").means("no token was sent")
	switch {
	case errors.Is(h.err, errNoTLS):
		p = problem("the server offers no TLS").
			means("Lakebase always does: this is another server, or something in between answers in its place; no token was sent").
			do(v.letWorkspaceNameHost("check what listens at " + at))
	case errors.As(h.err, &authority):
		p = v.explainAuthority(h)
	case errors.As(h.err, &host):
		p = problem("the server's certificate is for another name").
			means("it is for %s, and %s was asked for", certificateNames(h.chain[0]), server.Host).
			do(v.letWorkspaceNameHost("connect by a name that is in the certificate"))
	case errors.As(h.err, &invalid) && invalid.Reason == x509.Expired:
		p = v.explainDates(h)
	case isTimeout(h.err):
		p = problem("the server accepted the connection and sent nothing").
			means("something accepts connections at %s and forwards nothing: a firewall, a load balancer or an endpoint that hangs", at).
			do(retry, v.again())
	case errors.Is(err, lakebase.KindUnavailable):
		p = problem("the connection was cut before the handshake was done").
			means("something accepts connections at %s and cuts them: a firewall that inspects TLS, or a server that is stopping", at).
			do(retry, v.again())
	}
	return p.failed(err, details...)
}

func (v *visit) explainAuthority(h handshake) Result {
	issuer := "an unknown authority"
	if len(h.chain) > 0 {
		issuer = nameOf(h.chain[len(h.chain)-1].Issuer)
	}
	p := problem("the server's certificate is from an authority that is not trusted here").
		means("it was issued by %s; no token was sent", issuer)
	variable := v.variable("sslrootcert")
	switch {
	case strings.Contains(issuer, "Local Lakebase"):
		return p.do("this is a local Lakebase: take its variables anew", `eval "$(lakebase local env)"`)
	case variable != "":
		return p.do("the service's certificates are from a public authority: trust the system's roots, not the file in "+variable, "unset "+variable)
	}
	return p.do("if that authority is yours, name a file with its certificate; if it is not, something intercepts TLS", "export PGSSLROOTCERT=/path/to/ca.pem")
}

// explainDates distinguishes a certificate that has expired from a clock that
// is wrong.
func (v *visit) explainDates(h handshake) Result {
	now := time.Now()
	invalid := slices.IndexFunc(h.chain, func(c *x509.Certificate) bool { return now.After(c.NotAfter) || now.Before(c.NotBefore) })
	c := h.chain[max(invalid, 0)]
	p := problem("the server's certificate is not valid now").
		means("it is valid from %s to %s, and this machine's clock says %s",
			c.NotBefore.Format(time.DateTime), c.NotAfter.Format(time.DateTime), now.UTC().Format(time.DateTime))
	if skew, wrong := v.skew(); wrong {
		p.Meaning += fmt.Sprintf(", %s off the workspace's", rounded(skew.Abs()))
		return p.do(setClock())
	}
	return p.do("have the server's administrator replace the certificate")
}
