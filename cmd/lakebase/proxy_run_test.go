package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// proxyProcess is a `lakebase proxy` that runs as a process of its own.
type proxyProcess struct {
	cmd    *exec.Cmd
	ready  proxyReadiness
	stderr *bytes.Buffer
}

// startProxy runs `lakebase proxy ARGS` beside a local Lakebase until it is ready.
func startProxy(t *testing.T, args ...string) *proxyProcess {
	t.Helper()
	database := startLocal(t, "--data-dir", filepath.Join(openDir(t), "data"), "--port", "0")
	p := &proxyProcess{cmd: exec.Command("lakebase", append([]string{"proxy", "-o", "json", "--listen", "127.0.0.1:0"}, args...)...), stderr: &bytes.Buffer{}}
	p.cmd.Env = os.Environ()
	for name, value := range database.ready.Env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it has ended unless the test failed
	watchdog := time.AfterFunc(60*time.Second, func() { _ = p.cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	watchdog.Stop()
	if err != nil || json.Unmarshal(line, &p.ready) != nil {
		t.Fatalf("lakebase proxy never got ready: %q, %v", line, err)
	}
	return p
}

func (p *proxyProcess) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.ready.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // a second close does no harm
	return conn
}

func (p *proxyProcess) signal(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// The first signal waits for the open transaction and ends everyone else.
func TestProxyDrains(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "--unix-dir", filepath.Join(openDir(t), "s"))
	busy, idle := p.connect(t), p.connect(t)
	mustExec(t, busy, "BEGIN")
	p.signal(t)
	if _, err := idle.PgConn().Frontend().Receive(); err != nil { // its last words
		t.Fatal(err)
	}
	mustExec(t, busy, "SELECT 1")
	mustExec(t, busy, "COMMIT")
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr)
	}
	if left, err := filepath.Glob(p.ready.UnixDir + "/.s.*"); err != nil || len(left) > 0 {
		t.Error("left behind:", left, err)
	}
	if strings.Contains(p.stderr.String(), "eyJ") {
		t.Error("a token is on stderr")
	}
}

// The second ends that too.
func TestProxySecondSignalForces(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	busy, idle := p.connect(t), p.connect(t)
	mustExec(t, busy, "BEGIN")
	p.signal(t)
	if _, err := idle.PgConn().Frontend().Receive(); err != nil {
		t.Fatal(err)
	}
	p.signal(t)
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr)
	}
	if !strings.Contains(p.stderr.String(), "some sessions were cut off") {
		t.Error(p.stderr)
	}
}

func mustExec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
