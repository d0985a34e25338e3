package local

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
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	rootLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime = 90 * 24 * time.Hour
	leafMargin   = 24 * time.Hour // a leaf this near its end is replaced
	maxLeaves    = 1000           // cached; the names come from clients
)

// authority is the private certificate authority that signs the front's
// certificates. Safe for concurrent use.
type authority struct {
	file string
	root *x509.Certificate
	key  *ecdsa.PrivateKey // the root's

	leafKey *ecdsa.PrivateKey // of every leaf
	foreign func() (*authority, error)

	mu     sync.Mutex
	leaves map[string]*tls.Certificate // by name
}

// loadAuthority reads the authority in dir, or makes one there: root.crt
// (0644) and root.key (0600).
func loadAuthority(dir string) (*authority, error) {
	// root.key holds the certificate too, so that one atomic step makes a
	// pair that fits, however many processes race for it.
	keyFile, crtFile := filepath.Join(dir, "root.key"), filepath.Join(dir, "root.crt")
	b, err := os.ReadFile(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createRoot(keyFile); err != nil {
			return nil, err
		}
		b, err = os.ReadFile(keyFile)
	}
	if err != nil {
		return nil, err
	}
	a, err := parseRoot(b)
	if err != nil {
		return nil, fmt.Errorf("%s is no certificate authority (%w): remove it to have a new one made", keyFile, err)
	}
	crt := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
	if old, err := os.ReadFile(crtFile); err != nil || !bytes.Equal(old, crt) {
		if err := publish(crtFile, crt, 0o644, os.Rename); err != nil {
			return nil, err
		}
	}
	a.file = crtFile
	return a, nil
}

// createRoot writes a new root to keyFile, unless another process was faster.
func createRoot(keyFile string) error {
	b, err := newRoot()
	if err != nil {
		return err
	}
	err = publish(keyFile, b, 0o600, os.Link)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// publish makes file appear all at once: written under another name, then
// renamed or, where an existing file must stay, linked.
func publish(file string, b []byte, mode fs.FileMode, move func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err != nil {
		return err
	}
	return move(f.Name(), file)
}

// newRoot returns a new root's key and certificate as PEM.
func newRoot() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serialNumber(),
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
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: crt})...), nil
}

func parseRoot(b []byte) (*authority, error) {
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
	return &authority{
		root:    pair.Leaf,
		key:     key,
		leafKey: leafKey,
		foreign: sync.OnceValues(foreignAuthority),
		leaves:  map[string]*tls.Certificate{},
	}, nil
}

// foreignAuthority looks like ours, but nobody trusts it.
func foreignAuthority() (*authority, error) {
	b, err := newRoot()
	if err != nil {
		return nil, err
	}
	return parseRoot(b)
}

// rootFile is the PEM file that clients trust.
func (a *authority) rootFile() string { return a.file }

// certificate returns a leaf for name, a host name or IP address, made on
// first use and cached.
func (a *authority) certificate(name string) (*tls.Certificate, error) {
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

// faulty returns a leaf that must not be trusted: see TLSFault.Mode.
func (a *authority) faulty(mode, name string) (*tls.Certificate, error) {
	now := time.Now()
	switch mode {
	case "wrong_name":
		return a.certificate("wrong-name.invalid")
	case "wrong_authority":
		other, err := a.foreign()
		if err != nil {
			return nil, err
		}
		return other.certificate(name)
	case "expired":
		return a.sign(name, now.Add(-leafLifetime), now.Add(-time.Hour))
	}
	return nil, fmt.Errorf("unknown TLS fault %q: want wrong_name, wrong_authority or expired", mode)
}

// sign makes a leaf for name.
func (a *authority) sign(name string, from, to time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: serialNumber(),
		Subject:      pkix.Name{Organization: []string{"Local Lakebase"}},
		NotBefore:    from,
		NotAfter:     to,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(name) <= 64 { // the limit of a common name, which libpq before 15 wants for addresses
		template.Subject.CommonName = name
	}
	switch ip := net.ParseIP(name); {
	case ip != nil:
		template.IPAddresses = []net.IP{ip}
		if ip.IsLoopback() {
			// node-postgres has Node check a server that it reaches by address
			// against "localhost"; and once there is a DNS name, libpq before
			// 15 looks for the address among those too.
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

func serialNumber() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return n.Add(n, big.NewInt(1))
}
