package local

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"go.uber.org/goleak"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

const (
	oauthUser    = "me@example.com"
	nativeUser   = "app"
	nativeSecret = "native-secret"
)

// rig is a front before a real server, and a workspace that is only rules.
type rig struct {
	*front
	compute   *compute
	authority *authority
	addr      *net.TCPAddr

	mu      sync.Mutex
	faults  Faults
	target  route
	options string // that Route was asked with

	logins, natives, refused, passwordBytes atomic.Int64
}

func startRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{compute: startCompute(t), authority: newAuthority(t, t.TempDir())}
	r.target = route{endpoint: "ep-test", compute: r.compute, native: true}
	if err := createOAuthRole(testContext(t), r.compute, oauthUser, true); err != nil {
		t.Fatal(err)
	}
	asAdmin(t, r.compute, "CREATE ROLE "+nativeUser+" LOGIN PASSWORD '"+nativeSecret+"'")
	r.front = newFront(frontOptions{
		Certificate:  r.certificate,
		Route:        r.route,
		Authenticate: authenticate,
		Faults:       r.inForce,
		StrikeLogin: func() (string, bool) {
			kind := r.inForce().Login.Kind
			return kind, kind != ""
		},
		StrikeReset: func(point string) bool { return r.inForce().Network.ResetAt == point },
		OnLogin: func(_ *route, native bool, token string) {
			if native {
				r.natives.Add(1)
			} else if token != "" {
				r.logins.Add(1)
			}
		},
		OnPassword: func(n int) { r.passwordBytes.Add(int64(n)) },
		OnRefused:  func() { r.refused.Add(1) },
	})
	addr, err := r.listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = addr.(*net.TCPAddr)
	t.Cleanup(func() {
		if err := r.front.close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// renew takes back what an earlier test did.
func (r *rig) renew(t *testing.T) {
	t.Helper()
	r.setFaults(Faults{})
	r.target = route{endpoint: "ep-test", compute: r.compute, native: true}
	if err := r.compute.wake(testContext(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "earlier connections end", func() bool { return r.connections("") == 0 })
	for _, n := range []*atomic.Int64{&r.logins, &r.natives, &r.refused, &r.passwordBytes} {
		n.Store(0)
	}
}

func (r *rig) certificate(name string, local netip.AddrPort) (*tls.Certificate, error) {
	if name == "" {
		name = local.Addr().String()
	}
	if mode := r.inForce().TLS.Mode; mode != "" {
		return r.authority.faulty(mode, name)
	}
	return r.authority.certificate(name)
}

func (r *rig) route(_, _, _, options string, _ netip.AddrPort) (*route, *refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.options = options
	to := r.target
	return &to, nil
}

// authenticate takes "token of ROLE" for a token.
func authenticate(_ *route, user, password string) *refusal {
	if password == tokenOf(user) || len(password) > 60000 {
		return nil
	}
	return refusalFor("jwt", user)
}

func tokenOf(user string) string { return "token of " + user }

func (r *rig) inForce() Faults {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faults
}

func (r *rig) setFaults(f Faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = f
}

// url verifies fully, so nothing works by accident.
func (r *rig) url(extra string) string {
	return fmt.Sprintf("host=localhost port=%d dbname=%s sslmode=verify-full sslrootcert=%s %s", r.addr.Port, defaultDatabase, r.authority.rootFile(), extra)
}

func (r *rig) connect(t testing.TB, user, password, extra string) (*pgx.Conn, error) {
	t.Helper()
	config, err := pgx.ParseConfig(r.url(extra))
	if err != nil {
		t.Fatal(err)
	}
	config.User, config.Password = user, password
	conn, err := pgx.ConnectConfig(testContext(t), config)
	if err == nil {
		t.Cleanup(func() { conn.Close(context.Background()) })
	}
	return conn, err
}

// login connects as the OAuth user.
func (r *rig) login(t testing.TB, extra ...string) *pgx.Conn {
	t.Helper()
	conn, err := r.connect(t, oauthUser, tokenOf(oauthUser), strings.Join(extra, " "))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func value(t testing.TB, conn *pgx.Conn, sql string) string {
	t.Helper()
	v, err := oneValue(testContext(t), conn, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// TestFront runs one after the other what shares a front, because each may
// bend it to its needs.
func TestFront(t *testing.T) {
	t.Parallel()
	r := startRig(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *rig)
	}{
		{"Login", testFrontLogin},
		{"Refuses", testFrontRefuses},
		{"WithoutNativeLogin", testFrontWithoutNativeLogin},
		{"RefusedRoute", testFrontRefusedRoute},
		{"WakesCompute", testFrontWakesCompute},
		{"RoutingOption", testFrontRoutingOption},
		{"FaultyTLS", testFrontFaultyTLS},
		{"WithPsql", testFrontWithPsql},
		{"Opening", testFrontOpening},
		{"LoginFaults", testFrontLoginFaults},
		{"Resets", testFrontResets},
		{"Reset", testFrontReset},
		{"SlowNetwork", testFrontSlowNetwork},
		{"Blackhole", testFrontBlackhole},
		{"Copy", testFrontCopy},
		{"Pipeline", testFrontPipeline},
		{"Cancel", testFrontCancel},
		{"PsqlInterrupt", testFrontPsqlInterrupt},
		{"ReadOnly", testFrontReadOnly},
		{"ClientLeaves", testFrontClientLeaves},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.renew(t)
			c.test(t, r)
		})
	}
}

func testFrontLogin(t *testing.T, r *rig) {
	if got := value(t, r.login(t), "SELECT session_user || ' ' || current_database()"); got != oauthUser+" "+defaultDatabase {
		t.Errorf("logged in as %s", got)
	}
	conn, err := r.connect(t, nativeUser, nativeSecret, "")
	if err != nil || value(t, conn, "SELECT session_user") != nativeUser {
		t.Fatal(err)
	}
	if r.logins.Load() != 1 || r.natives.Load() != 1 || r.refused.Load() != 0 {
		t.Errorf("counted %d logins, %d native, %d refused", r.logins.Load(), r.natives.Load(), r.refused.Load())
	}
	if n := r.connections("ep-test"); n != 2 || r.connections("") != 2 || r.connections("ep-other") != 0 {
		t.Errorf("%d connections", n)
	}
	conn.Close(testContext(t))
	eventually(t, "a connection is forgotten", func() bool { return r.connections("") == 1 })

	// TLS as other clients begin it.
	for _, extra := range []string{"sslnegotiation=direct", "max_protocol_version=3.2", "target_session_attrs=read-write"} {
		if got := value(t, r.login(t, extra), "SELECT 1"); got != "1" {
			t.Errorf("%s: %q", extra, got)
		}
	}
	// A token as long as they come, and one too long.
	if _, err := r.connect(t, oauthUser, strings.Repeat("x", maxPassword), ""); err != nil {
		t.Errorf("a token of 64 KiB: %v", err)
	}
	_, err = r.connect(t, oauthUser, strings.Repeat("x", maxPassword+1), "")
	wantCode(t, err, "08P01")
}

func testFrontRefuses(t *testing.T, r *rig) {
	long := strings.Repeat("x", 64)
	for name, c := range map[string]struct {
		user, password, extra, code, text string
	}{
		"no token":           {oauthUser, "dapi123", "", "XX000", "not a valid JWT encoding"},
		"another's token":    {oauthUser, tokenOf("you@example.com"), "", "XX000", "not a valid JWT encoding"},
		"wrong password":     {nativeUser, "wrong", "", "28P01", "password authentication failed"},
		"token for native":   {nativeUser, tokenOf(nativeUser), "", "28P01", "password authentication failed"},
		"unknown role":       {"nobody@example.com", tokenOf("nobody@example.com"), "", "28P01", "password authentication failed"},
		"missing database":   {oauthUser, tokenOf(oauthUser), "dbname=missing", "3D000", `database "missing" does not exist`},
		"superuser":          {"lakebase_admin", tokenOf("lakebase_admin"), "", "28P01", "password authentication failed"},
		"group role":         {"databricks_superuser", tokenOf("databricks_superuser"), "", "28P01", "password authentication failed"},
		"a name too long":    {long, tokenOf(long), "", "28000", "does not exist"},
		"physical streaming": {oauthUser, tokenOf(oauthUser), "replication=true", "28000", "replication"},
		"another's identity": {oauthUser, tokenOf(oauthUser), "options='-c session_authorization=lakebase_admin'", "42501", "session authorization"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := r.connect(t, c.user, c.password, c.extra)
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("got %v, want %q", err, c.text)
			}
			wantCode(t, err, c.code)
		})
	}
}

func testFrontWithoutNativeLogin(t *testing.T, r *rig) {
	r.target.native = false
	if got := value(t, r.login(t), "SELECT 1"); got != "1" {
		t.Error(got)
	}
	_, err := r.connect(t, nativeUser, nativeSecret, "")
	if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("native login got %v, want a closed connection", err)
	}
	_, err = r.connect(t, "nobody@example.com", tokenOf("nobody@example.com"), "")
	if e := wantCode(t, err, "28000"); e.Message != `role "nobody@example.com" does not exist` {
		t.Error(e.Message)
	}
}

func testFrontRefusedRoute(t *testing.T, r *rig) {
	r.target.refuse = &refusal{Severity: "ERROR", Code: "XX000", Message: "The endpoint is asleep", Detail: "d", Hint: "h"}
	_, err := r.connect(t, oauthUser, tokenOf(oauthUser), "")
	if e := wantCode(t, err, "XX000"); e.Severity != "ERROR" || e.Message != "The endpoint is asleep" || e.Detail != "d" || e.Hint != "h" {
		t.Errorf("%+v", e)
	}
	if r.passwordBytes.Load() != 0 {
		t.Error("a token was asked for in vain")
	}
	if err := r.compute.stop(testContext(t)); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.target.refuse = nil
	r.mu.Unlock()
	_, err = r.connect(t, oauthUser, tokenOf(oauthUser), "")
	wantCode(t, err, "XX000")
}

func testFrontWakesCompute(t *testing.T, r *rig) {
	conn := r.login(t)
	if err := r.compute.suspend(testContext(t)); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Exec(testContext(t), "SELECT 1")
	wantCode(t, err, "57P01")
	if got := value(t, r.login(t), "SELECT 1"); got != "1" || r.compute.state() != computeActive {
		t.Error("not woken by a connection")
	}
	if err := r.compute.crash(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if got := value(t, r.login(t), "SELECT 1"); got != "1" {
		t.Error("no login after a crash")
	}
}

func testFrontRoutingOption(t *testing.T, r *rig) {
	conn := r.login(t, `options='endpoint=ep-test -c application_name=a\\ b'`)
	if got := value(t, conn, "SHOW application_name"); got != "a b" {
		t.Errorf("application_name is %q", got)
	}
	if r.options != `endpoint=ep-test -c application_name=a\ b` {
		t.Errorf("routed by %q", r.options)
	}
	r.login(t, "options=endpoint=ep-test")
}

func TestWithoutEndpoint(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                   "",
		"endpoint=x":                         "",
		"  endpoint=x  ":                     "",
		"-c a=1":                             "-c a=1",
		"  -c  a=1 ":                         "  -c  a=1 ", // nothing to drop: as it came
		"-c a=1 endpoint=x -c b=2":           "-c a=1 -c b=2",
		`-c a=x\ endpoint=y`:                 `-c a=x\ endpoint=y`,
		`-c a=x\\ endpoint=y`:                `-c a=x\\`,
		`-c application_name=endpoint=wrong`: `-c application_name=endpoint=wrong`,
	} {
		if got := withoutEndpoint(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func FuzzWithoutEndpoint(f *testing.F) {
	f.Add(`-c a=x\ endpoint=y endpoint=z`)
	f.Fuzz(func(t *testing.T, options string) {
		got := withoutEndpoint(options)
		if again := withoutEndpoint(got); again != got {
			t.Errorf("%q became %q, then %q", options, got, again)
		}
	})
}

// A certificate that is not right must be noticed before a token is sent.
func testFrontFaultyTLS(t *testing.T, r *rig) {
	for mode, text := range map[string]string{
		"wrong_name": "certificate is valid for", "wrong_authority": "unknown authority", "expired": "expired", "plaintext": "refused TLS",
	} {
		r.setFaults(Faults{TLS: TLSFault{Mode: mode}})
		_, err := r.connect(t, oauthUser, tokenOf(oauthUser), "")
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v, want %q", mode, err, text)
		}
	}
	if n := r.passwordBytes.Load(); n != 0 {
		t.Errorf("%d bytes of password arrived", n)
	}
}

func testFrontWithPsql(t *testing.T, r *rig) {
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("psql is not installed")
	}
	run := func(extra, password string) (string, error) {
		cmd := exec.CommandContext(testContext(t), psql, "-X", "-At", "-c", "SELECT 'it works'", r.url("user="+oauthUser+" "+extra))
		cmd.Env = []string{"PGPASSWORD=" + password, "HOME=/nonexistent"}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("", tokenOf(oauthUser)); err != nil || out != "it works\n" {
		t.Errorf("verify-full: %s", out)
	}
	if out, err := run("hostaddr=127.0.0.1 host=127.0.0.1", tokenOf(oauthUser)); err != nil || out != "it works\n" {
		t.Errorf("by address: %s", out)
	}
	if out, err := run("", "wrong"); err == nil || !strings.Contains(out, "ERROR:  Provided authentication token is not a valid JWT encoding") {
		t.Errorf("wrong token: %s", out)
	}
	out, err := run("sslmode=disable", tokenOf(oauthUser))
	if err == nil || !strings.Contains(out, "FATAL:  Invalid protocol version. Protocol version: 196608") ||
		!strings.Contains(out, "DETAIL:  Ensure that connection is using SSL. Try using `sslmode=require`") {
		t.Errorf("without TLS: %s", out)
	}
	r.setFaults(Faults{TLS: TLSFault{Mode: "wrong_authority"}})
	if out, err := run("", tokenOf(oauthUser)); err == nil || !strings.Contains(out, "certificate verify failed") {
		t.Errorf("wrong authority: %s", out)
	}
}

// raw is a connection on which a test speaks for itself.
type raw struct {
	net.Conn
	t testing.TB
}

func (r *rig) raw(t testing.TB) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &raw{conn, t}
}

// special sends a packet that consists of a code.
func (c *raw) special(code uint32) {
	c.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, code))
}

// expect reads one byte.
func (c *raw) expect(want byte) {
	c.t.Helper()
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil || b[0] != want {
		c.t.Fatalf("got %q, %v; want %q", b, err, want)
	}
}

// expectClosed reads what is left, and returns it.
func (c *raw) expectClosed() []byte {
	c.t.Helper()
	b, err := io.ReadAll(c)
	if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		c.t.Fatal("not closed")
	}
	return b
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// startTLS goes on in TLS.
func (c *raw) startTLS(r *rig, alpn ...string) error {
	conn := tls.Client(c.Conn, &tls.Config{ServerName: "localhost", RootCAs: rootPool(c.t, r.authority), NextProtos: alpn})
	c.Conn = conn
	return conn.Handshake()
}

const (
	sslRequest    = 80877103
	gssencRequest = 80877104
)

// fatalCode returns the SQLSTATE of the ErrorResponse in b.
func fatalCode(b []byte) string {
	m, err := pgproto3.NewFrontend(bytes.NewReader(b), nil).Receive()
	if e, ok := m.(*pgproto3.ErrorResponse); ok && err == nil {
		return e.Code
	}
	return fmt.Sprintf("%q", b)
}

func testFrontOpening(t *testing.T, r *rig) {
	startup := func(params ...pgwire.Parameter) []byte {
		return (&pgwire.Startup{Version: pgwire.Version30, Parameters: params}).Append(nil)
	}
	user := pgwire.Parameter{Name: "user", Value: oauthUser}

	t.Run("GSSENC, then TLS", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		c.special(gssencRequest)
		c.expect('N')
		c.special(sslRequest)
		c.expect('S')
		if err := c.startTLS(r); err != nil {
			t.Fatal(err)
		}
		c.Write(startup(user))
		c.expect('R')
	})
	t.Run("GSSENC twice", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		c.special(gssencRequest)
		c.expect('N')
		c.special(gssencRequest)
		if code := fatalCode(c.expectClosed()); code != "08P01" {
			t.Error(code)
		}
	})
	t.Run("TLS within TLS", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		c.special(sslRequest)
		c.expect('S')
		if err := c.startTLS(r, "postgresql"); err != nil {
			t.Fatal(err)
		}
		c.special(sslRequest)
		if code := fatalCode(c.expectClosed()); code != "08P01" {
			t.Error(code)
		}
	})
	t.Run("no user", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		if err := c.startTLS(r, "postgresql"); err != nil {
			t.Fatal(err)
		}
		c.Write(startup())
		if code := fatalCode(c.expectClosed()); code != "28000" {
			t.Error(code)
		}
	})
	t.Run("protocol 2", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		if err := c.startTLS(r, "postgresql"); err != nil {
			t.Fatal(err)
		}
		c.special(2 << 16)
		if code := fatalCode(c.expectClosed()); code != "0A000" {
			t.Error(code)
		}
	})
	t.Run("no password message", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		if err := c.startTLS(r, "postgresql"); err != nil {
			t.Fatal(err)
		}
		c.Write(startup(user))
		io.ReadFull(c, make([]byte, 9))
		c.Write(pgwire.Message{Type: 'Q', Body: []byte("SELECT 1\x00")}.Append(nil))
		if code := fatalCode(c.expectClosed()); code != "08P01" {
			t.Error(code)
		}
	})
	t.Run("direct TLS without ALPN", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		if err := c.startTLS(r); err != nil {
			t.Fatal(err)
		}
		c.Write(startup(user))
		if b := c.expectClosed(); len(b) != 0 {
			t.Errorf("answered with %q", b)
		}
	})
	t.Run("direct TLS for another protocol", func(t *testing.T) {
		t.Parallel()
		if err := r.raw(t).startTLS(r, "h2"); err == nil {
			t.Error("the handshake succeeded")
		}
	})
	t.Run("TLS 1.1", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		conn := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, NextProtos: []string{"postgresql"}})
		if err := conn.Handshake(); err == nil {
			t.Error("the handshake succeeded")
		}
	})
	t.Run("plaintext sent ahead", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		ahead := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, sslRequest)
		c.Write(append(ahead, startup(user)...))
		c.expect('S')
		for _, b := range c.expectClosed() {
			if b == 'R' {
				t.Error("the startup packet was answered")
			}
		}
	})
	t.Run("HTTP", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
		if code := fatalCode(c.expectClosed()); code != "08P01" {
			t.Error(code)
		}
	})
}

// TestFrontLeaks is not parallel: it counts goroutines.
func TestFrontLeaks(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Run("", func(t *testing.T) {
		r := startRig(t)
		conns := []*pgx.Conn{r.login(t), r.login(t)}
		waiting := r.raw(t) // before login
		waiting.special(sslRequest)
		waiting.expect('S')
		r.setFaults(Faults{Network: NetworkFault{Blackhole: true}})
		r.raw(t)
		r.setFaults(Faults{Network: NetworkFault{Latency: Duration(time.Hour)}})
		r.raw(t).special(sslRequest)
		r.setFaults(Faults{Login: LoginFault{Kind: "hang"}})
		hung := make(chan error)
		go func() {
			_, err := r.connect(t, oauthUser, tokenOf(oauthUser), "")
			hung <- err
		}()
		eventually(t, "a login hangs", func() bool { return r.connections("") == 3 })
		queried := make(chan error)
		go func() {
			_, err := conns[0].Exec(context.Background(), "SELECT pg_sleep(60)")
			queried <- err
		}()
		eventually(t, "a query runs", func() bool {
			return asAdmin(t, r.compute, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)'") != "0"
		})
		if err := r.front.close(); err != nil {
			t.Error(err)
		}
		if err := <-hung; err == nil {
			t.Error("a hanging login succeeded")
		}
		if err := <-queried; err == nil {
			t.Error("a query outlived the front")
		}
		if n := r.connections(""); n != 0 {
			t.Errorf("%d connections after close", n)
		}
		if _, err := r.listen("127.0.0.1:0"); err == nil {
			t.Error("listens after close")
		}
	})
	if err := goleak.Find(leaks); err != nil {
		t.Error(err)
	}
}
