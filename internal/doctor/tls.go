package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
)

// soon is how near its end a certificate is worth a word. The service's are
// replaced weeks before.
const soon = 7 * 24 * time.Hour

// handshake is a try to speak TLS with a server.
type handshake struct {
	offered bool // the server speaks TLS at all
	state   *tls.ConnectionState
	chain   []*x509.Certificate // as the server sent it, trusted or not
	err     error
}

// checkTLS makes the handshake of a login, and ends where the login would
// begin: nothing is sent over it.
func checkTLS(ctx context.Context, v *visit) finding {
	a := v.reached[0]
	if a.server.TLS == nil {
		return v.withoutTLS(found(nil, "not used: sslmode says so"))
	}
	ctx, cancel := v.within(ctx)
	defer cancel()
	h := shake(ctx, a)
	details := append(h.describe(), v.roots())
	switch {
	case h.err != nil:
		return v.untrusted(h, details)
	case !h.offered:
		return v.withoutTLS(found(details, "the server offers no TLS, and sslmode does without"))
	}
	leaf := h.chain[0]
	f := found(details, "%s, verified for %s until %s", tls.VersionName(h.state.Version), a.server.Host, leaf.NotAfter.Format(time.DateOnly))
	if !v.verifies(a.server.TLS) {
		f.summary = tls.VersionName(h.state.Version) + ", not verified"
		if !isLoopback(a.ip) {
			f = f.warn("the connection is encrypted to whoever answers: nothing is verified", advice{
				meaning: "someone in between could pose as the server and read the password",
				action:  "ask for verification in the URL: sslmode=verify-full",
			})
		}
	}
	if left := time.Until(leaf.NotAfter); left < soon {
		f = f.warn(fmt.Sprintf("the server's certificate ends in %s", rounded(left)), advice{
			meaning: "logins fail from then on, if it is not replaced",
			action:  "have whoever runs the server, or the TLS proxy before it, replace the certificate",
		})
	}
	return f
}

// shake does what pgx does up to the handshake's end, keeping what the server
// showed even if it is not trusted.
func shake(ctx context.Context, a address) handshake {
	conn, err := dial(ctx, a)
	if err != nil {
		return handshake{err: err}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	answer := make([]byte, 1)
	if _, err := conn.Write(sslRequest); err != nil {
		return handshake{err: err}
	}
	if _, err := io.ReadFull(conn, answer); err != nil {
		return handshake{err: ended(ctx, err)}
	}
	if answer[0] != 'S' {
		if a.server.Plaintext {
			return handshake{}
		}
		return handshake{err: errNoTLS}
	}
	var h handshake
	config := a.server.TLS.Clone()
	config.ClientSessionCache = nil // a resumed session shows no certificates
	verify := config.VerifyPeerCertificate
	config.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
		h.chain = parseChain(raw)
		if verify != nil {
			return verify(raw, chains)
		}
		return nil
	}
	secure := tls.Client(conn, config)
	h.offered = true
	if err := secure.HandshakeContext(ctx); err != nil {
		var refused *tls.CertificateVerificationError
		if errors.As(err, &refused) {
			h.chain = refused.UnverifiedCertificates
		}
		h.err = ended(ctx, err)
		return h
	}
	state := secure.ConnectionState()
	h.state, h.chain = &state, state.PeerCertificates
	return h
}

// sslRequest is the first packet of a login: its length, and the code that
// stands for the question.
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// errNoTLS has the words in which pgx says so, which the library knows.
var errNoTLS = errors.New("server refused TLS connection")

// ended tells the end of ctx from a connection that was cut.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.DeadlineExceeded
	}
	return err
}

func parseChain(raw [][]byte) []*x509.Certificate {
	var chain []*x509.Certificate
	for _, der := range raw {
		if c, err := x509.ParseCertificate(der); err == nil {
			chain = append(chain, c)
		}
	}
	return chain
}

// describe lists what the server showed.
func (h handshake) describe() []Detail {
	var details []Detail
	if h.state != nil {
		details = append(details, Detail{Name: "protocol", Value: tls.VersionName(h.state.Version)})
	}
	for i, c := range h.chain {
		value := fmt.Sprintf("%s, issued by %s, %s to %s", nameOf(c.Subject.String()), nameOf(c.Issuer.String()),
			c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
		if i == 0 && len(c.DNSNames)+len(c.IPAddresses) > 0 {
			value += ", for " + strings.Join(certificateNames(c), ", ")
		}
		details = append(details, Detail{Name: fmt.Sprintf("certificate %d", i+1), Value: value})
	}
	return details
}

func nameOf(subject string) string {
	if subject == "" {
		return "(no name)"
	}
	return subject
}

func certificateNames(c *x509.Certificate) []string {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// roots says which authorities are trusted.
func (v *visit) roots() Detail {
	s := v.setting("sslrootcert")
	if s.Value == "" || s.Value == "system" {
		return Detail{Name: "roots", Value: "the system's", Source: s.Source}
	}
	return Detail{Name: "roots", Value: s.Value, Source: s.Source}
}

func (v *visit) verifies(config *tls.Config) bool {
	return !config.InsecureSkipVerify || config.VerifyConnection != nil || config.VerifyPeerCertificate != nil
}

// withoutTLS is fine on this machine and worth a warning elsewhere.
func (v *visit) withoutTLS(f finding) finding {
	if isLoopback(v.reached[0].ip) {
		return f
	}
	return f.warn("the connection is not encrypted", advice{
		meaning: "everyone between here and the server can read the password and the data",
		action:  "ask for TLS in the URL: sslmode=verify-full",
	})
}

func isLoopback(ip string) bool { return net.ParseIP(ip).IsLoopback() }

// untrusted explains a handshake that failed.
func (v *visit) untrusted(h handshake, details []Detail) finding {
	server := v.reached[0].server
	err := v.steps.Refused(h.err, server.Host, v.user(), v.database())
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.Is(h.err, errNoTLS):
		return fail(err, "the server offers no TLS", advice{
			meaning: "Lakebase always does: this is another server, or something in between answers in its place; no token was sent",
			action:  v.elsewhere("check what listens at " + v.reached[0].String()), command: v.unsetHost(),
		}, details...)
	case errors.As(h.err, &authority):
		return fail(err, "the server's certificate is from an authority that is not trusted here", v.unknownAuthority(h), details...)
	case errors.As(h.err, &host):
		return fail(err, "the server's certificate is for another name", advice{
			meaning: fmt.Sprintf("it is for %s, and %s was asked for", strings.Join(certificateNames(h.chain[0]), ", "), server.Host),
			action:  v.elsewhere("connect by a name that is in the certificate"), command: v.unsetHost(),
		}, details...)
	case errors.As(h.err, &invalid) && invalid.Reason == x509.Expired:
		return fail(err, "the server's certificate is not valid now", v.notValidNow(h), details...)
	case isTimeout(h.err):
		return fail(err, "the server took the connection and says nothing", advice{
			meaning: "something accepts connections at " + v.reached[0].String() + " and carries nothing: a firewall, a load balancer or an endpoint that hangs",
			action:  "try again; if it stays so, look for what stands between here and the server", command: v.again(),
		}, details...)
	case errors.Is(err, lakebase.KindUnavailable):
		return fail(err, "the connection was cut before the handshake was done", advice{
			meaning: "something accepts connections at " + v.reached[0].String() + " and cuts them: a firewall that looks into TLS, or a server that is going down",
			action:  "try again; if it stays so, look for what stands between here and the server", command: v.again(),
		}, details...)
	}
	return fail(err, "the handshake failed", advice{meaning: "no token was sent"}, details...)
}

// elsewhere is the action where a configured host may be at fault.
func (v *visit) elsewhere(otherwise string) string {
	if v.overridesHost() {
		return "let the workspace name the host"
	}
	return otherwise
}

func (v *visit) unknownAuthority(h handshake) advice {
	issuer := "somebody"
	if len(h.chain) > 0 {
		issuer = nameOf(h.chain[len(h.chain)-1].Issuer.String())
	}
	a := advice{
		meaning: fmt.Sprintf("it was issued by %s; no token was sent", issuer),
		action:  "if that authority is yours, name a file with its certificate; if it is not, something intercepts TLS",
		command: "export PGSSLROOTCERT=/path/to/ca.pem",
	}
	if strings.Contains(issuer, "Local Lakebase") {
		a.action = "this is a local Lakebase: take its variables anew"
		a.command = `eval "$(lakebase local env)"`
	} else if variable := v.variable("sslrootcert"); variable != "" {
		a.action = "the service's certificates are from a public authority: trust the system's roots, not the file in " + variable
		a.command = "unset " + variable
	}
	return a
}

// notValidNow tells a certificate that is over from a clock that is wrong.
func (v *visit) notValidNow(h handshake) advice {
	leaf := h.chain[0]
	for _, c := range h.chain {
		if now := time.Now(); now.After(c.NotAfter) || now.Before(c.NotBefore) {
			leaf = c
			break
		}
	}
	a := advice{
		meaning: fmt.Sprintf("it is valid from %s to %s, and this machine's clock says %s",
			leaf.NotBefore.Format(time.DateTime), leaf.NotAfter.Format(time.DateTime), time.Now().UTC().Format(time.DateTime)),
		action: "have whoever runs the server replace the certificate",
	}
	if skew, wrong := v.skewed(); wrong {
		a.meaning += fmt.Sprintf(", %s off the workspace's", rounded(skew.Abs()))
		a.action, a.command = setClock(), setClockCommand()
	}
	return a
}
