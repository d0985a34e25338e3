package lakebase

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/lakebase-go/lakebase/internal/pgurl"
)

// trust decides which servers a token is sent to.
type trust struct {
	mode  string
	roots *x509.CertPool // nil: the system's
	cache tls.ClientSessionCache
}

// sessionCacheSize is how many servers' TLS sessions are kept for resumption,
// which spares a reconnect the certificate exchange. Each entry is a few KiB.
const sessionCacheSize = 16

// newTrust reads rootCert, if there is one. mode must be valid.
func newTrust(mode, rootCert string) (*trust, error) {
	t := &trust{mode: mode, cache: tls.NewLRUClientSessionCache(sessionCacheSize)}
	if rootCert == "" || rootCert == "system" {
		return t, nil
	}
	pem, err := os.ReadFile(rootCert)
	if err != nil {
		return nil, &Error{
			Kind: KindBadConfig, Resource: "PGSSLROOTCERT", Message: "cannot be read", Err: err,
			Hint: "name a readable PEM file, or unset it to trust the system's roots",
		}
	}
	t.roots = x509.NewCertPool()
	if !t.roots.AppendCertsFromPEM(pem) {
		return nil, &Error{
			Kind: KindBadConfig, Resource: "PGSSLROOTCERT", Message: fmt.Sprintf("%s holds no PEM certificate", rootCert),
			Hint: "name a file of PEM certificates, or unset it to trust the system's roots",
		}
	}
	return t, nil
}

// config returns the TLS configuration for host, to be shared by all its
// connections and not modified.
func (t *trust) config(host string) *tls.Config {
	cfg := &tls.Config{
		ServerName:         host,
		RootCAs:            t.roots,
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: t.cache,
	}
	switch t.mode {
	case pgurl.InsecureSkipVerify: // the one mode that sends a token to an unverified server
		cfg.InsecureSkipVerify = true
	case "verify-ca":
		// crypto/tls verifies chain and name together or not at all, so the
		// chain alone is verified here.
		cfg.InsecureSkipVerify = true
		cfg.VerifyConnection = t.verifyChain
	}
	return cfg
}

func (t *trust) verifyChain(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server sent no certificate")
	}
	opts := x509.VerifyOptions{Roots: t.roots, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(opts)
	return err
}
