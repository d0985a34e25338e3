package rawnet

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kind is a sort of connection that a Conn is made of.
type kind struct {
	name    string
	network string
	hidden  bool // behind a type that New knows nothing of
	tls     bool
}

var kinds = []kind{
	{name: "tcp", network: "tcp"},
	{name: "unix", network: "unix"},
	{name: "other", network: "tcp", hidden: true},
	{name: "tls", network: "tcp", tls: true},
	{name: "tls on unix", network: "unix", tls: true},
	{name: "tls on other", network: "tcp", hidden: true, tls: true},
}

// onEach runs a test for each kind of connection.
func onEach(t *testing.T, test func(*testing.T, kind)) {
	onThose(t, func(kind) bool { return true }, test)
}

// onTCP runs a test for each kind that knows a reset, as Unix sockets do not.
func onTCP(t *testing.T, test func(*testing.T, kind)) {
	onThose(t, func(k kind) bool { return k.network == "tcp" }, test)
}

func onThose(t *testing.T, wanted func(kind) bool, test func(*testing.T, kind)) {
	for _, k := range kinds {
		if !wanted(k) {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
}

// end is one end of a connection: what programs use, and the Conn that it is or
// runs on.
type end struct {
	net.Conn
	raw *Conn
}

// readBuffer waits without a buffer, whatever e is.
func (e *end) readBuffer() (*Buffer, int, error) {
	if e.Conn != net.Conn(e.raw) {
		return e.raw.ReadBufferThrough(e.Conn, nil)
	}
	return e.raw.ReadBuffer(nil)
}

func (e *end) closeWrite() error { return e.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// pair connects two ends, which close with the test. Everything fails after a
// while rather than hang.
func pair(t testing.TB, k kind) (a, b *end) {
	t.Helper()
	one, other := dialed(t, k.network)
	if k.hidden {
		one, other = hidden{one.(half)}, hidden{other.(half)}
	}
	a, b = &end{raw: New(one)}, &end{raw: New(other)}
	a.Conn, b.Conn = a.raw, b.raw
	if k.tls {
		encrypt(t, a, b)
	}
	for _, e := range []*end{a, b} {
		e.SetDeadline(time.Now().Add(30 * time.Second))
		t.Cleanup(func() { e.raw.Close() })
	}
	return a, b
}

// half can be closed by half.
type half interface {
	net.Conn
	CloseWrite() error
}

type hidden struct{ half }

// dialed is two ends of a socket, as the net package makes them.
func dialed(t testing.TB, network string) (one, other net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type accepted struct {
		net.Conn
		error
	}
	got := make(chan accepted, 1)
	go func() {
		conn, err := l.Accept()
		got <- accepted{conn, err}
	}()
	one, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in := <-got
	if in.error != nil {
		t.Fatal(in.error)
	}
	return one, in.Conn
}

func encrypt(t testing.TB, a, b *end) {
	t.Helper()
	certificate, roots := selfSigned(t)
	client := tls.Client(a.raw, &tls.Config{ServerName: "localhost", RootCAs: roots})
	server := tls.Server(b.raw, &tls.Config{Certificates: []tls.Certificate{certificate}, SessionTicketsDisabled: true})
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	a.Conn, b.Conn = client, server
}

func selfSigned(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// content is n bytes of which no two stretches are alike.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16*7)
	}
	return b
}

// reading reads n bytes in a goroutine of its own.
func reading(e *end, n int) <-chan []byte {
	got := make(chan []byte, 1)
	go func() {
		b := make([]byte, n)
		n, _ := io.ReadFull(e, b) // what is missing is seen by who compares
		got <- b[:n]
	}()
	return got
}

func wantSame(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want %d, or other ones", len(got), len(want))
	}
}

// result is what a call of which a test waits for the end came to.
type result struct {
	n   int
	err error
}

// calls are the ways to read from an end.
var calls = map[string]func(*end) (int, error){
	"Read": func(e *end) (int, error) { return e.Read(make([]byte, 100)) },
	"ReadBuffer": func(e *end) (int, error) {
		b, n, err := e.readBuffer()
		if b != nil {
			b.Release()
		}
		return n, err
	},
}

// waiting calls read and returns once it waits, so far as that can be told.
func waiting(t *testing.T, e *end, read func(*end) (int, error)) <-chan result {
	t.Helper()
	done := make(chan result, 1)
	go func() {
		n, err := read(e)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		t.Fatalf("did not wait: %d, %v", r.n, r.err)
	case <-time.After(20 * time.Millisecond): // what is asserted holds without this too
	}
	return done
}
