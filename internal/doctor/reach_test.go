package doctor_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/local"
)

// noResolver begins the summary for a name without an address. Whether no
// resolver "knows" it or none "could look" it up depends on the machine's own
// name servers, which are asked as well and may be slower than a diagnosis.
const noResolver = "no resolver "

// wantResolversResult verifies that the diagnosis of a name without an address
// agrees with the resolvers' answers.
func wantResolversResult(t *testing.T, report *doctor.Report) {
	t.Helper()
	dns := resultOf(report, "dns")
	if dns.Status != doctor.Failed {
		return
	}
	summary, meaning := "no resolver knows ", "does not exist"
	for _, d := range dns.Details {
		if d.Name != "error" && !strings.HasPrefix(d.Value, "no such host") {
			summary, meaning = "no resolver could look ", "fail or do not answer"
		}
	}
	if !strings.HasPrefix(dns.Summary, summary) || !strings.Contains(dns.Meaning, meaning) {
		t.Errorf("want %q and %q\n%s", summary, meaning, describe(report))
	}
}

// TestDiagnosisOfNames is about host names that look like the service's and
// resolve through one name server only.
func TestDiagnosisOfNames(t *testing.T) {
	s := start(t, "my-instance", local.Options{HostNames: local.ServiceNames})
	var direct, pooled string
	for _, e := range s.Status().Endpoints {
		if e.Target == endpointPath {
			direct, pooled = e.Host, e.PooledHost
		}
	}
	static := func(host, user, password string) map[string]string {
		u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: host + ":" + s.PostgresAddr()[strings.LastIndex(s.PostgresAddr(), ":")+1:], Path: "/databricks_postgres"}
		return map[string]string{"LAKEBASE_PG_URL": u.String() + "?sslmode=verify-full"}
	}
	token, err := s.Mint(local.MintOptions{Target: "my-project"})
	if err != nil {
		t.Fatal(err)
	}
	enableNativeLogin(t, s)
	execute(t, session(t, endpointPath), "CREATE ROLE app LOGIN PASSWORD 'correct horse'")
	after := []string{"tcp", "tls", "login"}
	table := []diagnosis{
		{name: "one name server knows", check: "dns", status: doctor.Warning,
			words: []string{"the system's resolver does not know instance-", "the name server 127.0.0.1:"}, advice: []string{"repair the system's resolver"}},
		{name: "servfail", faults: nameServer("servfail"), check: "dns", kind: lakebase.KindDNS, retry: true,
			words: []string{"no resolver could look instance-", "fail or do not answer"}, advice: []string{"correct LAKEBASE_DNS_SERVERS", "export LAKEBASE_DNS_SERVERS="}, skipped: after},
		{name: "nxdomain", faults: nameServer("nxdomain"), check: "dns", kind: lakebase.KindDNS, retry: true,
			words: []string{noResolver, "instance-"}, skipped: after},
		{name: "no answer", faults: nameServer("timeout"), check: "dns", hangs: true, kind: lakebase.KindDNS, retry: true,
			words: []string{"no resolver could look instance-"}, advice: []string{"correct LAKEBASE_DNS_SERVERS"}, skipped: after},
		{name: "the only name server that knows is not configured", env: map[string]string{"LAKEBASE_DNS_SERVERS": ""}, check: "dns", kind: lakebase.KindDNS, retry: true,
			words: []string{noResolver}},
		{name: "wrong host", env: map[string]string{"PGHOST": "nowhere.invalid"}, check: "dns", kind: lakebase.KindDNS, retry: true,
			words: []string{noResolver, "nowhere.invalid"}, advice: []string{"let the workspace name the host", "unset PGHOST"}, skipped: after},
		{name: "another target's host", env: map[string]string{"LAKEBASE_HOST": direct}, check: "login", kind: lakebase.KindTokenRejected,
			words: []string{"from another workspace, or for another endpoint"}, advice: []string{"let the workspace name the host", "unset LAKEBASE_HOST"}},
		{name: "the host by its address", env: map[string]string{"LAKEBASE_HOST": "127.0.0.1"}, check: "login",
			words: []string{"could not tell which endpoint"}, advice: []string{"unset LAKEBASE_HOST"}},
		{name: "wrong authority file", env: map[string]string{"PGSSLROOTCERT": foreignRoot(t)}, check: "tls", kind: lakebase.KindTLS,
			words: []string{"an authority that is not trusted here", "Local Lakebase"}, advice: []string{"lakebase local env"}},
		{name: "no authority file", env: map[string]string{"PGSSLROOTCERT": ""}, check: "tls", kind: lakebase.KindTLS,
			words: []string{"an authority that is not trusted here"}, advice: []string{"lakebase local env"}},
		{name: "port closed", env: map[string]string{"PGPORT": "1"}, check: "tcp", kind: lakebase.KindUnavailable, retry: true,
			words: []string{":1: connection refused"}, advice: []string{"lakebase local status"}, skipped: []string{"tls", "login", "role"}},
		{name: "pooler with a token in the URL", env: static(pooled, s.User(), token), faults: local.Faults{Login: local.LoginFault{NoPooledTokens: true}}, check: "login", kind: lakebase.KindConnectFailed,
			words: []string{"refused the user"}, skipped: afterLogin},
		{name: "pooler with a password in the URL", env: static(pooled, "app", "correct horse"), check: "pooler", status: doctor.Warning,
			words: []string{"transaction mode", "LISTEN"}, advice: []string{direct}},
		{name: "pooler with the role of an identity", env: static(pooled, s.User(), "correct horse"), check: "login", kind: lakebase.KindConnectFailed,
			words: []string{"refused the user", "has no password"}},
		{name: "pooled host", env: map[string]string{"PGHOST": pooled}, check: "login", kind: lakebase.KindTokenRejected,
			words: []string{"the service's pooler does not take the token"}, advice: []string{"the direct host " + direct, "export PGHOST=" + direct}},
	}
	for _, d := range table {
		t.Run(d.name, func(t *testing.T) {
			setFaults(t, s, d.faults)
			wantResolversResult(t, d.verify(t))
		})
	}
	t.Run("a configured host that is not the target's causes a warning", func(t *testing.T) {
		t.Setenv("LAKEBASE_HOST", direct)
		target := resultOf(examine(t, doctor.Options{}), "target")
		if target.Status != doctor.Warning || !strings.Contains(target.Summary, "the configured host is "+direct+", but the workspace names instance-") || target.Command != "unset LAKEBASE_HOST" {
			t.Errorf("%+v", target)
		}
	})
	t.Run("a configured host is checked even if the workspace is unreachable", func(t *testing.T) {
		t.Setenv("LAKEBASE_HOST", s.Status().Endpoints[0].Host)
		setFaults(t, s, api(local.APIFault{Status: 503}))
		report := examine(t, doctor.Options{})
		for name, want := range map[string]doctor.Status{
			"workspace": doctor.Failed, "target": doctor.Skipped, "tcp": doctor.OK, "tls": doctor.OK, "token": doctor.Skipped, "login": doctor.Skipped,
		} {
			if got := resultOf(report, name).Status; got != want {
				t.Errorf("%s is %s, want %s\n%s", name, got, want, describe(report))
			}
		}
	})
}
