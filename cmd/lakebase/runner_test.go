package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// runner is a process that runs one command line after another, as main does but for
// signals, with the race detector. The environment belongs to a process, and to start
// one for each command line takes most of the tests' processor time.
type runner struct {
	cmd     *exec.Cmd
	calls   *json.Encoder
	close   func() error // ends it after its last call
	results *json.Decoder
	stderr  testkit.Buffer // of the process itself
	killed  bool
}

// call is a command line for a runner. One without arguments cancels the context of
// the one that runs.
type call struct {
	Args, Env  []string
	Dir, Stdin string
}

// result is what a command line printed and its exit code.
type result struct {
	Stdout, Stderr string
	Code           int
}

// runners are all that were started, and those that run nothing.
var runners struct {
	sync.Mutex
	all, idle []*runner
}

// runCalls is the program of a runner.
func runCalls() {
	home, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	calls, results := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	stop := func() {}
	for {
		var c call
		if calls.Decode(&c) != nil {
			return
		}
		if len(c.Args) == 0 {
			stop()
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		stop = cancel
		go func() {
			defer cancel()
			os.Clearenv()
			for _, item := range c.Env {
				name, value, _ := strings.Cut(item, "=")
				os.Setenv(name, value)
			}
			dir := c.Dir
			if dir == "" {
				dir = home
			}
			if err := os.Chdir(dir); err != nil {
				panic(err)
			}
			var r result
			var out, errs testkit.Buffer // programs and log lines write at once
			r.Code = cli.Run(ctx, c.Args, strings.NewReader(c.Stdin), &out, &errs)
			r.Stdout, r.Stderr = out.String(), errs.String()
			if err := results.Encode(r); err != nil {
				panic(err)
			}
		}()
	}
}

// newRunner returns a runner that runs nothing, until it is released.
func newRunner(t *testing.T) *runner {
	t.Helper()
	runners.Lock()
	defer runners.Unlock()
	if last := len(runners.idle) - 1; last >= 0 {
		r := runners.idle[last]
		runners.idle = runners.idle[:last]
		return r
	}
	r := &runner{cmd: exec.Command("lakebase-runner")}
	// A race ends the process, and so fails the call.
	r.cmd.Env, r.cmd.Stderr = append(os.Environ(), "GORACE="+os.Getenv("GORACE")+" halt_on_error=1"), &r.stderr
	stdin, err := r.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := r.cmd.StdoutPipe()
	if err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	r.calls, r.close, r.results = json.NewEncoder(stdin), stdin.Close, json.NewDecoder(stdout)
	runners.all = append(runners.all, r)
	return r
}

// start runs a command line. The channel has its result, or is closed if the process
// ended.
func (r *runner) start(t *testing.T, c call) <-chan result {
	t.Helper()
	ended := make(chan result, 1)
	c.Env = (&exec.Cmd{Env: c.Env, Dir: c.Dir}).Environ() // with what a process cannot do without, on Windows
	if err := r.calls.Encode(c); err != nil {
		t.Fatalf("%v\n%s", err, &r.stderr)
	}
	go func() {
		defer close(ended)
		var got result
		if r.results.Decode(&got) == nil {
			ended <- got
		}
	}()
	return ended
}

// interrupt cancels the context of the command line that runs, if one does.
func (r *runner) interrupt() { _ = r.calls.Encode(call{}) } // the process may have ended

// kill ends the process, whose command line hangs.
func (r *runner) kill() {
	r.killed = true
	_ = r.cmd.Process.Kill() // it may have ended
}

// release returns a runner that runs nothing, for others.
func (r *runner) release() {
	runners.Lock()
	defer runners.Unlock()
	if !r.killed {
		runners.idle = append(runners.idle, r)
	}
}

// stopRunners stops the runners after the tests. A race or an output of a process
// itself is an error.
func stopRunners() error {
	var all error
	for _, r := range runners.all {
		err := errors.Join(r.close(), r.cmd.Wait())
		if text := r.stderr.String(); err != nil || text != "" {
			all = errors.Join(all, fmt.Errorf("a runner: %w\n%s", err, text))
		}
	}
	return all
}
