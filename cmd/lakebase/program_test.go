package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli"
)

// sharedLocal is the local Lakebase of all tests that set no faults and change no
// states. TestMain stops it.
var sharedLocal struct {
	sync.Once
	process *localProcess
	dir     string
	err     error
}

// program runs lakebase in an environment that leads to a local Lakebase, and to
// nothing else on the machine.
type program struct {
	t     *testing.T
	env   []string
	stdin string
}

func newProgram(t *testing.T) *program {
	t.Helper()
	return &program{t: t, env: localEnvironment(t, shared(t))}
}

// shared returns the shared local Lakebase. It has the instance shop, which is
// the default target, and the project my-project.
func shared(t *testing.T) *localProcess {
	t.Helper()
	s := &sharedLocal
	s.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "lakebase-cli-"); s.err != nil {
			return
		}
		if s.err = os.Chmod(s.dir, 0o711); s.err == nil {
			s.process, s.err = newLocalProcess(os.Environ(), "--data-dir", filepath.Join(s.dir, "data"), "--port", "0", "--instance", "shop", "--project", "my-project")
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.process
}

// stopSharedLocal stops it after the tests.
func stopSharedLocal() error {
	s := &sharedLocal
	var err error
	if s.process != nil {
		err = s.process.stop()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// keptVariables are the variables that the program needs anywhere.
func keptVariables() []string {
	var env []string
	for _, name := range []string{"PATH", "TMPDIR", "GORACE"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// localEnvironment has the variables for a client of p, and a home directory of
// the test's own.
func localEnvironment(t *testing.T, p *localProcess) []string {
	env := append(keptVariables(), "HOME="+t.TempDir(), "TERM=xterm", "NO_COLOR=1")
	for name, value := range p.ready.Env {
		env = append(env, name+"="+value)
	}
	return env
}

// with returns a program with more variables.
func (c *program) with(variables ...string) *program {
	return &program{t: c.t, env: append(append([]string{}, c.env...), variables...), stdin: c.stdin}
}

// without returns a program that lacks a variable.
func (c *program) without(name string) *program {
	var env []string
	for _, item := range c.env {
		if !strings.HasPrefix(item, name+"=") {
			env = append(env, item)
		}
	}
	return &program{t: c.t, env: env, stdin: c.stdin}
}

// command returns the program as a process of its own.
func (c *program) command(args ...string) *exec.Cmd {
	cmd := exec.Command("lakebase", args...)
	cmd.Env = c.env
	return cmd
}

// run runs a command line to its end, in the process of a runner.
func (c *program) run(args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	r := newRunner(c.t)
	got, ok := <-r.start(c.t, call{Args: args, Env: c.env, Stdin: c.stdin})
	if !ok {
		c.t.Fatalf("lakebase %q ended its process\n%s", args, &r.stderr)
	}
	r.release()
	return got.Stdout, got.Stderr, got.Code
}

// must runs the program, which must succeed, and returns its stdout.
func (c *program) must(args ...string) string {
	c.t.Helper()
	stdout, stderr, code := c.run(args...)
	if code != 0 {
		c.t.Fatalf("lakebase %q: exit code %d\n%s", args, code, stderr)
	}
	return stdout
}

// wantNoSecret fails if text holds a token.
func wantNoSecret(t *testing.T, what, text string) {
	t.Helper()
	if strings.Contains(text, "eyJ") {
		t.Errorf("%s holds a token:\n%s", what, text)
	}
}

// runHere runs a command line in this process.
func runHere(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli.Run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}
