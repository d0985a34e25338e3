package proxy_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
	"github.com/lakebase-go/lakebase/proxy"
)

// certificate returns a server's TLS configuration and who trusts it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func users(t *testing.T, passwords map[string]string) *proxy.Users {
	t.Helper()
	u, err := proxy.NewUsers(passwords)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func connectTLS(t *testing.T, r *rig, roots *x509.CertPool, negotiation string) (*pgx.Conn, error) {
	t.Helper()
	cfg, err := pgx.ParseConfig(strings.Replace(r.url("shop", ""), "disable", "require", 1) + "&sslnegotiation=" + negotiation)
	if err != nil {
		t.Fatal(err)
	}
	cfg.TLSConfig.RootCAs, cfg.TLSConfig.ServerName, cfg.TLSConfig.InsecureSkipVerify = roots, "127.0.0.1", false
	cfg.TLSConfig.VerifyPeerCertificate = nil
	return pgx.ConnectConfig(t.Context(), cfg)
}

func TestClientsCanUseTLS(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		server, roots := certificate(t)
		r := start(t, proxy.Config{PoolMode: mode, ClientTLS: server})
		for _, negotiation := range []string{"postgres", "direct"} {
			conn, err := connectTLS(t, r, roots, negotiation)
			if err != nil {
				t.Fatal(negotiation, err)
			}
			if len(one[string](t, conn, "SELECT repeat('x', 1000000)")) != 1000000 {
				t.Error(negotiation)
			}
			failed := make(chan error, 1)
			pid := one[int](t, conn, "SELECT pg_backend_pid()")
			go func() {
				_, err := conn.Exec(context.Background(), "SELECT pg_sleep(60)")
				failed <- err
			}()
			waitActive(t, r.connect(), pid)
			if err := conn.PgConn().CancelRequest(t.Context()); err != nil { // inside TLS too
				t.Fatal(err)
			}
			wantCode(t, <-failed, "57014", "")
			conn.Close(t.Context())
		}
		if _, err := connectTLS(t, start(t, proxy.Config{PoolMode: mode}), roots, "direct"); err == nil {
			t.Error("direct TLS without a certificate")
		}
	})
}

// Data sent in the clear before the handshake must not be taken for data inside
// TLS.
func TestBytesBeforeTheHandshakeAreRejected(t *testing.T) {
	t.Parallel()
	server, _ := certificate(t)
	r := start(t, proxy.Config{ClientTLS: server})
	raw := r.dial()
	startup, err := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "x", "database": "shop"}}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	raw.Write(append(sslRequest(), startup...))
	rest, _ := io.ReadAll(raw)
	if len(rest) == 0 || rest[0] != 'S' || bytes.Contains(rest, []byte{'R', 0, 0, 0, 8}) {
		t.Errorf("answered %q", rest)
	}
	if r.Stats().Sessions != 0 {
		t.Error("a session began")
	}
}

func sslRequest() []byte { return request(80877103, "") }

// request is a packet before login.
func request(code uint32, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(b, code), body...)
}

func TestMalformedStartupIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{})
	for name, c := range map[string]struct {
		send []byte
		code string
	}{
		"no terminator": {request(0x30000, "user\x00me\x00"), "08P01"},
		"protocol 2":    {request(0x20000, "user\x00me\x00\x00"), "0A000"},
		"no user":       {request(0x30000, "database\x00shop\x00\x00"), "28000"},
		"GSSENC twice":  {append(request(80877104, ""), request(80877104, "")...), "08P01"},
		"SSL twice":     {append(sslRequest(), sslRequest()...), "08P01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := r.dial()
			raw.Write(c.send)
			reply, err := io.ReadAll(raw)
			if err != nil {
				t.Fatal(err)
			}
			reply = bytes.TrimLeft(reply, "N") // the answers to requests for encryption
			m, err := pgproto3.NewFrontend(bytes.NewReader(reply), nil).Receive()
			if e, ok := m.(*pgproto3.ErrorResponse); err != nil || !ok || e.Code != c.code || e.Severity != "FATAL" {
				t.Errorf("answered %q, %v", reply, err)
			}
		})
	}
}

func TestSlowLoginIsEnded(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{ClientLoginTimeout: 200 * time.Millisecond})
	raw := r.dial()
	raw.Write([]byte{0, 0, 0})
	reply, err := io.ReadAll(raw)
	if err != nil || !bytes.Contains(reply, []byte("08006")) {
		t.Errorf("answered %q, %v", reply, err)
	}
	if n := strings.Count(r.log.String(), "client refused"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

func TestGSSThenNoTLSThenStartup(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{})
	raw := r.dial()
	raw.Write(request(80877104, ""))
	raw.Write(sslRequest())
	var answers [2]byte
	if _, err := io.ReadFull(raw, answers[:]); err != nil || string(answers[:]) != "NN" {
		t.Fatalf("%q, %v", answers, err)
	}
	login(t, pgproto3.NewFrontend(raw, raw), map[string]string{"user": "me", "database": "shop"})
}

func TestProtocolIsNegotiated(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{})
	raw := r.dial()
	raw.Write(request(3<<16|9999, "user\x00me\x00database\x00shop\x00_pq_.grease\x001\x00\x00"))
	front := pgproto3.NewFrontend(raw, raw)
	m, err := front.Receive()
	n, ok := m.(*pgproto3.NegotiateProtocolVersion)
	if err != nil || !ok || n.NewestMinorProtocol != 3<<16|2 || len(n.UnrecognizedOptions) != 1 {
		t.Fatalf("%#v, %v", m, err)
	}
	for {
		m, err := front.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if key, ok := m.(*pgproto3.BackendKeyData); ok {
			if len(key.SecretKey) != 32 || int32(key.ProcessID) <= 0 {
				t.Errorf("key of %d bytes, process %d", len(key.SecretKey), key.ProcessID)
			}
			return
		}
	}
}

func TestScram(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		// PostgreSQL's own verifier of "pencil", with the salt and keys of RFC 7677's example.
		const rfc = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
		file := filepath.Join(t.TempDir(), "users")
		if err := os.WriteFile(file, []byte("# who may\nann:s3cret:with colon\n\nrfc:"+rfc+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		u, err := proxy.ReadUsers(file)
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, proxy.Config{PoolMode: mode, Users: u})
		as := func(login string) string { return strings.Replace(r.url("shop", ""), "anyone", login, 1) }
		for _, good := range []string{"ann:s3cret%3Awith%20colon", "rfc:pencil"} {
			if got := one[string](t, connect(t, as(good)), "SELECT current_user"); got != "dev@example.com" {
				t.Error(got)
			}
		}
		if out := runPsql(t, "-d", as("rfc:pencil"), "-c", "SELECT 3"); out != "3\n" {
			t.Error(out)
		}
		for _, bad := range []string{"ann:wrong", "nobody:s3cret", "rfc:" + strings.ReplaceAll(rfc, "=", "%3D")} {
			refused(t, as(bad), "28P01", "password authentication failed for user")
		}
		if n := r.Stats(); n.ServerConns["shop"] > 3 || n.Failed != 3 {
			t.Errorf("%+v", n)
		}
		if s := r.log.String(); strings.Contains(s, "s3cret") || strings.Contains(s, "pencil") {
			t.Error("a password is in the log")
		}
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := proxy.ReadUsers(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Error(err)
		}
	})
}

func TestScramAbuse(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{Users: users(t, map[string]string{"me": "secret"})})
	sasl := func(data string) []byte {
		m, err := (&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte(data)}).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for name, send := range map[string][]byte{
		"another mechanism": []byte("p\x00\x00\x00\x0dPLAIN\x00\x00\x00\x00"),
		"a query":           []byte("Q\x00\x00\x00\x0dSELECT 1\x00"),
		"a huge message":    []byte("p\x7f\xff\xff\xff"),
		"channel binding":   sasl("p=tls-unique,,n=,r=abcdefghijkl"),
		"no nonce":          sasl("n,,n="),
		"empty":             sasl(""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := r.dial()
			raw.Write(request(0x30000, "user\x00me\x00database\x00shop\x00\x00"))
			raw.Write(send)
			reply, err := io.ReadAll(raw)
			if err != nil || !bytes.Contains(reply, []byte("C08P01\x00")) {
				t.Errorf("answered %q, %v", reply, err)
			}
		})
	}
}

func TestLimitsOfClientsAndServerConnections(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode, MaxClientConn: 2, MaxTargetConnections: 1, QueryWaitTimeout: 300 * time.Millisecond})
	conn := r.connect()
	if e := refused(t, r.url("shop", ""), "53300", `no server connection to "shop" became free`); !strings.Contains(e.Detail, "All 1 server") || !strings.Contains(e.Hint, "max_target_connections") {
		t.Errorf("detail %q, hint %q", e.Detail, e.Hint)
	}
	raw := r.dial() // occupies nothing before it asks to log in
	defer raw.Close()
	conn.Close(t.Context())
	testkit.Eventually(t, "the place is free", func() bool { return r.Stats().ServerConns["shop"] == 0 })
	r.connect()

	r = start(t, proxy.Config{MaxClientConn: 1})
	r.connect()
	refused(t, r.url("shop", ""), "53300", "1 clients")
}

func TestUpstreamFailuresReachTheClient(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		stopped := newInstance(t)
		if err := upstreamServer.StopTarget(t.Context(), stopped); err != nil {
			t.Fatal(err)
		}
		r := start(t, proxy.Config{PoolMode: mode, ServerConnectTimeout: 30 * time.Second, Targets: map[string]*lakebase.Connector{
			"stopped": newConnector(t, stopped), "missing": newConnector(t, "no-such-instance")}})
		refused(t, r.url("stopped", ""), "57P03", "")
		if e := refused(t, r.url("missing", ""), "3D000", "no-such-instance"); e.Hint == "" {
			t.Error("no hint")
		}
	})
}

// A client that waits for a database to wake up gets a notice.
func TestNoticeWhileWaking(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		server, err := local.Start(t.Context(), local.Options{Projects: []string{"sleeper"}, WakeDelay: 6 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		const endpoint = "projects/sleeper/branches/production/endpoints/primary"
		if err := server.Suspend(t.Context(), endpoint); err != nil {
			t.Fatal(err)
		}
		connector := connectorTo(t, server, endpoint)
		r := start(t, proxy.Config{PoolMode: mode, Targets: map[string]*lakebase.Connector{"sleeper": connector}})
		out := runPsql(t, "-d", r.url("sleeper", ""), "-c", "SELECT 5")
		if !strings.Contains(out, "NOTICE:  waiting for the database of sleeper") || !strings.HasSuffix(out, "5\n") {
			t.Errorf("psql printed %q", out)
		}
	})
}

func TestNewRefusesInvalidConfigurations(t *testing.T) {
	t.Parallel()
	targets := map[string]*lakebase.Connector{"a": newConnector(t, "my-instance")}
	server, _ := certificate(t)
	login := users(t, map[string]string{"a": "b"})
	for name, c := range map[string]struct {
		cfg  proxy.Config
		text string
	}{
		"no target":          {proxy.Config{}, "no target"},
		"another mode":       {proxy.Config{Targets: targets, PoolMode: "statement"}, `pool_mode: "statement": want session or transaction`},
		"all addresses":      {proxy.Config{Targets: targets, Listen: "0.0.0.0:0"}, "not a loopback address"},
		"no host":            {proxy.Config{Targets: targets, Listen: ":0"}, "not a loopback address"},
		"without TLS":        {proxy.Config{Targets: targets, Listen: "192.0.2.1:0", Users: login}, "not a loopback address"},
		"without login":      {proxy.Config{Targets: targets, Listen: "192.0.2.1:0", ClientTLS: server}, "not a loopback address"},
		"no port":            {proxy.Config{Targets: targets, Listen: "localhost"}, `want host:port`},
		"a large port":       {proxy.Config{Targets: targets, Listen: "localhost:65536"}, `want host:port`},
		"nowhere":            {proxy.Config{Targets: targets, Listen: "none"}, "nothing to listen on"},
		"an unknown default": {proxy.Config{Targets: targets, DefaultTarget: "b"}, `unknown target "b"`},
		"a negative limit":   {proxy.Config{Targets: targets, MaxClientConn: -1}, "want a whole number"},
	} {
		if _, err := proxy.New(c.cfg); err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := proxy.New(proxy.Config{Targets: targets, Listen: "0.0.0.0:0", Users: login, ClientTLS: server}); err != nil {
		t.Error(err)
	}
}

func TestOtherAddressesNeedTLS(t *testing.T) {
	t.Parallel()
	server, roots := certificate(t)
	r := start(t, proxy.Config{Listen: "0.0.0.0:0", ClientTLS: server, Users: users(t, map[string]string{"anyone": "pw"})})
	_, port, _ := net.SplitHostPort(r.Addr().String())
	url := "postgres://anyone:pw@127.0.0.1:" + port + "/shop?sslmode="
	refused(t, url+"disable", "28000", "without TLS")
	cfg, err := pgx.ParseConfig(url + "require")
	if err != nil {
		t.Fatal(err)
	}
	cfg.TLSConfig = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		s, err := proxy.New(proxy.Config{PoolMode: mode, Targets: map[string]*lakebase.Connector{"a": newConnector(t, "my-instance")}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Listen(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx) }()
		conn := connect(t, "postgres://me@"+s.Addr().String()+"/a?sslmode=disable")
		exec(t, conn, "BEGIN")
		cancel()
		if err := <-served; !errors.Is(err, proxy.ErrServerClosed) {
			t.Error(err)
		}
		_, err = conn.Exec(context.Background(), "SELECT 1")
		if err == nil {
			t.Error("the session lives on")
		}
		if err := s.Listen(); !errors.Is(err, proxy.ErrServerClosed) {
			t.Error(err)
		}
	})
}
