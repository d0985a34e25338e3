package doctor_test

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/local"
)

// factsOf collects the facts of my-project, by name.
func factsOf(t *testing.T, o doctor.Options) (map[string]doctor.Fact, string) {
	t.Helper()
	o.Target, o.Facts = cmp.Or(o.Target, endpointPath), true
	var tried []string
	o.OnEvent = func(e doctor.Event) {
		if e.Check == "facts" {
			tried = append(tried, e.Note)
		}
	}
	report := examine(t, o)
	facts := map[string]doctor.Fact{}
	for _, f := range report.Facts {
		facts[f.Name] = f
		if f.Outcome == "accepted" || f.Outcome == "refused" {
			if !strings.Contains(strings.Join(tried, "\n"), "trying to "+strings.ReplaceAll(f.Tried, "<", "")) {
				t.Errorf("%q was tried, and not announced: %q", f.Tried, tried)
			}
		}
	}
	return facts, fmt.Sprintf("%+v", report.Facts)
}

// The facts are those of the server: what it accepts, and how it refuses.
func TestFactsAreTheServersOwn(t *testing.T) {
	s := start(t, "my-project", local.Options{HostNames: local.ServiceNames})
	expired, err := s.Mint(local.MintOptions{Target: "my-project", Lifetime: -time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	facts, _ := factsOf(t, doctor.Options{ExpiredToken: expired})
	for name, want := range map[string]doctor.Fact{
		"native login": {Outcome: "off"}, "databricks_auth": {Outcome: "installed, 1.0"}, "token lifetime": {Outcome: "1h0m0s"},
		"token on the direct host": {Outcome: "accepted"}, "token on the pooled host": {Outcome: "accepted"},
		"no such database":              {Outcome: "refused", SQLState: "3D000", Text: `database "lakebase-report-does-not-exist" does not exist`},
		"not a token":                   {Outcome: "refused", SQLState: "XX000", Text: "not a valid JWT encoding"},
		"expired token":                 {Outcome: "refused", SQLState: "XX000", Text: "JWT token has expired"},
		"no TLS":                        {Outcome: "refused", SQLState: "08P01", Text: "Ensure that connection is using SSL"},
		"token with a wrong signature":  {Outcome: "refused", SQLState: "XX000", Text: "jwk not found"},
		"no such role, with a token":    {Outcome: "refused", SQLState: "28P01", Text: "password authentication failed for user 'lakebase-report-does-not-exist'"},
		"no such role, with a password": {Outcome: "refused", SQLState: "28P01", Text: "password authentication failed for user 'lakebase-report-does-not-exist'"},
	} {
		if f, ok := facts[name]; !ok || f.Outcome != want.Outcome || f.SQLState != want.SQLState || !strings.Contains(f.Text, want.Text) {
			t.Errorf("%s: %+v, want %+v", name, f, want)
		}
	}
	if v := facts["server_version"].Outcome; !regexp.MustCompile(`^\d\d`).MatchString(v) {
		t.Errorf("server_version %q", v)
	}
	enableNativeLogin(t, s)
	setFaults(t, s, local.Faults{Login: local.LoginFault{NoPooledTokens: true}})
	facts, _ = factsOf(t, doctor.Options{})
	if f := facts["token on the pooled host"]; f.Outcome != "refused" || !strings.Contains(f.Text, "SASL authentication failed") {
		t.Errorf("%+v", f)
	}
	if f := facts["no such role, with a password"]; facts["native login"].Outcome != "on" || f.SQLState != "28P01" && f.SQLState != "XX000" {
		t.Errorf("%+v, %+v", facts["native login"], f)
	}
	if f := facts["expired token"]; !strings.HasPrefix(f.Outcome, "not tried: ") {
		t.Errorf("%+v", f)
	}
	// A login that fails is a fact, too.
	setFaults(t, s, login("audience"))
	facts, _ = factsOf(t, doctor.Options{})
	if f := facts["failed check login"]; f.Outcome != "token rejected" || f.SQLState == "" || f.Text == "" {
		t.Errorf("%+v", facts)
	}
}

// Names of hosts, addresses, identities and targets are masked.
func TestFactsHoldNoNames(t *testing.T) {
	s := start(t, "my-instance", local.Options{HostNames: local.ServiceNames, Instances: []string{"my-instance"}, Projects: []string{"my-project"}})
	names := []string{s.User(), "dev@", "example.com", "127.0.0", "my-instance", "my-project", "localhost"}
	for _, e := range s.Status().Endpoints {
		names = append(names, e.Host)
	}
	for _, fault := range []string{"", "role_missing", "identity", "no_connect", "password"} {
		for _, target := range []string{endpointPath, "my-instance"} {
			setFaults(t, s, login(fault))
			_, text := factsOf(t, doctor.Options{Target: target})
			for _, name := range names {
				if strings.Contains(strings.ReplaceAll(text, ".invalid", ""), name) {
					t.Errorf("%s, %q: %s is in the facts:\n%s", target, fault, name, text)
				}
			}
		}
	}
	setFaults(t, s, login("role_missing"))
	if _, text := factsOf(t, doctor.Options{Unmasked: true}); !strings.Contains(text, s.User()) {
		t.Errorf("%s is not shown:\n%s", s.User(), text)
	}
}

// The facts leave roles, databases and their privileges as they are.
func TestFactsChangeNothing(t *testing.T) {
	start(t, "my-project", local.Options{})
	conn := session(t, "")
	state := func() (text string) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), `SELECT concat((SELECT string_agg(r::text, ' ' ORDER BY oid) FROM pg_roles r), (SELECT string_agg(d::text, ' ' ORDER BY oid) FROM pg_database d),
			(SELECT string_agg(m::text, ' ' ORDER BY roleid, member) FROM pg_auth_members m), (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_default_acl))`).Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := state()
	facts, _ := factsOf(t, doctor.Options{})
	if after := state(); after != before || len(facts) < 20 {
		t.Errorf("%d facts; before\n%s\nafter\n%s", len(facts), before, after)
	}
}
