package doctor_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// session logs in with the environment's settings, until the end of the test.
func session(t *testing.T, target string) *pgx.Conn {
	t.Helper()
	conn, err := lakebase.Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the server may be closed by then
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// TestDiagnosisOfStates is about targets that are not available.
func TestDiagnosisOfStates(t *testing.T) {
	s := shared(t, "my-instance")
	doctor.SetPollInterval(t, 50*time.Millisecond)
	unavailable := func(name, target string, words, advice []string) diagnosis {
		return diagnosis{
			name: name, target: target, check: "target", kind: lakebase.KindUnavailable, retry: true, words: words, advice: advice,
			skipped: []string{"pooler", "dns", "tcp", "tls", "token", "login", "role"},
		}
	}
	t.Run("stopped instance", func(t *testing.T) {
		if err := s.StopTarget(t.Context(), "my-instance"); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.StartTarget(t.Context(), "my-instance"); err != nil {
				t.Error(err)
			}
		}()
		unavailable("", "", []string{"my-instance is stopped", "connecting does not start it"}, []string{"lakebase local start my-instance"}).verify(t)
	})
	t.Run("disabled endpoint", func(t *testing.T) {
		if err := s.StopTarget(t.Context(), endpointPath); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.StartTarget(t.Context(), endpointPath); err != nil {
				t.Error(err)
			}
		}()
		unavailable("", endpointPath, []string{"is disabled"}, []string{"enable it", "lakebase local start " + endpointPath}).verify(t)
	})
	t.Run("failover", func(t *testing.T) { // of both at once, because each takes its time
		for product, target := range map[string]string{"instance": "my-instance", "endpoint": endpointPath} {
			t.Run(product, func(t *testing.T) {
				t.Parallel()
				done := make(chan error, 1)
				go func() { done <- s.Failover(t.Context(), target, 1500*time.Millisecond) }()
				awaitState(t, s, target, "FAILING_OVER", "DEGRADED")
				var notes []string
				report := examine(t, doctor.Options{Target: target, WakeTimeout: 20 * time.Second, OnEvent: func(e doctor.Event) { notes = append(notes, e.Note) }})
				if report.Status == doctor.Failed || !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "waiting up to 20s") }) {
					t.Errorf("notes %q\n%s", notes, describe(report))
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		}
	})
	t.Run("sleeping endpoint", func(t *testing.T) {
		if err := s.Suspend(t.Context(), endpointPath); err != nil {
			t.Fatal(err)
		}
		var notes []string
		report := examine(t, doctor.Options{Target: endpointPath, WakeTimeout: 20 * time.Second, OnEvent: func(e doctor.Event) { notes = append(notes, e.Note) }})
		text := describe(report)
		if report.Status != doctor.OK || !strings.Contains(text, "asleep") || !slices.Contains(notes, "the endpoint is asleep: waking it, up to 20s") {
			t.Errorf("notes %q\n%s", notes, text)
		}
	})
}

// awaitState waits until a target is in one of states.
func awaitState(t *testing.T, s *local.Server, target string, states ...string) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("%s is %q", target, states), func() bool {
		return slices.ContainsFunc(s.Status().Endpoints, func(e local.EndpointStatus) bool {
			return e.Target == target && slices.Contains(states, e.State)
		})
	})
}

// TestDiagnosisOfRoles is about identities, roles and privileges in Postgres. It
// changes those, so that it has a server of its own.
func TestDiagnosisOfRoles(t *testing.T) {
	s := start(t, "my-instance", local.Options{})
	id, secret := s.ServicePrincipal()
	principal := map[string]string{"DATABRICKS_TOKEN": "", "DATABRICKS_AUTH_TYPE": "", "DATABRICKS_CLIENT_ID": id, "DATABRICKS_CLIENT_SECRET": secret}
	admin := session(t, "")
	if err := s.CreateDatabase(t.Context(), "", "closed"); err != nil {
		t.Fatal(err)
	}
	first := diagnosis{name: "principal without a role", env: principal, check: "login", kind: lakebase.KindRoleMissing,
		words: []string{fmt.Sprintf("no role %q", id)}, advice: []string{"lakebase roles create " + id + " --kind service-principal"}, skipped: afterLogin}
	t.Run(first.name, func(t *testing.T) { first.verify(t) })

	execute(t, admin, "CREATE EXTENSION IF NOT EXISTS databricks_auth",
		"SELECT databricks_create_role('"+id+"', 'SERVICE_PRINCIPAL')", "SELECT databricks_create_role('data-team', 'GROUP')",
		"REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
	as := func(env map[string]string, more ...string) map[string]string {
		all := map[string]string{}
		for name, value := range env {
			all[name] = value
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	table := []diagnosis{
		{name: "another identity's role", env: map[string]string{"LAKEBASE_USERNAME": id}, check: "login", kind: lakebase.KindTokenRejected,
			words: []string{"the token is dev@example.com's, and the role is " + id}, advice: []string{"log in as dev@example.com", "unset LAKEBASE_USERNAME"}, skipped: afterLogin},
		{name: "case of a name", env: map[string]string{"PGUSER": "Dev@Example.com"}, check: "login", kind: lakebase.KindRoleMissing,
			words: []string{"the role is Dev@Example.com", "case-sensitive"}, advice: []string{"unset PGUSER"}},
		{name: "no CONNECT", env: as(principal, "PGDATABASE", "closed"), check: "login", kind: lakebase.KindPermissionDenied,
			words: []string{`may not connect to the database "closed"`}, advice: []string{"lakebase roles grant " + id + " --read --database closed"}},
		{name: "missing database", env: map[string]string{"LAKEBASE_DATABASE_NAME": "orders"}, check: "login", kind: lakebase.KindNotFound,
			words: []string{`no database "orders"`}, advice: []string{"unset LAKEBASE_DATABASE_NAME"}},
		{name: "NOLOGIN", env: map[string]string{"PGUSER": "data-team"}, arm: func(t *testing.T) { execute(t, admin, `ALTER ROLE "data-team" NOLOGIN`) },
			check: "login", kind: lakebase.KindPermissionDenied, words: []string{`"data-team" may not log in`, "NOLOGIN"}, advice: []string{`ALTER ROLE "data-team" LOGIN`}},
		{name: "role's own limit", env: principal, arm: func(t *testing.T) { execute(t, admin, "ALTER ROLE "+quote(id)+" CONNECTION LIMIT 0") },
			check: "login", kind: lakebase.KindTooManyConnections, retry: true, words: []string{"the role has no connection left", "CONNECTION LIMIT"}},
		{name: "no USAGE on public", env: principal, arm: func(t *testing.T) {
			execute(t, admin, "ALTER ROLE "+quote(id)+" CONNECTION LIMIT -1", "REVOKE ALL ON SCHEMA public FROM PUBLIC")
		}, check: "role", status: doctor.Warning, words: []string{"may use nothing in schema public", "permission denied for schema public"},
			advice: []string{"lakebase roles grant " + id + " --read --schema public"}},
	}
	for _, d := range table {
		t.Run(d.name, func(t *testing.T) { d.verify(t) })
	}
	t.Run("member as its group", func(t *testing.T) {
		execute(t, admin, `ALTER ROLE "data-team" LOGIN`)
		t.Setenv("PGUSER", "data-team")
		report := examine(t, doctor.Options{})
		if login := resultOf(report, "login"); login.Status != doctor.OK || !strings.Contains(resultOf(report, "token").Summary, "as the group data-team") {
			t.Error(describe(report))
		}
	})
}

// enableNativeLogin lets roles with a password log in to my-project.
func enableNativeLogin(t *testing.T, s *local.Server) {
	t.Helper()
	if err := s.SetNativeLogin("my-project", true); err != nil {
		t.Fatal(err)
	}
}

// TestDiagnosisOfStaticURLs is about connections without a workspace.
func TestDiagnosisOfStaticURLs(t *testing.T) {
	s := shared(t, "my-project")
	enableNativeLogin(t, s)
	execute(t, session(t, endpointPath), "DROP ROLE IF EXISTS app", "CREATE ROLE app LOGIN PASSWORD 'correct horse'")
	token, err := s.Mint(local.MintOptions{Target: "my-project"})
	if err != nil {
		t.Fatal(err)
	}
	host, port := hostOf(t, s, endpointPath)
	address := func(user, password, host string, port int, query string) map[string]string {
		u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: fmt.Sprintf("%s:%d", host, port), Path: "/databricks_postgres", RawQuery: query}
		return map[string]string{"LAKEBASE_PG_URL": u.String()}
	}
	verified := "sslmode=verify-full&sslrootcert=" + url.QueryEscape(s.RootCertFile())
	noWorkspace := []string{"workspace", "target", "token"}
	t.Run("well", func(t *testing.T) {
		for name, value := range address("app", "correct horse", host, port, verified) {
			t.Setenv(name, value)
		}
		before := s.Stats().APICalls
		report := examine(t, doctor.Options{})
		if report.Status != doctor.OK || strings.Contains(describe(report), "correct horse") {
			t.Error(describe(report))
		}
		for _, name := range noWorkspace {
			if c := resultOf(report, name); c.Status != doctor.Skipped || c.Because != "" {
				t.Errorf("%s is %q because of %q", name, c.Status, c.Because)
			}
		}
		if n := s.Stats().APICalls - before; n != 0 {
			t.Errorf("%d calls to the workspace", n)
		}
	})
	table := []diagnosis{
		{name: "wrong password", env: address("app", "guess", host, port, verified), check: "login", kind: lakebase.KindConnectFailed,
			words: []string{`refused the user "app" or the password`}, advice: []string{"% escapes"}, skipped: afterLogin},
		{name: "unknown authority", env: address("app", "correct horse", host, port, "sslmode=verify-full"), arm: func(t *testing.T) { t.Setenv("PGSSLROOTCERT", "") }, check: "tls", kind: lakebase.KindTLS,
			words: []string{"not trusted here"}},
		{name: "token", env: address(s.User(), token, host, port, verified), check: "configuration", status: doctor.Warning,
			words: []string{"the password of the static URL is a token, for ", "never renewed"}, advice: []string{"unset LAKEBASE_PG_URL"}},
		{name: "port closed", env: address("app", "correct horse", "127.0.0.1", portOf(t, closedPort(t)), ""), check: "tcp", kind: lakebase.KindUnavailable, retry: true,
			words: []string{"connection refused"}, advice: []string{"correct host and port in the URL"}, skipped: []string{"tls", "login"}},
		{name: "host that does not exist", env: address("app", "correct horse", "nowhere.invalid", 5432, ""), check: "dns", kind: lakebase.KindDNS, retry: true,
			words: []string{noResolver, "nowhere.invalid"}, advice: []string{"correct the host in the URL"}, skipped: []string{"tcp", "tls", "login"}},
	}
	for _, d := range table {
		t.Run(d.name, func(t *testing.T) { d.verify(t) })
	}
}

// TestDiagnosisOfNetworks puts a proxy in front of the workspace that refuses
// calls with the texts of its network rules.
func TestDiagnosisOfNetworks(t *testing.T) {
	s := shared(t, "my-instance")
	const privateLink = "Unauthorized network access to workspace 1234567890"
	const acl = "Source IP address: 203.0.113.7 is blocked by Databricks IP ACL for workspace: 1234567890"
	table := []diagnosis{
		{name: "PrivateLink on login", arm: refuseCalls(s, whoami, privateLink), check: "workspace", kind: lakebase.KindPermissionDenied,
			words: []string{"does not allow this network", "PrivateLink"}, advice: []string{"Service-Direct"}, skipped: []string{"target", "token", "login"}},
		{name: "PrivateLink on credentials", env: byEndpoint, arm: refuseCalls(s, endpointCredentials, privateLink), check: "token", kind: lakebase.KindPermissionDenied,
			words: []string{"does not allow this network"}, advice: []string{"Service-Direct"}, skipped: []string{"login"}},
		{name: "IP ACL on login", arm: refuseCalls(s, "/", acl), check: "workspace", kind: lakebase.KindPermissionDenied,
			words: []string{"does not allow this machine's address", "203.0.113.7"}, advice: []string{"IP access list"}},
		{name: "IP ACL on credentials", env: byEndpoint, arm: refuseCalls(s, endpointCredentials, acl), check: "token", kind: lakebase.KindPermissionDenied,
			words: []string{"203.0.113.7"}, advice: []string{"IP access list"}},
		{name: "only the call for the identity is refused", arm: refuseCalls(s, whoami, "no SCIM for you"), env: map[string]string{"PGUSER": s.User()}, check: "workspace", status: doctor.Warning,
			words: []string{"does not identify the caller"}, advice: []string{"nothing, unless"}},
	}
	for _, d := range table {
		t.Run(d.name, func(t *testing.T) { d.verify(t) })
	}
}

// refuseCalls makes the workspace answer calls below a path with 403 and message.
func refuseCalls(s *local.Server, path, message string) func(*testing.T) {
	return func(t *testing.T) {
		to, err := url.Parse(s.WorkspaceURL())
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(to)
		proxy.ModifyResponse = func(r *http.Response) error {
			if !strings.HasPrefix(r.Request.URL.Path, path) {
				return nil
			}
			body := fmt.Appendf(nil, `{"error_code":"PERMISSION_DENIED","message":%q}`, message)
			r.StatusCode, r.Status = http.StatusForbidden, "403 Forbidden"
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", fmt.Sprint(len(body)))
			return nil
		}
		transport := &http.Transport{}
		proxy.Transport = transport
		front := httptest.NewServer(proxy)
		t.Cleanup(func() { front.Close(); transport.CloseIdleConnections() })
		t.Setenv("DATABRICKS_HOST", front.URL)
	}
}

func hostOf(t *testing.T, s *local.Server, target string) (string, int) {
	t.Helper()
	for _, e := range s.Status().Endpoints {
		if e.Target == target {
			return e.Host, int(e.Port)
		}
	}
	t.Fatalf("no endpoint %s", target)
	return "", 0
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	var port int
	if _, err := fmt.Sscanf(address[strings.LastIndex(address, ":")+1:], "%d", &port); err != nil {
		t.Fatal(err)
	}
	return port
}
