package pki

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func newAuthority(t testing.TB, dir string) *Authority {
	t.Helper()
	a, err := LoadAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func rootPool(t testing.TB, a *Authority) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(a.RootFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		t.Fatal("no certificate in root.crt")
	}
	return pool
}

func TestAuthoritySurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAuthority(t, dir)
	for name, want := range map[string]os.FileMode{"root.crt": 0o644, "root.key": 0o600} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", name, fi.Mode(), err, want)
		}
	}
	if a.RootFile() != filepath.Join(dir, "root.crt") {
		t.Error(a.RootFile())
	}
	crt, _ := os.ReadFile(a.RootFile())
	if bytes.Contains(crt, []byte("PRIVATE")) {
		t.Error("the key is in root.crt")
	}
	if years := a.root.NotAfter.Sub(time.Now()).Hours() / 24 / 365; years < 9.9 || years > 10.1 {
		t.Errorf("root is valid for %.1f years", years)
	}

	// A later start uses the same root, and restores root.crt.
	os.Remove(a.RootFile())
	again := newAuthority(t, dir)
	if b, err := os.ReadFile(again.RootFile()); err != nil || !bytes.Equal(b, crt) {
		t.Errorf("root.crt changed, %v", err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 2 {
		t.Errorf("%d files left, want 2", len(entries))
	}
}

func TestConcurrentLoadsShareARoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots := make([]*Authority, 8)
	var wg sync.WaitGroup
	for i := range roots {
		wg.Go(func() { roots[i], _ = LoadAuthority(dir) })
	}
	wg.Wait()
	pool := rootPool(t, newAuthority(t, dir))
	for i, a := range roots {
		if a == nil {
			t.Fatalf("authority %d was not loaded", i)
		}
		c, err := a.Certificate("db.example")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "db.example"}); err != nil {
			t.Errorf("authority %d has a root of its own: %v", i, err)
		}
	}
}

func TestDamagedAuthorityIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "root.key")
	os.WriteFile(file, []byte("nonsense"), 0o600)
	if _, err := LoadAuthority(dir); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("got %v, want an error that names the file and the way out", err)
	}
}

// leafNames are the kinds of names that clients use for the frontend.
var leafNames = []string{
	"localhost", "127.0.0.1", "127.5.6.7", "::1", "db.localhost",
	"instance-6b4f9b9e-2f6e-4d7f-8a54-0c2e5a1b3d4f.database.cloud.databricks.com", // longer than a common name can be
}

func TestLeafVerifies(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, t.TempDir())
	pool := rootPool(t, a)
	for _, name := range leafNames {
		c, err := a.Certificate(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := handshake(t, c, &tls.Config{RootCAs: pool, ServerName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := handshake(t, c, &tls.Config{RootCAs: pool, ServerName: "other.example"}); err == nil {
			t.Errorf("%s: its certificate passes for another name", name)
		}
		if again, _ := a.Certificate(name); again != c {
			t.Errorf("%s: not cached", name)
		}
	}
	if _, err := a.Certificate(""); err == nil {
		t.Error("a certificate for no name")
	}
}

func TestFaultyLeafIsRejected(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, t.TempDir())
	client := &tls.Config{RootCAs: rootPool(t, a), ServerName: "localhost"}
	check := func(mode string, want any) {
		c, err := a.Faulty(mode, "localhost")
		if err != nil {
			t.Fatal(err)
		}
		if err := handshake(t, c, client); !errors.As(err, want) {
			t.Errorf("%s: got %v, want %T", mode, err, want)
		}
	}
	check("wrong_name", &x509.HostnameError{})
	check("wrong_authority", &x509.UnknownAuthorityError{})
	var invalid x509.CertificateInvalidError
	check("expired", &invalid)
	if invalid.Reason != x509.Expired {
		t.Errorf("expired: reason %d", invalid.Reason)
	}
	if _, err := a.Faulty("plaintext", "localhost"); err == nil {
		t.Error("an unknown mode gave a certificate")
	}
}

// handshake returns the error of a client with config and a server with c.
func handshake(t *testing.T, c *tls.Certificate, config *tls.Config) error {
	t.Helper()
	conn, err := tls.Dial("tcp", serveTLS(t, c).String(), config)
	if err == nil {
		conn.Close()
	}
	return err
}

// serveTLS answers TLS connections with c and one line each.
func serveTLS(t *testing.T, c *tls.Certificate) net.Addr {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*c}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.WriteString(conn, "hello\n")
				bufio.NewReader(conn).ReadByte()
			}()
		}
	}()
	return l.Addr()
}

func TestLeafVerifiesInOpenSSL(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	a := newAuthority(t, t.TempDir())
	verify := func(c *tls.Certificate, name string) error {
		option := "-verify_hostname"
		if net.ParseIP(name) != nil {
			option = "-verify_ip"
		}
		cmd := exec.Command("openssl", "s_client", "-connect", serveTLS(t, c).String(), "-servername", "x.example",
			"-CAfile", a.RootFile(), "-x509_strict", "-verify_return_error", option, name)
		out, err := cmd.CombinedOutput()
		if err != nil && !strings.Contains(string(out), "verify error") {
			t.Fatalf("openssl failed for another reason: %s", out)
		}
		return err
	}
	for _, name := range leafNames {
		c, err := a.Certificate(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(c, name); err != nil {
			t.Errorf("%s: refused", name)
		}
	}
	for _, mode := range []string{"wrong_name", "wrong_authority", "expired"} {
		c, err := a.Faulty(mode, "localhost")
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(c, "localhost"); err == nil {
			t.Errorf("%s: accepted", mode)
		}
	}
}

func TestLeafVerifiesInNode(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed")
	}
	a := newAuthority(t, t.TempDir())
	const script = `
const [port, name, ca] = process.argv.slice(1);
const tls = require('tls'), net = require('net');
const socket = tls.connect({port, host: '127.0.0.1', ca: require('fs').readFileSync(ca),
  servername: net.isIP(name) ? '' : name,
  checkServerIdentity: (_, cert) => tls.checkServerIdentity(name, cert)});
socket.on('secureConnect', () => { console.log('verified'); socket.destroy(); });
socket.on('error', e => { console.log(e.code); process.exit(1); });`
	run := func(c *tls.Certificate, name string) string {
		_, port, _ := net.SplitHostPort(serveTLS(t, c).String())
		out, _ := exec.Command("node", "-e", script, port, name, a.RootFile()).CombinedOutput()
		return strings.TrimSpace(string(out))
	}
	for _, name := range leafNames {
		c, err := a.Certificate(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := run(c, name); got != "verified" {
			t.Errorf("%s: %s", name, got)
		}
	}
	c, err := a.Faulty("expired", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	if got := run(c, "localhost"); got != "CERT_HAS_EXPIRED" {
		t.Errorf("expired: %s", got)
	}
}
