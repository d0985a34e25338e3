// Package pki has the keys of a local Lakebase: the certificate authority
// behind its TLS certificates, and the key that signs its tokens.
package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/atomicfile"
)

const (
	rootLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime = 90 * 24 * time.Hour
	leafMargin   = 24 * time.Hour // a leaf that expires within this is replaced
	maxLeaves    = 1000           // limit of the cache; clients choose the names
)

// Authority is a private certificate authority. It is safe for concurrent use.
type Authority struct {
	file string
	root *x509.Certificate
	key  *ecdsa.PrivateKey // of the root

	leafKey *ecdsa.PrivateKey // shared by all leaves

	mu     sync.Mutex
	leaves map[string]*tls.Certificate // by name
}

// LoadAuthority reads the authority in dir, or creates it there: root.crt
// (mode 0644) and root.key (mode 0600).
func LoadAuthority(dir string) (*Authority, error) {
	// root.key contains the certificate too, so that one atomic step creates a
	// matching pair, however many processes race for it.
	keyFile, crtFile := filepath.Join(dir, "root.key"), filepath.Join(dir, "root.crt")
	b, err := readOrCreate(keyFile, newRoot)
	if err != nil {
		return nil, err
	}
	a, err := parseRoot(b)
	if err != nil {
		return nil, fmt.Errorf("%s is not a certificate authority (%w): remove it to get a new one", keyFile, err)
	}
	crt := certificatePEM(a.root.Raw)
	if old, err := os.ReadFile(crtFile); err != nil || !bytes.Equal(old, crt) {
		if err := atomicfile.Replace(crtFile, crt, 0o644); err != nil {
			return nil, err
		}
	}
	a.file = crtFile
	return a, nil
}

// newRoot returns key and certificate of a new root as PEM.
func newRoot() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Local Lakebase root", Organization: []string{"Local Lakebase"}},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(rootLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	crt, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	b, err := privateKeyPEM(key)
	if err != nil {
		return nil, err
	}
	return append(b, certificatePEM(crt)...), nil
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func parseRoot(b []byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(b, b)
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	switch {
	case !ok || !pair.Leaf.IsCA:
		return nil, errors.New("not an ECDSA root")
	case time.Now().After(pair.Leaf.NotAfter):
		return nil, fmt.Errorf("expired on %s", pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &Authority{
		root:    pair.Leaf,
		key:     key,
		leafKey: leafKey,
		leaves:  map[string]*tls.Certificate{},
	}, nil
}

// foreign has the same subject as every authority here, and a root that no
// client trusts.
var foreign = sync.OnceValues(func() (*Authority, error) {
	b, err := newRoot()
	if err != nil {
		return nil, err
	}
	return parseRoot(b)
})

// RootFile is the PEM file with the root certificate, for clients to trust.
func (a *Authority) RootFile() string { return a.file }

// Roots returns a new pool with the root certificate.
func (a *Authority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	return pool
}

// Certificate returns a leaf for name, a host name or IP address. Leaves are
// created on first use and cached.
func (a *Authority) Certificate(name string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.leaves[name]; c != nil && time.Until(c.Leaf.NotAfter) > leafMargin {
		return c, nil
	}
	now := time.Now()
	c, err := a.sign(name, now.Add(-time.Hour), now.Add(leafLifetime))
	if err != nil {
		return nil, err
	}
	if len(a.leaves) >= maxLeaves {
		clear(a.leaves)
	}
	a.leaves[name] = c
	return c, nil
}

// Faulty returns a leaf for name that clients must reject. mode is
// "wrong_name", "wrong_authority" or "expired".
func (a *Authority) Faulty(mode, name string) (*tls.Certificate, error) {
	now := time.Now()
	switch mode {
	case "wrong_name":
		return a.Certificate("wrong-name.invalid")
	case "wrong_authority":
		other, err := foreign()
		if err != nil {
			return nil, err
		}
		return other.Certificate(name)
	case "expired":
		return a.sign(name, now.Add(-leafLifetime), now.Add(-time.Hour))
	}
	return nil, fmt.Errorf("unknown TLS fault %q: want wrong_name, wrong_authority or expired", mode)
}

// sign creates a leaf for name.
func (a *Authority) sign(name string, from, to time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"Local Lakebase"}},
		NotBefore:   from,
		NotAfter:    to,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(name) <= 64 { // the limit of a common name, in which libpq before 15 looks for addresses
		template.Subject.CommonName = name
	}
	switch ip := net.ParseIP(name); {
	case ip != nil:
		template.IPAddresses = []net.IP{ip}
		if ip.IsLoopback() {
			// node-postgres makes Node check a server that it reaches by address
			// against "localhost". With a DNS name present, libpq before 15
			// expects the address among the DNS names too.
			template.DNSNames = []string{name, "localhost"}
		}
	case name == "localhost":
		template.DNSNames = []string{name}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	case name != "":
		template.DNSNames = []string{name}
	default:
		return nil, errors.New("a certificate needs a host name or address")
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, a.leafKey.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("certificate for %q: %w", name, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.leafKey, Leaf: leaf}, nil
}
