//go:build unix

package frontend

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local/internal/compute"
)

func testLoginFaults(t *testing.T, r *rig) {
	for kind, want := range map[string]struct{ severity, code, text string }{
		"expired":              {"FATAL", "28000", "Invalid authorization for databricks identity login"},
		"identity":             {"FATAL", "28000", "Invalid authorization for databricks identity login"},
		"decode":               {"FATAL", "28P01", "Failed to decode token for role \"me@example.com\"\nand native postgres login was either not attempted due to configuration or failed."},
		"jwt":                  {"ERROR", "XX000", "Provided authentication token is not a valid JWT encoding"},
		"jwt_expired":          {"ERROR", "XX000", "JWT token has expired (exp="},
		"audience":             {"ERROR", "XX000", "invalid JWT token audience"},
		"password":             {"ERROR", "28P01", "password authentication failed for user 'me@example.com'"},
		"authorization":        {"FATAL", "28000", "invalid authorization specification"},
		"too_many_connections": {"FATAL", "53300", "too many clients"},
		"endpoint_too_many":    {"ERROR", "XX000", "Too many connections to this endpoint"},
		"starting":             {"FATAL", "57P03", "starting up"},
		"role_missing":         {"FATAL", "28000", `role "me@example.com" does not exist`},
		"database_missing":     {"FATAL", "3D000", `database "postgres" does not exist`},
		"no_connect":           {"FATAL", "42501", `permission denied for database "postgres"`},
		"disabled":             {"ERROR", "XX000", "endpoint is disabled"},
	} {
		before := r.refused.Load()
		r.setFaults(faults{login: kind})
		_, err := r.connect(t, oauthUser, tokenOf(oauthUser), "dbname=postgres")
		e := wantCode(t, err, want.code)
		if e.Severity != want.severity || e.SeverityUnlocalized != want.severity || !strings.HasPrefix(e.Message+"\x00", want.text) && !strings.Contains(e.Message, want.text) {
			t.Errorf("%s: %s %q", kind, e.Severity, e.Message)
		}
		if got := LoginRefusal(kind, oauthUser, compute.DefaultDatabase); got == nil || got.Code != want.code {
			t.Errorf("%s: LoginRefusal gives %+v", kind, got)
		}
		if r.refused.Load() != before+1 {
			t.Errorf("%s: not counted as refused", kind)
		}
	}
	r.setFaults(faults{login: "closed"})
	if _, err := r.connect(t, oauthUser, tokenOf(oauthUser), ""); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("closed: %v", err)
	}
	if _, err := r.connect(t, nativeUser, nativeSecret, ""); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("closed, native: %v", err)
	}
	r.setFaults(faults{login: "hang"})
	if _, err := r.connect(t, oauthUser, tokenOf(oauthUser), "connect_timeout=1"); !isTimeout(err) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hang: %v", err)
	}
	if LoginRefusal("hang", oauthUser, "") != nil || LoginRefusal("nonsense", oauthUser, "") != nil {
		t.Error("a refusal for what is none")
	}
	if r.logins.Load() != 0 {
		t.Errorf("%d logins were counted", r.logins.Load())
	}
	r.setFaults(faults{})
	r.login(t)
}

func testResets(t *testing.T, r *rig) {
	for _, point := range []string{"accept", "tls", "startup", "auth", "ready"} {
		for _, extra := range []string{"", "sslnegotiation=direct"} {
			r.setFaults(faults{Faults: Faults{ResetAt: point}})
			bytes := r.passwordBytes.Load()
			_, err := r.connect(t, oauthUser, tokenOf(oauthUser), extra)
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("%s %s: got %v, want a reset", point, extra, err)
			}
			if late := point == "auth" || point == "ready"; (r.passwordBytes.Load() > bytes) != late {
				t.Errorf("%s: password received: %v, want %v", point, !late, late)
			}
		}
	}
	if r.logins.Load() != 0 {
		t.Errorf("%d logins were counted", r.logins.Load())
	}
	for _, after := range []int64{0, 5000} {
		r.setFaults(faults{Faults: Faults{ResetAt: "query", AfterBytes: after}})
		conn := r.login(t)
		var received int64
		_, err := conn.PgConn().CopyTo(testContext(t), counter{&received}, "COPY (SELECT repeat('x', 99) FROM generate_series(1, 100000)) TO STDOUT")
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("query after %d: %v", after, err)
		}
		if received > after {
			t.Errorf("%d bytes arrived, want at most %d", received, after)
		}
	}
	r.setFaults(faults{})
	r.login(t)
}

type counter struct{ n *int64 }

func (c counter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return len(p), nil
}

func testReset(t *testing.T, r *rig) {
	conn := r.login(t)
	if n := r.Server.Reset("ep-other"); n != 0 {
		t.Errorf("reset %d connections of another endpoint", n)
	}
	value(t, conn, "SELECT 1")
	if n := r.Server.Reset("ep-test"); n != 1 {
		t.Errorf("reset %d connections", n)
	}
	if _, err := conn.Exec(testContext(t), "SELECT 1"); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got %v, want a reset", err)
	}
	testkit.Eventually(t, "the connection is forgotten", func() bool { return r.Connections("") == 0 })
	testkit.Eventually(t, "its backend ends", func() bool {
		return asAdmin(t, r.compute, "SELECT count(*) FROM pg_stat_activity WHERE usename = '"+oauthUser+"'") == "0"
	})
}

func testSlowNetwork(t *testing.T, r *rig) {
	r.setFaults(faults{Faults: Faults{Latency: 40 * time.Millisecond}})
	conn := r.login(t)
	begun := time.Now()
	value(t, conn, "SELECT 1")
	if took := time.Since(begun); took < 80*time.Millisecond {
		t.Errorf("a query took %v, want the latency of both directions", took)
	}

	r.setFaults(faults{Faults: Faults{BytesPerSec: 1 << 20}})
	conn = r.login(t)
	begun = time.Now()
	value(t, conn, "SELECT repeat('x', 300000)")
	if took := time.Since(begun); took < 250*time.Millisecond {
		t.Errorf("300 kB at 1 MiB/s took %v", took)
	}
}

func testBlackhole(t *testing.T, r *rig) {
	before := r.login(t)
	r.setFaults(faults{blackhole: true})
	c := r.raw(t)
	c.special(sslRequest)
	answered := make(chan error, 1)
	go func() {
		_, err := before.Exec(context.Background(), "SELECT 1")
		answered <- err
	}()
	c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !isTimeout(err) {
		t.Errorf("got %d bytes, %v; want silence", n, err)
	}
	select {
	case err := <-answered:
		t.Errorf("an open connection got through: %v", err)
	default:
	}
	r.setFaults(faults{})
	c.SetReadDeadline(time.Time{})
	c.expect('S')
	if err := <-answered; err != nil {
		t.Error("what was sent should have arrived in the end:", err)
	}
}
