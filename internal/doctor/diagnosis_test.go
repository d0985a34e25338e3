package doctor_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/local"
)

// diagnosis is one mistake or fault, and what the doctor must report of it.
type diagnosis struct {
	name   string
	faults local.Faults
	env    map[string]string             // "" unsets
	target string                        // argument; empty means the environment
	arm    func(t *testing.T)            // before the run
	after  map[string]func(t *testing.T) // at the end of a check

	check   string // the one that reports it
	hangs   bool   // that check ends with hangTimeout
	status  doctor.Status
	kind    lakebase.Kind
	retry   bool     // the same run may go well later: exit code 4
	words   []string // in summary and meaning
	advice  []string // in action and command
	skipped []string // checks that need it
	also    string   // one more that fails of the same cause
	options doctor.Options
}

// afterLogin are the checks that need a session.
var afterLogin = []string{"role", "server", "connections"}

// verify runs the doctor and compares.
func (d diagnosis) verify(t *testing.T) *doctor.Report {
	t.Helper()
	for name, value := range d.env {
		t.Setenv(name, value)
	}
	if d.arm != nil {
		d.arm(t)
	}
	o := d.options
	o.Target = d.target
	if slices.Contains(d.skipped, "schema") {
		o.Schema, o.Facts = "public", true
	}
	if d.hangs {
		o.LimitCheck(d.check, hangTimeout)
	}
	o.OnEvent = func(e doctor.Event) {
		if f := d.after[e.Check]; e.Result != nil && f != nil {
			f(t)
		}
	}
	began := time.Now()
	report := examine(t, o)
	if d.status == "" {
		d.status = doctor.Failed
	}
	text := describe(report)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	got := resultOf(report, d.check)
	if got.Status != d.status {
		t.Errorf("%s is %q, want %q\n%s", d.check, got.Status, d.status, text)
		return report
	}
	for _, w := range d.words {
		if !strings.Contains(got.Summary+"\n"+got.Meaning, w) {
			t.Errorf("the diagnosis lacks %q\n%s", w, text)
		}
	}
	for _, w := range d.advice {
		if !strings.Contains(got.Action+"\n$ "+got.Command, w) {
			t.Errorf("the advice lacks %q\n%s", w, text)
		}
	}
	if got.Meaning == "" || got.Action == "" {
		t.Errorf("no meaning or no advice\n%s", text)
	}
	d.verifyRest(t, report, text)
	return report
}

// verifyRest verifies that no other check fails.
func (d diagnosis) verifyRest(t *testing.T, report *doctor.Report, text string) {
	t.Helper()
	if report.Status != d.status {
		t.Errorf("the report is %q, want %q\n%s", report.Status, d.status, text)
	}
	for _, c := range report.Checks {
		if c.Name != d.check && c.Name != d.also && c.Status == doctor.Failed {
			t.Errorf("%s fails too\n%s", c.Name, text)
		}
	}
	for _, name := range d.skipped {
		if c := resultOf(report, name); c.Status != doctor.Skipped || c.Because != d.check {
			t.Errorf("%s is %q because of %q, want it skipped because of %s\n%s", name, c.Status, c.Because, d.check, text)
		}
	}
	err := report.Err()
	if d.status == doctor.Warning {
		if err != nil {
			t.Errorf("a warning has the error %v", err)
		}
		return
	}
	if d.kind != "" && !errors.Is(err, d.kind) {
		t.Errorf("kind of %v, want %q\n%s", err, d.kind, text)
	}
	if got := report.Retry(); got != d.retry {
		t.Errorf("retryable is %v, want %v: %v\n%s", got, d.retry, err, text)
	}
}

func resultOf(r *doctor.Report, name string) doctor.Result {
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	return doctor.Result{}
}

func login(kind string) local.Faults   { return local.Faults{Login: local.LoginFault{Kind: kind}} }
func tlsMode(mode string) local.Faults { return local.Faults{TLS: local.TLSFault{Mode: mode}} }
func reset(at string) local.Faults     { return local.Faults{Network: local.NetworkFault{ResetAt: at}} }

func api(f local.APIFault) local.Faults { return local.Faults{API: f} }

const (
	whoami      = "/api/2.0/preview/scim"
	instances   = "/api/2.0/database/instances"
	credentials = "/api/2.0/database/credentials"

	endpointCredentials = "/api/2.0/postgres/credentials"
)

// byEndpoint names an endpoint: what the API of instances refuses, that of projects
// may allow.
var byEndpoint = map[string]string{"LAKEBASE_INSTANCE_NAME": "", "LAKEBASE_ENDPOINT": endpointPath}

// TestDiagnosisOfFaults sets each fault of the local Lakebase, one after the
// other.
func TestDiagnosisOfFaults(t *testing.T) {
	s := shared(t, "my-instance")
	doctor.SetPollInterval(t, 20*time.Millisecond)
	again := []string{"$ lakebase doctor"}
	table := []diagnosis{
		// The workspace.
		{name: "api 401", faults: api(local.APIFault{Status: 401}), check: "workspace", kind: lakebase.KindWorkspaceAuth,
			words: []string{"does not accept the credentials (401)"}, advice: []string{"DATABRICKS_TOKEN sets it", "unset DATABRICKS_TOKEN && databricks auth login --host"},
			skipped: []string{"target", "pooler", "dns", "tcp", "tls", "token", "login"}},
		{name: "api 403", faults: api(local.APIFault{Status: 403}), check: "workspace", kind: lakebase.KindPermissionDenied,
			words: []string{"may not use it"}, advice: []string{`"Can use"`}},
		{name: "api 404", faults: api(local.APIFault{Status: 404}), check: "workspace", kind: lakebase.KindNotFound,
			words: []string{"answers, but is not a workspace"}, advice: []string{"DATABRICKS_HOST sets it", "export DATABRICKS_HOST="}},
		{name: "api 400", env: byEndpoint, faults: api(local.APIFault{Status: 400, PathPrefix: endpointCredentials}), check: "token", kind: lakebase.KindBadConfig,
			words: []string{"refuses the request"}, skipped: []string{"login"}},
		{name: "api 429", faults: api(local.APIFault{Status: 429, RetryAfter: 30}), check: "workspace", kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"limiting requests (429)"}, advice: append(again, "wait a minute")},
		{name: "api 500", faults: api(local.APIFault{Status: 500}), check: "workspace", kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"an error of its own (500)"}, advice: append(again, "status page")},
		{name: "api 503", faults: api(local.APIFault{Status: 503, PathPrefix: instances}), check: "target", kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"an error of its own (503)"}, advice: again, skipped: []string{"dns", "token", "login"}},
		{name: "api hangs", faults: api(local.APIFault{Hang: true}), check: "workspace", hangs: true, kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"does not answer", "in 300ms"}, advice: []string{"HTTPS_PROXY", "curl -sS"}},
		{name: "api refuses connections", faults: api(local.APIFault{Refuse: true}), check: "workspace", kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"does not answer"}, advice: []string{"HTTPS_PROXY", "curl -sS"}},
		// The target.
		{name: "projects 403", env: byEndpoint, faults: api(local.APIFault{Status: 403, PathPrefix: "/api/2.0/postgres/projects"}), check: "target", kind: lakebase.KindPermissionDenied,
			words: []string{"dev@example.com may not use " + endpointPath}, advice: []string{`grant dev@example.com "Can use"`}},
		{name: "instances 429", faults: api(local.APIFault{Status: 429, PathPrefix: instances}), check: "target", kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"limiting requests"}},
		{name: "instances hang", faults: api(local.APIFault{Hang: true, PathPrefix: instances}), check: "target", hangs: true, kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"does not answer"}},
		// The way to the server.
		{name: "reset at accept", faults: reset("accept"), check: "tls", kind: lakebase.KindUnavailable, retry: true,
			words: []string{"cut before the handshake"}, advice: again, skipped: append([]string{"login"}, afterLogin...)},
		{name: "reset at TLS", faults: reset("tls"), check: "tls", kind: lakebase.KindUnavailable, retry: true,
			words: []string{"cut before the handshake"}, advice: again},
		{name: "black hole behind the accept", retry: true, faults: local.Faults{Network: local.NetworkFault{Blackhole: true}}, check: "tls", hangs: true,
			words: []string{"accepted the connection and sent nothing", "load balancer"}, advice: again},
		{name: "wrong name", faults: tlsMode("wrong_name"), check: "tls", kind: lakebase.KindTLS,
			words: []string{"for another name", "localhost was asked for"}, advice: []string{"a name that is in the certificate"}, skipped: []string{"login"}},
		{name: "wrong authority", faults: tlsMode("wrong_authority"), check: "tls", kind: lakebase.KindTLS,
			words: []string{"an authority that is not trusted", "Local Lakebase", "no token was sent"}, advice: []string{`eval "$(lakebase local env)"`}},
		{name: "expired certificate", faults: tlsMode("expired"), check: "tls", kind: lakebase.KindTLS,
			words: []string{"not valid now", "this machine's clock says"}, advice: []string{"replace the certificate"}},
		{name: "plaintext server", faults: tlsMode("plaintext"), check: "tls", kind: lakebase.KindTLS,
			words: []string{"offers no TLS", "no token was sent"}, advice: []string{"check what listens at"}},
		// The token.
		{name: "credentials 401", faults: api(local.APIFault{Status: 401, PathPrefix: credentials}), check: "token", kind: lakebase.KindWorkspaceAuth,
			words: []string{"does not accept the credentials", "scope postgres"}, skipped: append([]string{"login"}, afterLogin...)},
		{name: "credentials 403", env: byEndpoint, faults: api(local.APIFault{Status: 403, PathPrefix: endpointCredentials}), check: "token", kind: lakebase.KindPermissionDenied,
			words: []string{"may not mint a token for " + endpointPath}, advice: []string{`"Can use"`}},
		{name: "credentials 404", env: byEndpoint, faults: api(local.APIFault{Status: 404, PathPrefix: endpointCredentials}), check: "token", kind: lakebase.KindNotFound,
			words: []string{"does not know " + endpointPath}, advice: again},
		{name: "credentials 429", faults: api(local.APIFault{Status: 429, PathPrefix: credentials}), check: "token", kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"limiting requests"}, advice: []string{"mints a token for every connection"}},
		{name: "credentials 502", faults: api(local.APIFault{Status: 502, PathPrefix: credentials}), check: "token", kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"an error of its own (502)"}},
		{name: "credentials hang", faults: api(local.APIFault{Hang: true, PathPrefix: credentials}), check: "token", hangs: true, kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"does not answer"}},
		{name: "short token", faults: local.Faults{Tokens: local.TokenFault{Lifetime: local.Duration(45 * time.Second)}}, check: "token", status: doctor.Warning,
			words: []string{"the token is valid for 4", "only"}, advice: []string{"admin"}},
		{name: "clock ahead", faults: local.Faults{Tokens: local.TokenFault{ClockSkew: local.Duration(-10 * time.Minute)}}, check: "token", status: doctor.Warning,
			words: []string{"clock is 1", "ahead of the workspace's"}, advice: []string{"clock", "$ "}},
		{name: "clock behind", faults: local.Faults{Tokens: local.TokenFault{ClockSkew: local.Duration(10 * time.Minute)}}, check: "token", status: doctor.Warning,
			words: []string{"behind the workspace's"}, advice: []string{"clock"}},
		{name: "expired certificate and a wrong clock", check: "tls", kind: lakebase.KindTLS,
			faults: local.Faults{TLS: local.TLSFault{Mode: "expired"}, Tokens: local.TokenFault{ClockSkew: local.Duration(-40 * 24 * time.Hour)}},
			words:  []string{"not valid now", "off the workspace's"}, advice: []string{"set this machine's clock"}},
		// The login.
		{name: "revoked tokens", after: map[string]func(*testing.T){"token": func(*testing.T) { s.RevokeTokens() }}, check: "login", status: doctor.Warning,
			words: []string{"the first token was refused", "revoked"}, advice: []string{"nothing: the library does the same"}},
		{name: "login expired", faults: login("expired"), check: "login", kind: lakebase.KindTokenRejected,
			words: []string{"refused a token that was minted a moment ago", "revoked"}, advice: []string{"lakebase roles show dev@example.com"}, skipped: afterLogin},
		{name: "login jwt_expired", retry: true, faults: login("jwt_expired"), check: "login", kind: lakebase.KindTokenRejected,
			words: []string{"had expired", "server's clock"}, advice: again},
		{name: "login identity", faults: login("identity"), check: "login", kind: lakebase.KindTokenRejected,
			words: []string{"not tied to that identity"}, advice: []string{"lakebase roles show"}},
		{name: "login decode", faults: login("decode"), check: "login", kind: lakebase.KindTokenRejected,
			words: []string{"does not take the password for a token", "another workspace"}, advice: []string{"export DATABRICKS_HOST="}},
		{name: "login jwt", faults: login("jwt"), check: "login", kind: lakebase.KindTokenRejected,
			words: []string{"does not take the password for a token"}, advice: []string{"export DATABRICKS_HOST="}},
		{name: "login audience", faults: login("audience"), check: "login", kind: lakebase.KindTokenRejected,
			words: []string{"from another workspace"}, advice: []string{"DATABRICKS_HOST sets it"}},
		{name: "login password", retry: true, faults: login("password"), check: "login", kind: lakebase.KindTokenRejected,
			words: []string{"a token of the role's own identity", "being revoked"}, advice: []string{"try again in a minute"}},
		{name: "login authorization", faults: login("authorization"), check: "login", kind: lakebase.KindTokenRejected,
			words: []string{"refused a token"}, advice: []string{"lakebase roles show"}},
		{name: "login too_many_connections", faults: login("too_many_connections"), check: "login", kind: lakebase.KindTooManyConnections, retry: true,
			words: []string{"the server has no connection left"}, advice: []string{"export DB_POOL_SIZE="}},
		{name: "login endpoint_too_many", faults: login("endpoint_too_many"), check: "login", kind: lakebase.KindTooManyConnections, retry: true,
			words: []string{"the endpoint has no connection left"}, advice: []string{"export DB_POOL_SIZE="}},
		{name: "login starting", faults: login("starting"), check: "login", kind: lakebase.KindUnavailable, retry: true,
			words: []string{"starting or failing over", "400ms"}, advice: []string{"$ lakebase wait"}},
		{name: "login role_missing", faults: login("role_missing"), check: "login", kind: lakebase.KindRoleMissing,
			words: []string{`no role "dev@example.com"`, "permission for the instance creates no role"}, advice: []string{"lakebase roles create dev@example.com --kind user"}},
		{name: "login database_missing", faults: login("database_missing"), check: "login", kind: lakebase.KindNotFound,
			words: []string{`no database "databricks_postgres"`}, advice: []string{"name one that exists"}},
		{name: "login no_connect", faults: login("no_connect"), check: "login", kind: lakebase.KindPermissionDenied,
			words: []string{"may not connect", "CONNECT"}, advice: []string{"lakebase roles grant dev@example.com --read --database databricks_postgres"}},
		{name: "login disabled", faults: login("disabled"), check: "login", kind: lakebase.KindUnavailable,
			words: []string{"the endpoint is disabled"}, advice: []string{"enable it"}},
		{name: "login closed", faults: login("closed"), check: "login", kind: lakebase.KindUnavailable, retry: true,
			words: []string{"closed the connection during the login", "native login is off"}, advice: again},
		{name: "login hangs", retry: true, faults: login("hang"), check: "login", hangs: true, kind: lakebase.KindConnectFailed,
			words: []string{"did not finish the login in 300ms"}, advice: again},
		{name: "reset at startup", faults: reset("startup"), check: "login", kind: lakebase.KindUnavailable, retry: true, words: []string{"closed the connection during the login"}},
		{name: "reset at auth", faults: reset("auth"), check: "login", kind: lakebase.KindUnavailable, retry: true, words: []string{"closed the connection during the login"}},
		{name: "reset at ready", faults: reset("ready"), check: "login", kind: lakebase.KindUnavailable, retry: true, words: []string{"closed the connection during the login"}},
		{name: "reset in a query", faults: reset("query"), check: "role", words: []string{"session was lost"}, retry: true},
	}
	for _, d := range table {
		t.Run(d.name, func(t *testing.T) {
			setFaults(t, s, d.faults)
			d.verify(t)
		})
	}
	covered := map[string]bool{}
	for _, d := range table {
		covered[d.faults.Login.Kind], covered[d.faults.TLS.Mode], covered[d.faults.Network.ResetAt] = true, true, true
	}
	for _, kind := range everyFault(t, s) {
		if !covered[kind] {
			t.Errorf("no diagnosis of the fault %q is tested", kind)
		}
	}
}

// everyFault reads the kinds of faults from the error for one that does not
// exist, so that a new one cannot be forgotten here.
func everyFault(t *testing.T, s *local.Server) []string {
	t.Helper()
	var words []string
	for _, f := range []local.Faults{login("?"), tlsMode("?"), reset("?")} {
		err := s.SetFaults(f)
		if err == nil {
			t.Fatalf("a fault that does not exist is accepted: %+v", f)
		}
		_, list, _ := strings.Cut(err.Error(), "use one of ")
		words = append(words, strings.Split(list, ", ")...)
	}
	if len(words) < 25 {
		t.Fatalf("only %d faults: %q", len(words), words)
	}
	return words
}
