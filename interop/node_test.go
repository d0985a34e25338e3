package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const nodeLakebase = "@databricks/lakebase"

// node runs one of the scripts in node/.
func node(t *testing.T, env []string, script string) *exec.Cmd {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("node", script))
	if err != nil {
		t.Fatal(err)
	}
	return program(t, env, "node", file)
}

// packageVersion is the version of an installed Node package, which must be
// the one that package.json names.
func packageVersion(t *testing.T, name string) string {
	t.Helper()
	needsInstalling(t)
	var wanted struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	readJSON(t, "node/package.json", &wanted)
	var installed struct {
		Version string `json:"version"`
	}
	readJSON(t, filepath.Join("node/node_modules", name, "package.json"), &installed)
	if installed.Version != wanted.Dependencies[name] {
		t.Fatalf("%s %s is installed, not %s: run `sh interop/prepare.sh`", name, installed.Version, wanted.Dependencies[name])
	}
	return installed.Version
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run `sh interop/prepare.sh`", err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// nodeEnv has the settings of the official client: the endpoint and the login.
func nodeEnv(t *testing.T, login ...string) []string {
	t.Helper()
	a := addressOf(t, endpoint)
	return append([]string{
		"DATABRICKS_HOST=" + server.WorkspaceURL(), "LAKEBASE_ENDPOINT=" + endpoint,
		"PGHOST=" + a.host, "PGPORT=" + a.port, "PGDATABASE=" + databaseName,
		"NODE_EXTRA_CA_CERTS=" + a.root,
	}, login...)
}

func TestNodeLakebase(t *testing.T) {
	record(t, nodeLakebase, packageVersion(t, nodeLakebase), "10 connections at once with 1 credential call: personal token and machine to machine")
	admitServicePrincipal(t)
	clientID, secret := server.ServicePrincipal()
	tests := []struct {
		name, role string
		login      []string
	}{
		{"personal token", user, []string{"DATABRICKS_TOKEN=" + server.Token()}},
		{"machine to machine", clientID, []string{"DATABRICKS_CLIENT_ID=" + clientID, "DATABRICKS_CLIENT_SECRET=" + secret}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := nodeEnv(t, test.login...)
			before := server.Stats()
			o := succeed(t, node(t, env, "lakebase.mjs"))
			after := server.Stats()
			var got struct {
				User     string
				Sessions []struct {
					Role string
					PID  int
					Sum  int
				}
			}
			if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
				t.Fatalf("%v in %q, %s", err, o.stdout, o.stderr)
			}
			if got.User != test.role {
				t.Errorf("the client takes itself for %q, not %q", got.User, test.role)
			}
			pids := map[int]bool{}
			for _, s := range got.Sessions {
				if s.Role != test.role || s.Sum != 42 {
					t.Errorf("a session is %+v", s)
				}
				pids[s.PID] = true
			}
			if len(pids) != 10 {
				t.Errorf("there were %d sessions, not 10", len(pids))
			}
			if calls := after.CredentialCalls - before.CredentialCalls; calls != 1 {
				t.Errorf("ten connections took %d credential calls, not 1", calls)
			}
			if logins := after.Logins - before.Logins; logins != 10 {
				t.Errorf("the server counted %d token logins, not 10", logins)
			}
		})
	}
}

func TestNodeLakebaseWithoutRoot(t *testing.T) {
	record(t, nodeLakebase, packageVersion(t, nodeLakebase), "refuses the server where its root is not trusted; sends no password")
	env := append(nodeEnv(t, "DATABRICKS_TOKEN="+server.Token()), "NODE_EXTRA_CA_CERTS="+otherRoot(t))
	before := server.Stats().PasswordBytes
	o := finish(t, node(t, env, "lakebase.mjs"))
	if o.code == 0 || !strings.Contains(o.stderr, "certificate") {
		t.Errorf("node ended with %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	if sent := server.Stats().PasswordBytes - before; sent != 0 {
		t.Errorf("node sent %d bytes of password to a server it does not trust", sent)
	}
}

// TestNodeAppkit starts a service with appkit's own lakebase plugin, in the environment
// of an app. It queries as the service and on behalf of a user.
func TestNodeAppkit(t *testing.T) {
	const appkit = "@databricks/appkit"
	record(t, appkit, packageVersion(t, appkit), "a service by its lakebase plugin: queries as the app, and on behalf of a user")
	vars, err := server.App(t.Context(), "appkit-app", endpoint, "")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		"LAKEBASE_ENDPOINT=" + endpoint, "NODE_EXTRA_CA_CERTS=" + server.RootCertFile(), "NODE_ENV=production",
		"INTEROP_USER=" + user, "INTEROP_USER_TOKEN=" + server.Token(),
	}
	app := ""
	for _, v := range vars {
		if v.Value != "" {
			env = append(env, v.Name+"="+v.Value)
		}
		if v.Name == "PGUSER" {
			app = v.Value
		}
	}
	o := succeed(t, node(t, env, "appkit.mjs"))
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n") // the log comes first
	want := `{"service":{"role":"` + app + `","sum":42},"user":{"role":"` + user + `","sum":42}}`
	if got := lines[len(lines)-1]; got != want {
		t.Errorf("appkit reports %s, not %s", got, want)
	}
}

func TestNodePg(t *testing.T) {
	record(t, "pg", packageVersion(t, "pg"), "token login; named statement, error, transaction: instance and endpoint")
	for _, target := range []string{instance, endpoint} {
		a := addressOf(t, target)
		o := succeed(t, node(t, append(a.libpq(credential(t, target)), "NODE_EXTRA_CA_CERTS="+a.root), "pg.mjs"))
		want := `{"role":"` + user + `","said":"hello","refused":"22012","sum":500500}`
		if got := strings.TrimSpace(o.stdout); got != want {
			t.Errorf("%s: node-postgres reports %s, not %s", target, got, want)
		}
	}
}
