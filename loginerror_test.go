package lakebase

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// serverRefusals are what servers have been seen to say to a login, with the code
// they said it with where it is known. The service sends most of them as
// XX000.
var serverRefusals = []struct {
	code, text string
	kind       Kind
	retry      bool
	hint       string // part of it
}{
	{"28P01", "Failed to decode token for role \"r\"\nand native postgres login was either not attempted due to configuration or failed.", KindTokenRejected, false, "personal access tokens"},
	{"XX000", "Failed to decode token for role \"r\"", KindTokenRejected, false, "personal access tokens"},
	{"28000", "Invalid authorization for databricks identity login", KindTokenRejected, false, `"me@example.com" is not it`},
	{"XX000", "Invalid authorization for Databricks identity login", KindTokenRejected, false, "doctor"},
	{"XX000", "Provided authentication token is not a valid JWT encoding", KindTokenRejected, false, "let this library mint"},
	{"XX000", "password authentication failed for user 'me@example.com'", KindTokenRejected, false, `"me@example.com" does not exist or was made by CREATE ROLE`},
	{"28P01", `password authentication failed for user "me@example.com"`, KindTokenRejected, false, `"my-db" was made by SQL and lacks databricks_auth: "lakebase doctor"`},
	{"XX000", "JWT token has expired (exp=1700000000)", KindTokenRejected, false, "clock"},
	{"XX000", "invalid JWT token audience", KindTokenRejected, false, "DATABRICKS_HOST"},
	{"XX000", "jwk not found", KindTokenRejected, false, "DATABRICKS_CONFIG_PROFILE"},
	{"XX000", "SASL authentication failed", KindTokenRejected, false, "-pooler"},
	{"08P01", "SASL authentication failed", KindTokenRejected, false, "direct host"},
	{"28000", "something about authorization", KindTokenRejected, false, "database token"},
	{"28000", `role "me@example.com" does not exist`, KindRoleMissing, false, "databricks_create_role('me@example.com', 'USER')"},
	{"XX000", `role 'me@example.com' does not exist`, KindRoleMissing, false, "databricks_auth"},
	{"28000", `role "me@example.com" is not permitted to log in`, KindPermissionDenied, false, `ALTER ROLE "me@example.com" LOGIN`},
	{"28000", `no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", SSL encryption`, KindPermissionDenied, false, "pg_hba.conf"},
	{"28000", `no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", no encryption`, KindTLS, false, "sslmode"},
	{"3D000", `database "my-db" does not exist`, KindNotFound, false, "databricks_postgres"},
	{"42501", `permission denied for database "my-db"`, KindPermissionDenied, false, `GRANT CONNECT ON DATABASE "my-db" TO "me@example.com"`},
	{"42501", "permission denied for schema public", KindPermissionDenied, false, "GRANT the privilege"},
	{"53300", "sorry, too many clients already", KindTooManyConnections, true, "DB_POOL_SIZE"},
	{"53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute", KindTooManyConnections, true, "DB_MAX_OVERFLOW"},
	{"XX000", "Too many connections to this endpoint. Please wait.", KindTooManyConnections, true, "DB_POOL_SIZE"},
	{"XX000", "The endpoint is disabled. Enable it and retry.", KindUnavailable, false, "enable the endpoint"},
	{"57P03", "the database system is starting up", KindUnavailable, true, "try again"},
	{"57P03", "the instance is asleep", KindUnavailable, true, "try again"},
	{"57P01", "terminating connection due to administrator command", KindUnavailable, true, "failing over"},
	{"XX000", "Invalid protocol version. Protocol version: 196608", KindTLS, false, "sslmode=verify-full"},
	{"XX000", "Endpoint ID is not specified. Either please upgrade the client library for SNI support or pass the endpoint ID", KindConnectFailed, false, "SNI"},
	{"08006", "connection failure", KindConnectFailed, true, ""},
	{"XX000", "internal error", KindConnectFailed, false, ""},
	{"0A000", "unsupported frontend protocol", KindConnectFailed, false, ""},
}

// TestServerRefusals has a server send each text to pgx.
func TestServerRefusals(t *testing.T) {
	for _, r := range serverRefusals {
		t.Run(r.code+" "+r.text, func(t *testing.T) {
			err := connect(t, "sslmode=disable", func(conn net.Conn) {
				b := pgproto3.NewBackend(conn, conn)
				if _, err := b.ReceiveStartupMessage(); err != nil {
					return
				}
				b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: r.code, Message: r.text})
				_ = b.Flush()
			})
			if kind := diagnose(err).kind; kind != r.kind {
				t.Errorf("diagnosed as %q, want %q", kind, r.kind)
			}
			e := checkLoginError(t, err, r.kind, r.retry)
			if hint := Hint(e); !strings.Contains(hint, r.hint) || (hint == "") != (r.hint == "") {
				t.Errorf("hint %q, want it to say %q", hint, r.hint)
			}
			var pgErr *pgconn.PgError
			if !errors.As(e, &pgErr) || pgErr.Code != r.code {
				t.Errorf("the server's error is lost: %v", e)
			}
			if Retryable(pgErr) != r.retry {
				t.Errorf("the bare error is retryable: %v", Retryable(pgErr))
			}
			if (Hint(fmt.Errorf("wrapped: %w", pgErr)) == "") != (r.hint == "") {
				t.Errorf("the bare error's hint: %q", Hint(pgErr))
			}
		})
	}
}

// connect logs in with pgx to a server that does as serve says, and returns
// the error. settings are more of pgx's connection string.
func connect(t *testing.T, settings string, serve func(net.Conn)) error {
	t.Helper()
	testkit.OnlyEnv(t, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		serve(conn)
	}()
	defer func() { listener.Close(); <-done }()
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return connectTo(ctx, fmt.Sprintf("host=%s port=%s user=me@example.com password=%s database=my-db %s", host, port, secret, settings))
}

func connectTo(ctx context.Context, settings string) error {
	conn, err := pgconn.Connect(ctx, settings)
	if err == nil {
		conn.Close(ctx)
		return errors.New("connected")
	}
	return err
}

// checkLoginError holds for whatever loginError makes of err.
func checkLoginError(t *testing.T, err error, kind Kind, retry bool) *Error {
	t.Helper()
	got := loginError(err, "h.example.com", "me@example.com", "my-db")
	e, ok := got.(*Error)
	if !ok {
		t.Fatalf("got %T: %v", got, got)
	}
	if e.Kind != kind {
		t.Errorf("kind %q, want %q (from %v)", e.Kind, kind, err)
	}
	if Retryable(e) != retry {
		t.Errorf("retryable %v, want %v: %v", !retry, retry, e)
	}
	if strings.ContainsAny(e.Error(), "\n\r\t") || !strings.HasPrefix(e.Error(), "lakebase: h.example.com: ") {
		t.Errorf("not one line that names the host: %q", e.Error())
	}
	if strings.ContainsAny(e.Hint, "\n{}") {
		t.Errorf("hint %q", e.Hint)
	}
	var wrapper *pgconn.ConnectError
	if errors.As(e, &wrapper) {
		t.Error("pgx's wrapper, and the password in it, is still there")
	}
	if text := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(text, secret) {
		t.Errorf("shows the password: %s", text)
	}
	return e
}

func TestTLSFailures(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	defer web.Close()
	certificate := web.TLS.Certificates[0]

	handshake := func(conn net.Conn) {
		b := pgproto3.NewBackend(conn, conn)
		if _, err := b.ReceiveStartupMessage(); err != nil {
			return
		}
		_, _ = conn.Write([]byte{'S'})
		_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}}).Handshake()
	}
	answer := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = pgproto3.NewBackend(conn, conn).ReceiveStartupMessage()
			_, _ = conn.Write([]byte(text))
			_, _ = io.Copy(io.Discard, conn)
		}
	}
	for name, test := range map[string]struct {
		settings string
		serve    func(net.Conn)
		hint     string
	}{
		"unknown authority": {"sslmode=verify-full", handshake, "PGSSLROOTCERT"},
		"no TLS":            {"sslmode=require", answer("N"), "sslmode"},
		"no TLS server":     {"sslmode=require", answer("SHTTP/1.1 400 Bad Request\r\n"), "no Lakebase server"},
	} {
		t.Run(name, func(t *testing.T) {
			e := checkLoginError(t, connect(t, test.settings, test.serve), KindTLS, false)
			if !strings.Contains(e.Hint, test.hint) {
				t.Errorf("hint %q", e.Hint)
			}
		})
	}
	t.Run("another name", func(t *testing.T) {
		_, err := tls.Dial("tcp", web.Listener.Addr().String(), &tls.Config{RootCAs: pool(web.Certificate()), ServerName: "other.test"})
		e := checkLoginError(t, err, KindTLS, false)
		if !strings.Contains(e.Hint, "name in the certificate") {
			t.Errorf("hint %q", e.Hint)
		}
	})
	t.Run("expired", func(t *testing.T) {
		_, err := tls.Dial("tcp", web.Listener.Addr().String(), &tls.Config{RootCAs: pool(web.Certificate()), ServerName: "example.com",
			Time: func() time.Time { return time.Now().AddDate(200, 0, 0) }})
		e := checkLoginError(t, err, KindTLS, false)
		if !strings.Contains(e.Hint, "clock") {
			t.Errorf("hint %q", e.Hint)
		}
	})
	t.Run("alert", func(t *testing.T) {
		e := checkLoginError(t, &net.OpError{Op: "remote error", Err: tls.AlertError(40)}, KindTLS, false)
		if !strings.Contains(e.Hint, "intercepts") {
			t.Errorf("hint %q", e.Hint)
		}
	})
}

func TestNetworkFailures(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	cut := connect(t, "sslmode=disable", func(conn net.Conn) {
		_, _ = pgproto3.NewBackend(conn, conn).ReceiveStartupMessage()
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	closed := connectTo(t.Context(), "host=127.0.0.1 sslmode=disable user=u password="+secret+" port="+port)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	cancelled := connectTo(ended, "host=127.0.0.1 sslmode=disable user=u password="+secret+" port="+port)

	for name, test := range map[string]struct {
		err   error
		kind  Kind
		retry bool
	}{
		"cut":              {cut, KindUnavailable, true},
		"refused":          {closed, KindUnavailable, true},
		"cancelled":        {cancelled, KindConnectFailed, false},
		"EOF":              {fmt.Errorf("failed to receive message: %w", io.EOF), KindUnavailable, true},
		"reset":            {&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, KindUnavailable, true},
		"no route":         {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, KindUnavailable, true},
		"timeout":          {&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, KindUnavailable, true},
		"no such host":     {&net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}, KindDNS, true},
		"lookup times out": {&net.DNSError{Err: "i/o timeout", Name: "h", IsTimeout: true}, KindDNS, true},
		"deadline":         {fmt.Errorf("timeout: %w", context.DeadlineExceeded), KindConnectFailed, false},
		"unknown":          {errors.New("surprise"), KindConnectFailed, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := checkLoginError(t, test.err, test.kind, test.retry)
			if bare := Retryable(test.err); bare != test.retry && name != "EOF" {
				t.Errorf("bare: retryable %v", bare)
			}
			if name != "unknown" && name != "cancelled" && (e.Hint == "" || Hint(test.err) == "") {
				t.Errorf("no hint for %v", e)
			}
		})
	}
}

// With sslmode=prefer, pgx tries an address twice, and says twice how that failed.
func TestFailureOfBothAttemptsIsSaidOnce(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	err := connectTo(t.Context(), "host=127.0.0.1 port=1 user=u sslmode=prefer")
	if text := loginError(err, "h.example.com", "u", "d").Error(); strings.Count(err.Error(), "connection refused") != 2 || strings.Count(text, "connection refused") != 1 {
		t.Errorf("%v becomes %q", err, text)
	}
}

// Failures of this machine blame no firewall, and are not waited out.
func TestFailuresOfThisMachineBlameNoNetwork(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	listen := func(network, address string) error {
		l, err := net.Listen(network, address)
		if err == nil {
			l.Close()
			t.Errorf("listens at %s", address)
		}
		return err
	}
	socket := func(dir string) error {
		return connectTo(t.Context(), "host="+dir+" sslmode=disable user=u password="+secret)
	}
	_, badPort := net.Dial("tcp", "127.0.0.1:99999")
	long := t.TempDir() + strings.Repeat("/long", 30)
	for name, test := range map[string]struct {
		err   error
		kind  Kind
		retry bool
		hint  string
	}{
		"files":                  {&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}, KindConnectFailed, false, "ulimit -n"},
		"files of the machine":   {&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.ENFILE)}, KindConnectFailed, false, "system's limit"},
		"files for a lookup":     {&net.DNSError{Err: "socket", Name: "h", UnwrapErr: os.NewSyscallError("socket", syscall.EMFILE)}, KindConnectFailed, false, "ulimit -n"},
		"port":                   {badPort, KindConnectFailed, false, "from 1 to 65535"},
		"long path of a socket":  {socket(long), KindConnectFailed, false, "107 bytes"},
		"no socket":              {socket(t.TempDir()), KindUnavailable, true, "the server runs"},
		"listener, address used": {listen("tcp", listener.Addr().String()), KindConnectFailed, false, "another program listens"},
		"listener, port":         {listen("tcp", "127.0.0.1:99999"), KindConnectFailed, false, "from 1 to 65535"},
		"listener, other's":      {listen("tcp", "192.0.2.1:0"), KindConnectFailed, false, "one of its own"},
		"listener, long path":    {listen("unix", long), KindConnectFailed, false, "107 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			e := checkLoginError(t, test.err, test.kind, test.retry)
			for _, hint := range []string{e.Hint, Hint(test.err), Hint(fmt.Errorf("proxy: %w", test.err))} {
				if !strings.Contains(hint, test.hint) || strings.Contains(hint, "firewall") {
					t.Errorf("hint %q of %v", hint, test.err)
				}
			}
			if strings.Contains(e.Error(), secret) {
				t.Error(e)
			}
		})
	}
}

// A hook's error is more useful than its wrapping.
func TestLoginErrorPassesErrorsOn(t *testing.T) {
	inner := &Error{Kind: KindNotFound, Resource: "my-instance", Hint: "look"}
	if got := loginError(fmt.Errorf("BeforeConnect: %w", inner), "h", "u", "d"); got != error(inner) {
		t.Errorf("got %v", got)
	}
	if got := workspaceError(fmt.Errorf("lookup: %w", inner), "x"); got != error(inner) {
		t.Errorf("got %v", got)
	}
	if loginError(nil, "h", "u", "d") != nil || workspaceError(nil, "x") != nil {
		t.Error("nil became an error")
	}
}

func pool(certificate *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(certificate)
	return p
}
