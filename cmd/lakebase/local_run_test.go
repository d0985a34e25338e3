package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/local"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// localProcess is a `lakebase local` in a process of its own.
type localProcess struct {
	*daemon
	ready local.Ready
}

// startLocal runs `lakebase local ARGS` until it is ready. It is stopped with
// the test unless the test does so.
func startLocal(t *testing.T, args ...string) *localProcess {
	t.Helper()
	p, err := newLocalProcess(os.Environ(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// newLocalProcess is startLocal without a test.
func newLocalProcess(environment []string, args ...string) (*localProcess, error) {
	p := &localProcess{}
	var err error
	p.daemon, err = startDaemon(environment, &p.ready, append([]string{"local", "-o", "json"}, args...)...)
	return p, err
}

func TestLocalKeepsData(t *testing.T) {
	t.Parallel()
	args := []string{"--data-dir", filepath.Join(testkit.OpenDir(t), "data"), "--port", "0", "--instance", "one"}
	first := startLocal(t, append(args, "--log-level", "debug")...)
	(&program{t: t, env: localEnvironment(t, first)}).must("query", "CREATE TABLE kept AS SELECT 42 AS answer")
	second := exec.Command("lakebase", append([]string{"local"}, args...)...)
	if output, err := second.CombinedOutput(); err == nil || !strings.Contains(string(output), "lakebase: ") {
		t.Errorf("a second one on the same data ended with %v:\n%s", err, output)
	}
	if err := first.stop(); err != nil {
		t.Fatalf("%v\n%s", err, first.stderr)
	}
	if log := first.stderr.String(); strings.Contains(log, first.ready.Env["DATABRICKS_TOKEN"]) || strings.Contains(log, "eyJ") {
		t.Errorf("the log holds a token:\n%s", log)
	}
	again := startLocal(t, args...)
	t.Logf("restart on existing data: %d ms", again.ready.ReadyMS)
	c := &program{t: t, env: localEnvironment(t, again)}
	if got := c.must("query", "-q", "-o", "csv", "SELECT answer FROM kept"); got != "answer\n42\n" {
		t.Errorf("the table holds %q", got)
	}
}

func TestLocalManyAtOnce(t *testing.T) {
	t.Parallel()
	const count = 6
	var starts sync.WaitGroup
	processes, errs := make([]*localProcess, count), make([]error, count)
	for i := range count {
		starts.Go(func() { processes[i], errs[i] = newLocalProcess(os.Environ(), "--ephemeral", "--instance", "one") })
	}
	starts.Wait()
	for _, p := range processes {
		if p.daemon != nil {
			t.Cleanup(p.kill)
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	taken := map[string]bool{}
	for _, p := range processes {
		if taken[p.ready.PostgresAddr] || taken[p.ready.WorkspaceURL] {
			t.Errorf("address given twice: %s, %s", p.ready.PostgresAddr, p.ready.WorkspaceURL)
		}
		taken[p.ready.PostgresAddr], taken[p.ready.WorkspaceURL] = true, true
	}
	var stops sync.WaitGroup
	for _, p := range processes {
		stops.Go(func() {
			if err := p.stop(); err != nil {
				t.Errorf("%v\n%s", err, p.stderr)
			}
		})
	}
	stops.Wait()
}
