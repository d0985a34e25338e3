package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
)

// soon is how long before its end a certificate causes a warning. The
// service's are replaced weeks before.
const soon = 7 * 24 * time.Hour

// checkTLS makes the handshake of a login, and closes the connection before
// anything is sent over it.
func checkTLS(ctx context.Context, v *visit) finding {
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
	case !h.offered:
		return withoutTLS(a, found(details, "the server offers no TLS, and sslmode does not require it"))
	}
	leaf := h.chain[0]
	f := found(details, "%s, verified for %s until %s", tls.VersionName(h.state.Version), a.server.Host, leaf.NotAfter.Format(time.DateOnly))
	if config := a.server.TLS; config.InsecureSkipVerify && config.VerifyConnection == nil && config.VerifyPeerCertificate == nil {
		f.summary = tls.VersionName(h.state.Version) + ", not verified"
		if !a.isLoopback() {
			f = f.warn("the connection is encrypted, but the server is not verified", advice{
				meaning: "a server in between could pose as this one and read the password",
				action:  "ask for verification in the URL: sslmode=verify-full",
			})
		}
	}
	if left := time.Until(leaf.NotAfter); left < soon {
		f = f.warn(fmt.Sprintf("the server's certificate ends in %s", rounded(left)), advice{
			meaning: "logins fail from then on, if it is not replaced",
			action:  "have the administrator of the server, or of the TLS proxy before it, replace the certificate",
		})
	}
	return f
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
func withoutTLS(a address, f finding) finding {
	if a.isLoopback() {
		return f
	}
	return f.warn("the connection is not encrypted", advice{
		meaning: "every machine between here and the server can read the password and the data",
		action:  "ask for TLS in the URL: sslmode=verify-full",
	})
}

// explainHandshake explains a handshake that failed.
func (v *visit) explainHandshake(h handshake, details []Detail) finding {
	server, at := v.reached[0].server, v.reached[0].String()
	err := v.refused(h.err, server.Host)
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	retry := advice{action: "try again; if it stays so, look for what stands between here and the server", command: v.again()}
	switch {
	case errors.Is(h.err, errNoTLS):
		return fail(err, "the server offers no TLS", advice{
			meaning: "Lakebase always does: this is another server, or something in between answers in its place; no token was sent",
			action:  v.orLetWorkspaceNameHost("check what listens at " + at), command: v.unsetHost(),
		}, details...)
	case errors.As(h.err, &authority):
		return fail(err, "the server's certificate is from an authority that is not trusted here", v.explainAuthority(h), details...)
	case errors.As(h.err, &host):
		return fail(err, "the server's certificate is for another name", advice{
			meaning: fmt.Sprintf("it is for %s, and %s was asked for", certificateNames(h.chain[0]), server.Host),
			action:  v.orLetWorkspaceNameHost("connect by a name that is in the certificate"), command: v.unsetHost(),
		}, details...)
	case errors.As(h.err, &invalid) && invalid.Reason == x509.Expired:
		return fail(err, "the server's certificate is not valid now", v.explainDates(h.invalidNow()), details...)
	case isTimeout(h.err):
		retry.meaning = "something accepts connections at " + at + " and forwards nothing: a firewall, a load balancer or an endpoint that hangs"
		return fail(err, "the server accepted the connection and sent nothing", retry, details...)
	case errors.Is(err, lakebase.KindUnavailable):
		retry.meaning = "something accepts connections at " + at + " and cuts them: a firewall that inspects TLS, or a server that is stopping"
		return fail(err, "the connection was cut before the handshake was done", retry, details...)
	}
	return fail(err, "the handshake failed", advice{meaning: "no token was sent"}, details...)
}

func (v *visit) explainAuthority(h handshake) advice {
	issuer := h.issuer()
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

// explainDates distinguishes a certificate that has expired from a clock that
// is wrong.
func (v *visit) explainDates(c *x509.Certificate) advice {
	meaning := fmt.Sprintf("it is valid from %s to %s, and this machine's clock says %s",
		c.NotBefore.Format(time.DateTime), c.NotAfter.Format(time.DateTime), time.Now().UTC().Format(time.DateTime))
	if skew, wrong := v.skew(); wrong {
		return setClock(fmt.Sprintf("%s, %s off the workspace's", meaning, rounded(skew.Abs())))
	}
	return advice{meaning: meaning, action: "have the server's administrator replace the certificate"}
}
