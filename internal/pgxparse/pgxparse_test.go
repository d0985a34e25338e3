package pgxparse

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A service that need not exist has no say, and the string keeps its own.
func TestWithoutService(t *testing.T) {
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
			conn, err := Conn(source)
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
			if _, err := Pool(source); err != nil {
				t.Errorf("PGSERVICE=%s, %s: %v", service, source, err)
			}
		}
	}
	if left, err := os.ReadDir(awkward); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestNoPlaceForAService(t *testing.T) {
	t.Setenv("PGSERVICE", "nowhere")
	t.Setenv("TMPDIR", "/nowhere")
	t.Setenv("TMP", "/nowhere")
	if _, err := Conn("host=h"); err == nil || !strings.Contains(err.Error(), "PGSERVICE cannot be set aside") {
		t.Errorf("error %v", err)
	}
}
