package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/local"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// localProcess is a `lakebase local` that runs as a process of its own.
type localProcess struct {
	cmd    *exec.Cmd
	ready  local.Ready
	line   []byte // that says it is ready
	stderr *bytes.Buffer
	ended  chan error
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

// newLocalProcess is startLocal for those who have no test at hand.
func newLocalProcess(environment []string, args ...string) (*localProcess, error) {
	p := &localProcess{stderr: &bytes.Buffer{}, ended: make(chan error, 1)}
	p.cmd = exec.Command("lakebase", append([]string{"local", "-o", "json"}, args...)...)
	p.cmd.Env = environment
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	watchdog := time.AfterFunc(60*time.Second, func() { _ = p.cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	watchdog.Stop()
	go func() { p.ended <- p.cmd.Wait() }()
	if err != nil {
		p.wait()
		return nil, fmt.Errorf("lakebase local %v never got ready: %w\n%s", args, err, p.stderr)
	}
	p.line = line
	return p, json.Unmarshal(line, &p.ready)
}

// stop asks for a clean end and returns how it ended.
func (p *localProcess) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.wait()
}

// kill ends it without a chance to clean up.
func (p *localProcess) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	p.wait()
}

// wait returns how the process ended, any number of times.
func (p *localProcess) wait() error {
	err := <-p.ended
	p.ended <- err
	return err
}

// connect logs in as a program does that has the process's variables.
func (p *localProcess) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	for name, value := range p.ready.Env {
		t.Setenv(name, value)
	}
	conn, err := lakebase.Connect(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // a second close does no harm
	return conn
}

func TestLocalKeepsData(t *testing.T) {
	dir := filepath.Join(testkit.OpenDir(t), "data")
	first := startLocal(t, "--data-dir", dir, "--port", "0", "--instance", "one", "--log-level", "debug")
	conn := first.connect(t)
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 42 AS answer"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	second := exec.Command("lakebase", "local", "--data-dir", dir, "--port", "0", "--instance", "one")
	if output, err := second.CombinedOutput(); err == nil || !strings.Contains(string(output), "lakebase: ") {
		t.Errorf("a second one on the same data ended with %v:\n%s", err, output)
	}
	if err := first.stop(); err != nil {
		t.Fatalf("%v\n%s", err, first.stderr)
	}

	if log := first.stderr.String(); strings.Contains(log, first.ready.Env["DATABRICKS_TOKEN"]) || strings.Contains(log, "eyJ") {
		t.Errorf("the log holds a token:\n%s", log)
	}

	again := startLocal(t, "--data-dir", dir, "--port", "0", "--instance", "one")
	t.Logf("restart on existing data: %d ms", again.ready.ReadyMS)
	var answer int
	if err := again.connect(t).QueryRow(t.Context(), "SELECT answer FROM kept").Scan(&answer); err != nil || answer != 42 {
		t.Errorf("the table holds %d, %v", answer, err)
	}
}

func TestLocalManyAtOnce(t *testing.T) {
	const count = 10
	var starts sync.WaitGroup
	processes, errs := make([]*localProcess, count), make([]error, count)
	for i := range count {
		starts.Go(func() { processes[i], errs[i] = newLocalProcess(os.Environ(), "--ephemeral", "--instance", "one") })
	}
	starts.Wait()
	for _, p := range processes {
		if p != nil {
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
