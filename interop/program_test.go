package interop

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// programTimeout ends a program that hangs.
const programTimeout = time.Minute

// outcome is the output and exit code of a program.
type outcome struct {
	stdout, stderr string
	code           int
}

// program makes a command with only these settings and those that every program
// needs. Secrets belong in env, never in args, which other users can read.
func program(t *testing.T, env []string, name string, args ...string) *exec.Cmd {
	t.Helper()
	needsInstalling(t)
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run `sh interop/prepare.sh`", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), programTimeout)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "LC_ALL=C", "TZ=UTC"}, env...)
	cmd.WaitDelay = time.Second
	for _, arg := range args {
		if looksSecret.MatchString(arg) {
			t.Fatalf("a secret among the arguments of %s", name)
		}
	}
	return cmd
}

// needsInstalling skips clients that are not Go modules in the short run. In the
// full run a missing one is a failure.
func needsInstalling(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("clients that have to be installed run without -short: make interop")
	}
}

// looksSecret matches tokens and the workspace's secrets.
var looksSecret = regexp.MustCompile(`ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.|dapi[0-9a-f]{8}|dose[0-9a-f]{8}`)

// finish runs cmd to its end.
func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", cmd.Path, err)
	}
	o := outcome{stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode()}
	if looksSecret.MatchString(o.stdout + o.stderr) {
		t.Fatalf("%s prints a secret", cmd.Path)
	}
	return o
}

// succeed runs cmd, and fails the test if it fails.
func succeed(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	o := finish(t, cmd)
	if o.code != 0 {
		t.Fatalf("%s ended with %d\n%s%s", cmd.Path, o.code, o.stdout, o.stderr)
	}
	return o
}

// version is the part of a program's --version that looks like one.
func version(t *testing.T, name string) string {
	t.Helper()
	o := succeed(t, program(t, nil, name, "--version"))
	found := regexp.MustCompile(`\d+(\.\d+)+`).FindString(o.stdout)
	if found == "" {
		t.Fatalf("%s --version says %q", name, o.stdout)
	}
	return found
}

// moduleVersion is the version that go.mod requires of a Go module; test
// programs carry no record of what they are built with.
func moduleVersion(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\s+` + regexp.QuoteMeta(path) + ` v(\S+)`).FindSubmatch(content)
	if found == nil {
		t.Fatalf("go.mod does not require %s", path)
	}
	return string(found[1])
}
