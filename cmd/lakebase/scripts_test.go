package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

func TestMain(m *testing.M) {
	if os.Getenv("GORACE") == "" {
		// By default, a program with the race detector waits for a second
		// before it ends. The tests run this one some hundred times.
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	testscript.Main(withSharedLocal{m}, map[string]func(){"lakebase": main, "lakebase-runner": runCalls})
}

// withSharedLocal stops the processes that the tests share, after them.
type withSharedLocal struct{ *testing.M }

func (w withSharedLocal) Run() int {
	// The tests mostly wait for other processes. -parallel overrides it.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := w.M.Run()
	if err := errors.Join(stopRunners(), stopSharedLocal()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs the built program the way a shell does.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		WorkdirRoot:         testkit.OpenDir(t),
		Setup: func(env *testscript.Env) error {
			cache, err := os.UserCacheDir() // a new data directory is a copy of what is kept there
			env.Setenv("XDG_CACHE_HOME", cache)
			env.Setenv("GORACE", os.Getenv("GORACE"))
			return err
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":       exits,
			"sharedlocal": func(ts *testscript.TestScript, neg bool, args []string) { sharedLocalInScript(t, ts, neg, args) },
			"startlocal":  startLocalInScript,
			"stoplocal":   stopLocalInScript,
		},
	})
}

// exits runs a program and checks its exit code: exits CODE PROGRAM ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v: %v", args[1:], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%v: exit code %d, want %d\n%s", args[1:], got, want, ts.ReadFile("stderr"))
	}
}

// startLocalInScript runs lakebase local with its arguments until it is ready.
func startLocalInScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! startlocal")
	}
	environment := []string{}
	for _, name := range []string{"HOME", "PATH", "TMPDIR", "XDG_CACHE_HOME", "GORACE", "LAKEBASE_LOCAL_DIR"} {
		environment = append(environment, name+"="+ts.Getenv(name))
	}
	p, err := newLocalProcess(environment, args...)
	ts.Check(err)
	ts.Defer(p.kill)
	scriptProcesses.Store(ts.Name(), p)
}

// stopLocalInScript asks it to stop, which must succeed.
func stopLocalInScript(ts *testscript.TestScript, neg bool, args []string) {
	p, ok := scriptProcesses.LoadAndDelete(ts.Name())
	if neg || len(args) > 0 || !ok {
		ts.Fatalf("usage: stoplocal, after startlocal")
	}
	ts.Check(p.(*localProcess).stop())
}

// scriptProcesses holds what each running script has started, by its name.
var scriptProcesses sync.Map

// sharedLocalInScript writes the variables of the shared local Lakebase to a file,
// for a shell to read: sharedlocal FILE.
func sharedLocalInScript(t *testing.T, ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sharedlocal FILE")
	}
	var script strings.Builder
	for name, value := range shared(t).ready.Env {
		fmt.Fprintf(&script, "export %s=%s\n", name, shellword.Of(value))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(script.String()), 0o600))
}
