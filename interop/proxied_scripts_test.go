package interop

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// runScript runs a program that prints a report as one JSON object.
func runScript(t *testing.T, cmd *exec.Cmd) report {
	t.Helper()
	o := succeed(t, cmd)
	var r report
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatalf("%v in %q, %s", err, o.stdout, o.stderr)
	}
	return r
}

func ofPython(driver string) func(*testing.T) string {
	return func(t *testing.T) string {
		_, version := pythonWith(t, driver)
		return version
	}
}

func runPython(driver string) func(*testing.T, *via) report {
	return func(t *testing.T, v *via) report {
		t.Helper()
		python, _ := pythonWith(t, driver)
		script, err := filepath.Abs("python/proxied.py")
		if err != nil {
			t.Fatal(err)
		}
		return runScript(t, program(t, v.env(), python, script, driver))
	}
}

func runNode(t *testing.T, v *via) report {
	t.Helper()
	return runScript(t, node(t, v.env(), "proxied.mjs"))
}

// jdbcDriver is where Debian's package has it; its own name tells the version.
const jdbcDriver = "/usr/share/java/postgresql.jar"

func ofJDBC(t *testing.T) string {
	t.Helper()
	needsInstalling(t)
	file, err := filepath.EvalSymlinks(jdbcDriver)
	if err != nil {
		t.Fatalf("%v: run `sh interop/prepare.sh`", err)
	}
	return regexp.MustCompile(`\d+(\.\d+)+`).FindString(filepath.Base(file))
}

func runJava(t *testing.T, v *via) report {
	t.Helper()
	source, err := filepath.Abs("java/Proxied.java")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	succeed(t, program(t, nil, "javac", "-Xlint:all,-serial", "-Werror", "-cp", jdbcDriver, "-d", dir, source))
	return runScript(t, program(t, v.env(), "java", "-XX:TieredStopAtLevel=1", "-cp", strings.Join([]string{dir, jdbcDriver}, ":"), "Proxied"))
}
