//go:build unix

package frontend

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local/internal/compute"
)

// TestFrontend runs its tests one after the other, because they change the faults
// and the route of a shared frontend.
func TestFrontend(t *testing.T) {
	t.Parallel()
	r := startRig(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *rig)
	}{
		{"Login", testLogin},
		{"Refuses", testRefuses},
		{"WithoutNativeLogin", testWithoutNativeLogin},
		{"MissingRole", testMissingRole},
		{"RefusedRoute", testRefusedRoute},
		{"WakesCompute", testWakesCompute},
		{"RoutingOption", testRoutingOption},
		{"FaultyTLS", testFaultyTLS},
		{"WithPsql", testWithPsql},
		{"Opening", testNegotiation},
		{"LoginFaults", testLoginFaults},
		{"Resets", testResets},
		{"Reset", testReset},
		{"SlowNetwork", testSlowNetwork},
		{"Blackhole", testBlackhole},
		{"Copy", testCopy},
		{"Pipeline", testPipeline},
		{"Cancel", testCancel},
		{"PsqlInterrupt", testPsqlInterrupt},
		{"ReadOnly", testReadOnly},
		{"ClientLeaves", testClientCloses},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.renew(t)
			c.test(t, r)
		})
	}
}

func testLogin(t *testing.T, r *rig) {
	if got := value(t, r.login(t), "SELECT session_user || ' ' || current_database()"); got != oauthUser+" "+compute.DefaultDatabase {
		t.Errorf("logged in as %s", got)
	}
	conn, err := r.connect(t, nativeUser, nativeSecret, "")
	if err != nil || value(t, conn, "SELECT session_user") != nativeUser {
		t.Fatal(err)
	}
	if r.logins.Load() != 1 || r.natives.Load() != 1 || r.refused.Load() != 0 {
		t.Errorf("counted %d logins, %d native, %d refused", r.logins.Load(), r.natives.Load(), r.refused.Load())
	}
	if n := r.Connections("ep-test"); n != 2 || r.Connections("") != 2 || r.Connections("ep-other") != 0 {
		t.Errorf("%d connections", n)
	}
	conn.Close(testContext(t))
	testkit.Eventually(t, "a connection is forgotten", func() bool { return r.Connections("") == 1 })

	// TLS as other clients begin it.
	for _, extra := range []string{"sslnegotiation=direct", "max_protocol_version=3.2", "target_session_attrs=read-write"} {
		if got := value(t, r.login(t, extra), "SELECT 1"); got != "1" {
			t.Errorf("%s: %q", extra, got)
		}
	}
	// The longest token that is accepted, and a longer one.
	if _, err := r.connect(t, oauthUser, strings.Repeat("x", maxPassword), ""); err != nil {
		t.Errorf("a token of 64 KiB: %v", err)
	}
	_, err = r.connect(t, oauthUser, strings.Repeat("x", maxPassword+1), "")
	wantCode(t, err, "08P01")
}

func testRefuses(t *testing.T, r *rig) {
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
		"superuser":          {"cloud_admin", tokenOf("cloud_admin"), "", "28P01", "password authentication failed"},
		"group role":         {"databricks_superuser", tokenOf("databricks_superuser"), "", "28P01", "password authentication failed"},
		"a name too long":    {long, tokenOf(long), "", "28P01", "password authentication failed for user '" + long + "'"},
		"database of SQL":    {oauthUser, tokenOf(oauthUser), "dbname=template1", "28P01", "password authentication failed for user '" + oauthUser + "'"},
		"physical streaming": {oauthUser, tokenOf(oauthUser), "replication=true", "28000", "replication"},
		"another's identity": {oauthUser, tokenOf(oauthUser), "options='-c session_authorization=cloud_admin'", "42501", "session authorization"},
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

func testWithoutNativeLogin(t *testing.T, r *rig) {
	r.target.Native = false
	if got := value(t, r.login(t), "SELECT 1"); got != "1" {
		t.Error(got)
	}
	_, err := r.connect(t, nativeUser, nativeSecret, "")
	if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("native login got %v, want a closed connection", err)
	}
	// A role that is not there, one that was created in SQL, and a database that
	// was: each product has its own words.
	for _, test := range []struct {
		provisioned                bool
		user, extra, code, message string
	}{
		{false, "nobody@example.com", "", "28P01", "password authentication failed for user 'nobody@example.com'"},
		{false, nativeUser, "", "28P01", "password authentication failed for user '" + nativeUser + "'"},
		{false, oauthUser, "dbname=template1", "28P01", "password authentication failed for user '" + oauthUser + "'"},
		{true, "nobody@example.com", "", "28000", `role "nobody@example.com" does not exist`},
		{true, oauthUser, "dbname=template1", "28000", "Invalid authorization for databricks identity login"},
	} {
		r.target.Provisioned = test.provisioned
		_, err := r.connect(t, test.user, tokenOf(test.user), test.extra)
		if e := wantCode(t, err, test.code); e.Message != test.message {
			t.Errorf("got %q, want %q", e.Message, test.message)
		}
	}
}

// A role that does not exist is refused as such, with a token of its own or another's,
// with a password, and whether native login is on or off.
func testMissingRole(t *testing.T, r *rig) {
	for _, native := range []bool{false, true} {
		for _, password := range []string{tokenOf("nobody"), tokenOf(oauthUser), "secret", ""} {
			for provisioned, want := range map[bool]string{
				false: "28P01 password authentication failed for user 'nobody'",
				true:  `28000 role "nobody" does not exist`,
			} {
				r.target.Native, r.target.Provisioned = native, provisioned
				_, err := r.connect(t, "nobody", password, "")
				var e *pgconn.PgError
				if !errors.As(err, &e) || e.Code+" "+e.Message != want {
					t.Errorf("native login %t, %q: got %v, want %s", native, password, err, want)
				}
			}
		}
	}
}

func testRefusedRoute(t *testing.T, r *rig) {
	r.target.Refuse = &Refusal{Severity: "ERROR", Code: "XX000", Message: "The endpoint is asleep", Detail: "d", Hint: "h"}
	_, err := r.connect(t, oauthUser, tokenOf(oauthUser), "")
	if e := wantCode(t, err, "XX000"); e.Severity != "ERROR" || e.Message != "The endpoint is asleep" || e.Detail != "d" || e.Hint != "h" {
		t.Errorf("%+v", e)
	}
	if r.passwordBytes.Load() != 0 {
		t.Error("a token was requested although the login is refused")
	}
	if err := r.compute.Stop(testContext(t)); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.target.Refuse = nil
	r.mu.Unlock()
	_, err = r.connect(t, oauthUser, tokenOf(oauthUser), "")
	wantCode(t, err, "XX000")
}

func testWakesCompute(t *testing.T, r *rig) {
	conn := r.login(t)
	if err := r.compute.Suspend(testContext(t)); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Exec(testContext(t), "SELECT 1")
	wantCode(t, err, "57P01")
	if got := value(t, r.login(t), "SELECT 1"); got != "1" || r.compute.State() != compute.Active {
		t.Error("not woken by a connection")
	}
	if err := r.compute.Crash(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if got := value(t, r.login(t), "SELECT 1"); got != "1" {
		t.Error("no login after a crash")
	}
}

func testRoutingOption(t *testing.T, r *rig) {
	conn := r.login(t, `options='endpoint=ep-test -c application_name=a\\ b'`)
	if got := value(t, conn, "SHOW application_name"); got != "a b" {
		t.Errorf("application_name is %q", got)
	}
	if r.endpoint != "ep-test" {
		t.Errorf("routed by %q", r.endpoint)
	}
	r.login(t, "options=endpoint=ep-test")
}

func withoutEndpoint(options string) string {
	_, rest := endpointOption(options)
	return rest
}

func TestEndpointOptionIsRemoved(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                   "",
		"endpoint=x":                         "",
		"  endpoint=x  ":                     "",
		"-c a=1":                             "-c a=1",
		"  -c  a=1 ":                         "  -c  a=1 ", // unchanged, because nothing is removed
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

func FuzzEndpointOption(f *testing.F) {
	f.Add(`-c a=x\ endpoint=y endpoint=z`)
	f.Fuzz(func(t *testing.T, options string) {
		got := withoutEndpoint(options)
		if again := withoutEndpoint(got); again != got {
			t.Errorf("%q became %q, then %q", options, got, again)
		}
	})
}

// Clients must reject an invalid certificate before they send a token.
func testFaultyTLS(t *testing.T, r *rig) {
	for mode, text := range map[string]string{
		"wrong_name": "certificate is valid for", "wrong_authority": "unknown authority", "expired": "expired", "plaintext": "refused TLS",
	} {
		r.setFaults(faults{tls: mode})
		_, err := r.connect(t, oauthUser, tokenOf(oauthUser), "")
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v, want %q", mode, err, text)
		}
	}
	if n := r.passwordBytes.Load(); n != 0 {
		t.Errorf("%d bytes of password arrived", n)
	}
}

func testWithPsql(t *testing.T, r *rig) {
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Fatal("psql is not installed: run sh scripts/ensure-postgres.sh")
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
	r.setFaults(faults{tls: "wrong_authority"})
	if out, err := run("", tokenOf(oauthUser)); err == nil || !strings.Contains(out, "certificate verify failed") {
		t.Errorf("wrong authority: %s", out)
	}
}

// TestCloseEndsEverything is not parallel, because it looks for goroutines.
func TestCloseEndsEverything(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Run("", func(t *testing.T) {
		r := startRig(t)
		conns := []*pgx.Conn{r.login(t), r.login(t)}
		waiting := r.raw(t) // before login
		waiting.special(sslRequest)
		waiting.expect('S')
		r.setFaults(faults{blackhole: true})
		r.raw(t)
		r.setFaults(faults{Faults: Faults{Latency: time.Hour}})
		r.raw(t).special(sslRequest)
		r.setFaults(faults{login: "hang"})
		hung := make(chan error)
		go func() {
			_, err := r.connect(t, oauthUser, tokenOf(oauthUser), "")
			hung <- err
		}()
		testkit.Eventually(t, "a login hangs", func() bool { return r.Connections("") == 3 })
		queried := make(chan error)
		go func() {
			_, err := conns[0].Exec(context.Background(), "SELECT pg_sleep(60)")
			queried <- err
		}()
		testkit.Eventually(t, "a query runs", func() bool {
			return asAdmin(t, r.compute, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)'") != "0"
		})
		if err := r.Server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-hung; err == nil {
			t.Error("a hanging login succeeded")
		}
		if err := <-queried; err == nil {
			t.Error("a query outlived the frontend")
		}
		if n := r.Connections(""); n != 0 {
			t.Errorf("%d connections after close", n)
		}
		if _, err := r.Listen("127.0.0.1:0"); err == nil {
			t.Error("listens after close")
		}
	})
	if err := goleak.Find(leaks); err != nil {
		t.Error(err)
	}
}
