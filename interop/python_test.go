package interop

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestPython(t *testing.T) {
	type report struct {
		Role      string `json:"role"`
		Sum       int    `json:"sum"`
		Refused   string `json:"refused"`
		Copied    bool   `json:"copied"`
		Pipelined int    `json:"pipelined"`
	}
	tests := []struct {
		driver, did string
		want        report
	}{
		{"psycopg2", "token login; parameters, error, COPY both ways: instance and endpoint",
			report{Role: user, Sum: 42, Refused: "22012", Copied: true}},
		{"psycopg", "the same, and pipeline mode",
			report{Role: user, Sum: 42, Refused: "22012", Copied: true, Pipelined: 9900}},
	}
	script, err := filepath.Abs("python/clients.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.driver, func(t *testing.T) {
			python, version := pythonWith(t, test.driver)
			record(t, test.driver, version, test.did)
			for _, target := range []string{instance, endpoint} {
				env := addressOf(t, target).libpq(credential(t, target))
				o := succeed(t, program(t, env, python, script, test.driver))
				var got report
				if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
					t.Fatal(err)
				}
				if got != test.want {
					t.Errorf("%s: %s reports %+v, not %+v", target, test.driver, got, test.want)
				}
			}
		})
	}
}

// pythonWith finds the Python that has the driver: the system's, which
// packages install into, may not be the first on the PATH.
func pythonWith(t *testing.T, driver string) (python, version string) {
	t.Helper()
	needsInstalling(t)
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if _, err := exec.LookPath(python); err != nil {
			continue
		}
		o := finish(t, program(t, nil, python, "-c", "import "+driver+" as d; print(d.__version__.split()[0])"))
		if o.code == 0 {
			return python, strings.TrimSpace(o.stdout)
		}
	}
	t.Fatalf("there is no Python with %s: run `sh interop/prepare.sh`", driver)
	return "", ""
}
