package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// daemon is a command of this program that runs in a process of its own until it
// is stopped, and prints a line of JSON once it is ready.
type daemon struct {
	cmd    *exec.Cmd
	line   []byte // printed once it was ready
	stderr *testkit.Buffer
	ended  chan error
}

// startDaemon runs a command until it is ready, and decodes its line.
func startDaemon(environment []string, ready any, args ...string) (*daemon, error) {
	cmd := exec.Command("lakebase", args...)
	cmd.Env = environment
	return startDaemonCommand(cmd, ready)
}

func startDaemonCommand(cmd *exec.Cmd, ready any) (*daemon, error) {
	d := &daemon{cmd: cmd, stderr: &testkit.Buffer{}, ended: make(chan error, 1)}
	d.cmd.Stderr = d.stderr
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	watchdog := time.AfterFunc(60*time.Second, func() { _ = d.cmd.Process.Kill() })
	d.line, err = bufio.NewReader(stdout).ReadBytes('\n')
	watchdog.Stop()
	go func() { d.ended <- d.cmd.Wait() }()
	if err == nil {
		err = json.Unmarshal(d.line, ready)
	}
	if err != nil {
		d.kill()
		return nil, fmt.Errorf("%v was never ready: %w\n%s", cmd.Args, err, d.stderr)
	}
	return d, nil
}

func (d *daemon) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// stop asks the process to end, and returns how it ended.
func (d *daemon) stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return d.wait()
}

// kill ends the process at once. It may have ended already.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	_ = d.wait()
}

// wait returns how the process ended, any number of times.
func (d *daemon) wait() error {
	err := <-d.ended
	d.ended <- err
	return err
}

// end waits until the process has ended, which must be with exit code 0 and
// without a token on stderr.
func (d *daemon) end(t *testing.T) {
	t.Helper()
	watchdog := time.AfterFunc(60*time.Second, func() { _ = d.cmd.Process.Kill() })
	defer watchdog.Stop()
	if err := d.wait(); err != nil {
		t.Fatalf("%v\n%s", err, d.stderr)
	}
	if strings.Contains(d.stderr.String(), "eyJ") {
		t.Error("a token is on stderr")
	}
}
