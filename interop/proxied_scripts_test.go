package interop

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
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

func ofNode(t *testing.T) string { return packageVersion(t, "pg") }

func runNode(t *testing.T, v *via) report {
	t.Helper()
	return runScript(t, node(t, v.env(), "proxied.mjs"))
}

// jdbcDriver is where Debian's package has it, once more under a name with the
// version.
const jdbcDriver = "/usr/share/java/postgresql.jar"

func ofJDBC(t *testing.T) string {
	t.Helper()
	needsInstalling(t)
	files, err := filepath.Glob(filepath.Dir(jdbcDriver) + "/postgresql-[0-9]*.jar")
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no JDBC driver with a version: run `sh interop/prepare.sh` (%v)", err)
	}
	return regexp.MustCompile(`\d+(\.\d+)+`).FindString(files[0])
}

func runJava(t *testing.T, v *via) report {
	t.Helper()
	compileJava.Do(func() {
		source, err := filepath.Abs("java/Proxied.java")
		if err != nil {
			t.Fatal(err)
		}
		classes = filepath.Join(scratch, "classes")
		succeed(t, program(t, nil, "javac", "-Xlint:all,-serial", "-Werror", "-cp", jdbcDriver, "-d", classes, source))
	})
	return runScript(t, program(t, v.env(), "java", "-XX:TieredStopAtLevel=1", "-cp", classes+":"+jdbcDriver, "Proxied"))
}

// compileJava is done by the first test that needs it, into classes.
var (
	compileJava sync.Once
	classes     string
)
