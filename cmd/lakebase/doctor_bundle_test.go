package main

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
)

// A bundle that is a zip holds what its parts should, for their owner alone.
func TestDoctorBundleZip(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "report.ZIP")
	stdout, stderr, code := newProgram(t).run("doctor", "--slow", "0", "--bundle", file, "-v")
	if code != command.ExitOK {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	parts := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", f.Name, f.Mode())
		}
		parts[f.Name] = string(text)
	}
	for name, want := range map[string]string{
		"report.txt": "all is well", "report.json": `"status": "ok"`, "environment.txt": "  DATABRICKS_TOKEN\n", "log.txt": "",
	} {
		if text, ok := parts[name]; !ok || !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%s", name, want, text)
		}
	}
	everything := fmt.Sprint(parts) + stdout + stderr
	if strings.Contains(everything, shared(t).ready.Env["DATABRICKS_TOKEN"]) || strings.Contains(everything, "eyJ") {
		t.Error("a secret is in the output or the bundle")
	}
}
