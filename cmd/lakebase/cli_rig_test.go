package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// sharedLocal is a local Lakebase for several tests, which only look at it, or
// make tables of their own. TestMain ends it.
type sharedLocal struct {
	targets []string
	once    sync.Once
	process *localProcess
	dir     string
	err     error
}

// One local Lakebase is for programs, and one for proxies.
var (
	localForPrograms = sharedLocal{targets: []string{"--instance", "shop", "--project", "my-project"}}
	localForProxies  = sharedLocal{targets: []string{"--instance", "my-instance", "--instance", "other"}}
)

// start starts the local Lakebase unless it runs.
func (s *sharedLocal) start(t *testing.T) *localProcess {
	t.Helper()
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "lakebase-cli-"); s.err != nil {
			return
		}
		if s.err = os.Chmod(s.dir, 0o711); s.err == nil {
			s.process, s.err = newLocalProcess(os.Environ(), append([]string{"--data-dir", filepath.Join(s.dir, "data"), "--port", "0"}, s.targets...)...)
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.process
}

// stop ends it with the tests.
func (s *sharedLocal) stop() error {
	var err error
	if s.process != nil {
		err = s.process.stop()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// program runs the program in an environment that leads to the shared local
// Lakebase, and to nothing of the machine's own.
type program struct {
	t     *testing.T
	env   []string
	stdin string
}

func newProgram(t *testing.T) *program {
	t.Helper()
	return &program{t: t, env: localEnvironment(t, localForPrograms.start(t))}
}

// passedOn are the variables that the program needs anywhere.
var passedOn = []string{"PATH", "TMPDIR", "GORACE"}

// localEnvironment is what leads to p, with a home directory of the test's own.
func localEnvironment(t *testing.T, p *localProcess) []string {
	env := []string{"HOME=" + t.TempDir(), "TERM=xterm", "NO_COLOR=1"}
	for _, name := range passedOn {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
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

func (c *program) command(args ...string) *exec.Cmd {
	cmd := exec.Command("lakebase", args...)
	cmd.Env = c.env
	return cmd
}

// run runs the program to its end.
func (c *program) run(args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	cmd := c.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.stdin), &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
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
