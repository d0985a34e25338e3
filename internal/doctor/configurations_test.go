package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/local"
)

// fakeToken has the form of a JSON web token, and says when it expires.
func fakeToken(expires time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(fmt.Appendf(nil, `{"sub":"me","exp":%d}`, expires.Unix())) + "." + encode([]byte("nothing"))
}

const accessToken = "dapi0123456789abcdef0123456789abcdef"

// TestDiagnosisOfConfigurations is about settings that are wrong before anything
// is contacted.
func TestDiagnosisOfConfigurations(t *testing.T) {
	shared(t, "my-instance")
	everything := doctor.Names()[1:]
	table := []diagnosis{
		{name: "no target", env: map[string]string{"LAKEBASE_INSTANCE_NAME": ""}, check: "configuration", kind: lakebase.KindBadConfig,
			words: []string{"nothing says what to connect to"}, advice: []string{"name a project", "lakebase targets"}, skipped: everything},
		{name: "instance and endpoint", env: map[string]string{"LAKEBASE_ENDPOINT": endpointPath}, check: "configuration", kind: lakebase.KindBadConfig,
			words: []string{"LAKEBASE_INSTANCE_NAME and LAKEBASE_ENDPOINT", "both are set"}, advice: []string{"unset LAKEBASE_INSTANCE_NAME"}, skipped: everything},
		{name: "URL without a host", env: map[string]string{"LAKEBASE_PG_URL": "postgres:///db"}, check: "configuration", kind: lakebase.KindBadConfig,
			words: []string{"LAKEBASE_PG_URL", "no host"}, advice: []string{"export LAKEBASE_PG_URL="}, skipped: everything},
		{name: "URL with a bad password", env: map[string]string{"LAKEBASE_PG_URL": "postgres://me:pa/ss@host/db"}, check: "configuration", kind: lakebase.KindBadConfig,
			words: []string{"LAKEBASE_PG_URL"}, advice: []string{"% escapes"}},
		{name: "URL as instance", env: map[string]string{"LAKEBASE_INSTANCE_NAME": "https://adb-1.azuredatabricks.net"}, check: "configuration", kind: lakebase.KindBadConfig,
			words: []string{"LAKEBASE_INSTANCE_NAME", "DATABRICKS_HOST"}, advice: []string{"unset LAKEBASE_INSTANCE_NAME"}},
		{name: "number that is none", env: map[string]string{"DB_POOL_SIZE": "many"}, check: "configuration", kind: lakebase.KindBadConfig,
			words: []string{`DB_POOL_SIZE: "many"`, "whole number"}, advice: []string{"unset DB_POOL_SIZE"}},
		{name: "bad target", target: "a b", check: "configuration", kind: lakebase.KindBadConfig,
			words: []string{`target: "a b"`}, advice: []string{"lakebase doctor --help"}},
		{name: "missing root file", env: map[string]string{"PGSSLROOTCERT": "/nowhere/ca.pem"}, check: "configuration", kind: lakebase.KindBadConfig,
			words: []string{"PGSSLROOTCERT: cannot be read"}, advice: []string{"unset PGSSLROOTCERT"}},
		{name: "no place for a service", env: map[string]string{"PGSERVICE": "nowhere", "TMPDIR": "/nowhere"}, check: "configuration", kind: lakebase.KindBadConfig,
			words: []string{"PGSERVICE cannot be set aside"}, advice: []string{"unset PGSERVICE"}},
		{name: "placeholder of another program", env: map[string]string{"DB_PASSWORD": "${secret}", "DB_POOL_SIZE": "500"}, check: "connections", status: doctor.Warning},
		{name: "placeholder", env: map[string]string{"DATABRICKS_CLIENT_SECRET": "${secrets.app.secret}"}, check: "configuration", kind: lakebase.KindBadConfig,
			words: []string{"DATABRICKS_CLIENT_SECRET holds a placeholder"}, advice: []string{"unset DATABRICKS_CLIENT_SECRET"}, skipped: everything},
		{name: "access token in a static URL", env: map[string]string{"LAKEBASE_PG_URL": "postgres://me:" + accessToken + "@localhost/db"}, check: "configuration",
			kind: lakebase.KindBadConfig, words: []string{"personal access token", "database tokens"}, advice: []string{"DATABRICKS_TOKEN", "unset LAKEBASE_PG_URL"}, skipped: everything[3:]},
		{name: "expired token in a static URL", env: map[string]string{"LAKEBASE_PG_URL": "postgres://me:" + fakeToken(time.Now().Add(-2*time.Hour)) + "@localhost/db"},
			check: "configuration", kind: lakebase.KindBadConfig, words: []string{"expired 2h0m", "never renewed"}, advice: []string{"unset LAKEBASE_PG_URL"}},
		{name: "access token in PGPASSWORD", env: map[string]string{"PGPASSWORD": accessToken}, check: "configuration", status: doctor.Warning,
			words: []string{"PGPASSWORD holds a personal access token"}, advice: []string{"unset PGPASSWORD"}},
		{name: "nothing verified", env: map[string]string{"PGSSLMODE": "insecure-skip-verify"}, check: "configuration", status: doctor.Warning,
			words: []string{"sends the token to any server that answers"}, advice: []string{"unset PGSSLMODE"}},
		{name: "large pool", env: map[string]string{"DB_POOL_SIZE": "500"}, check: "connections", status: doctor.Warning,
			words: []string{"may open 510 connections, and 9"}, advice: []string{"export DB_POOL_SIZE=4"}},
	}
	for _, d := range table {
		t.Run(d.name, func(t *testing.T) { d.verify(t) })
	}
}

// asksNameServer makes this process look every name up at s, which has the
// fault, and not at the machine's name servers, which may be slower than a
// diagnosis.
func asksNameServer(s *local.Server, fault string) func(*testing.T) {
	return func(t *testing.T) {
		setFaults(t, s, nameServer(fault))
		nameServerAddr.Store(s.DNSAddr())
		t.Cleanup(func() { nameServerAddr.Store("") })
	}
}

func nameServer(mode string) local.Faults { return local.Faults{DNS: local.DNSFault{Mode: mode}} }

// TestDiagnosisOfLogins is about the login to the workspace.
func TestDiagnosisOfLogins(t *testing.T) {
	s := shared(t, "my-instance")
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html><title>Please log in</title></html>"))
	}))
	t.Cleanup(page.Close)
	_, outsider := s.Outsider()
	noLogin := map[string]string{"DATABRICKS_HOST": "", "DATABRICKS_TOKEN": "", "DATABRICKS_AUTH_TYPE": ""}
	table := []diagnosis{
		{name: "no credentials", env: noLogin, check: "workspace", kind: lakebase.KindWorkspaceAuth,
			words: []string{"no credentials for a workspace"}, advice: []string{"databricks auth login --host"}},
		{name: "missing profile", env: map[string]string{"DATABRICKS_HOST": "", "DATABRICKS_TOKEN": "", "DATABRICKS_AUTH_TYPE": "", "DATABRICKS_CONFIG_PROFILE": "nowhere"},
			arm: profile(s.WorkspaceURL(), "here", s.Token()), check: "workspace", kind: lakebase.KindWorkspaceAuth,
			words: []string{`no profile "nowhere"`}, advice: []string{"databricks auth profiles"}},
		{name: "expired token in a profile", env: map[string]string{"DATABRICKS_HOST": "", "DATABRICKS_TOKEN": "", "DATABRICKS_AUTH_TYPE": "", "DATABRICKS_CONFIG_PROFILE": "here"},
			arm: profile(s.WorkspaceURL(), "here", accessToken), check: "workspace", kind: lakebase.KindWorkspaceAuth,
			words: []string{"does not accept the credentials (401)"}, advice: []string{"profile here", "databricks auth login"}},
		{name: "wrong token", env: map[string]string{"DATABRICKS_TOKEN": accessToken}, check: "workspace", kind: lakebase.KindWorkspaceAuth,
			words: []string{"does not accept the credentials (401)"}, advice: []string{"unset DATABRICKS_TOKEN"}},
		{name: "wrong client secret", env: map[string]string{"DATABRICKS_TOKEN": "", "DATABRICKS_AUTH_TYPE": "", "DATABRICKS_CLIENT_ID": "11111111-2222-3333-4444-555555555555", "DATABRICKS_CLIENT_SECRET": "dose00000000000000000000000000000000"},
			check: "workspace", kind: lakebase.KindWorkspaceAuth, words: []string{"does not accept the credentials"}, advice: []string{"replace the client secret", "unset DATABRICKS_CLIENT_SECRET"}},
		{name: "workspace host that does not exist", env: map[string]string{"DATABRICKS_HOST": "https://nowhere.invalid"}, arm: asksNameServer(s, "nxdomain"), check: "workspace", kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"nowhere.invalid does not resolve", "no name server knows it"}, advice: []string{"DATABRICKS_HOST sets it", "export DATABRICKS_HOST="}},
		{name: "name servers that do not answer", env: map[string]string{"DATABRICKS_HOST": "https://nowhere.invalid"}, arm: asksNameServer(s, "timeout"), check: "workspace", hangs: true, kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"nowhere.invalid does not resolve", "did not answer in 300ms"}, advice: []string{"check the network", "DATABRICKS_HOST sets it"}},
		{name: "nothing at the workspace host", env: map[string]string{"DATABRICKS_HOST": "http://" + closedPort(t)}, check: "workspace", kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"does not answer"}, advice: []string{"DATABRICKS_HOST sets it"}},
		{name: "a web page at the workspace host", env: map[string]string{"DATABRICKS_HOST": page.URL}, check: "workspace", kind: lakebase.KindWorkspaceUnreachable, retry: true,
			words: []string{"the server that answers is not a workspace"}, advice: []string{"DATABRICKS_HOST sets it"}},
		{name: "identity without permission", env: map[string]string{"DATABRICKS_TOKEN": outsider}, check: "target",
			words: []string{"my-instance"}},
		{name: "mistyped instance", target: "my-instnace", check: "target", kind: lakebase.KindNotFound,
			words: []string{"my-instnace does not exist in this workspace"}, advice: []string{"lakebase doctor my-instance"}},
		{name: "missing project", target: "projects/nothing", check: "target", kind: lakebase.KindNotFound,
			words: []string{"projects/nothing does not exist"}, advice: []string{"my-instance, projects/my-project"}},
		{name: "missing endpoint", target: "projects/my-project/branches/production/endpoints/other", check: "target", kind: lakebase.KindNotFound,
			words: []string{"does not exist"}},
		{name: "host that nothing has", target: "ep-a-b.database.eu-west-1.cloud.databricks.com", check: "target", also: "dns", kind: lakebase.KindNotFound,
			words: []string{"nothing that this identity can see has the host"}, advice: []string{"name one of those"}},
		{name: "no read-only host", target: "lakebase://my-instance?read_only=true", check: "target", kind: lakebase.KindNotFound,
			words: []string{"has no read-only host"}, advice: []string{"readable secondaries"}},
	}
	for _, d := range table {
		t.Run(d.name, func(t *testing.T) { d.verify(t) })
	}
}

// profile writes a Databricks profile into the test's home directory.
func profile(host, name, token string) func(*testing.T) {
	return func(t *testing.T) {
		text := fmt.Sprintf("[%s]\nhost = %s\ntoken = %s\n", name, host, token)
		if err := os.WriteFile(filepath.Join(os.Getenv("HOME"), ".databrickscfg"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// closedPort returns an address at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// foreignRoot returns a file with the certificate of an authority that signed
// none of the certificates here.
func foreignRoot(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
