package pgurl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServiceOfTheEnvironmentIsIgnored(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own.conf")
	if err := os.WriteFile(own, []byte("[own]\nuser=ann\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	awkward := filepath.Join(t.TempDir(), `it's a & b\c`)
	if err := os.Mkdir(awkward, 0o700); err != nil {
		t.Skip("this system has no such names: ", err)
	}
	t.Setenv("TMPDIR", awkward)
	for _, service := range []string{"", "nowhere"} {
		t.Setenv("PGSERVICE", service)
		t.Setenv("PGSERVICEFILE", "/nowhere/pg_service.conf")
		for source, user := range map[string]string{
			"host=h port=1 user=u dbname=d sslmode=disable":                                "u",
			"postgres://u@h:1/d":                                                           "u",
			"postgres://u@h:1/d?sslmode=disable":                                           "u",
			"host=h port=1 dbname=d sslmode=disable service=own servicefile='" + own + "'": "ann",
			"postgres://h:1/d?sslmode=disable&service=own&servicefile=" + own:              "ann",
		} {
			conn, err := ConnConfig(source)
			if err != nil {
				t.Errorf("PGSERVICE=%s, %s: %v", service, source, err)
				continue
			}
			if conn.Host != "h" || conn.Port != 1 || conn.Database != "d" || conn.User != user {
				t.Errorf("PGSERVICE=%s, %s: %s@%s:%d/%s", service, source, conn.User, conn.Host, conn.Port, conn.Database)
			}
			for name := range conn.RuntimeParams {
				if strings.Contains(name, "service") {
					t.Errorf("%s: the server is sent %s", source, name)
				}
			}
		}
	}
	if left, err := os.ReadDir(awkward); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestServiceCannotBeSetAside(t *testing.T) {
	t.Setenv("PGSERVICE", "nowhere")
	t.Setenv("TMPDIR", "/nowhere")
	t.Setenv("TMP", "/nowhere")
	if _, err := ConnConfig("host=h"); err == nil || !strings.Contains(err.Error(), "PGSERVICE cannot be set aside") {
		t.Errorf("error %v", err)
	}
}

func TestBlankIgnoresTheEnvironment(t *testing.T) {
	for _, name := range []string{"PGHOST", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PGAPPNAME"} {
		t.Setenv(name, "other")
	}
	for name, bad := range map[string]string{
		"PGPORT": "x", "PGSSLMODE": "x", "PGSSLROOTCERT": "/nowhere", "PGSSLCERT": "/nowhere", "PGSSLKEY": "/nowhere", "PGCONNECT_TIMEOUT": "x",
		"PGSSLNEGOTIATION": "x", "PGCHANNELBINDING": "x", "PGREQUIREAUTH": "x", "PGTARGETSESSIONATTRS": "x", "PGMINPROTOCOLVERSION": "x", "PGMAXPROTOCOLVERSION": "x",
	} {
		t.Setenv(name, bad)
	}
	config, err := Blank()
	if err != nil {
		t.Fatal(err)
	}
	c := config.ConnConfig
	if c.Host != "" || c.User != "" || c.Password != "" || c.Database != "" || c.TLSConfig != nil || len(c.Fallbacks) > 0 || c.ConnectTimeout != 0 {
		t.Errorf("it has %+v", c.Config)
	}
}
