package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// program is the lakebase program, built once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lakebase-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "lakebase")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", file, "./cmd/lakebase")
	cmd.Dir, cmd.Stderr = "..", os.Stderr
	return file, cmd.Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if file, _ := program(); file != "" {
		os.RemoveAll(filepath.Dir(file))
	}
	os.Exit(code)
}

// lakebaseCheck has `lakebase proxy --check` read the arguments and the environment of a
// proxy, and returns what it prints.
func lakebaseCheck(t *testing.T, env, args []string) string {
	t.Helper()
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if len(args) == 0 || args[0] != "proxy" {
		t.Fatalf("not a proxy: %q", args)
	}
	cmd := exec.Command(file, append(args, "--check")...)
	cmd.Env = append(env, "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("lakebase %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// tool runs a program that checks a file, and returns its output.
func tool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: `make deploy` installs it", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
