//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/proxy"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// endsWithin is how soon a command ends after a signal.
const endsWithin = 5 * time.Second

// party is what a command talks to.
type party string

const (
	workspace party = "the workspace"
	database  party = "the database"
	control   party = "a running local Lakebase"
	ownLocal  party = "its own local Lakebase, whose clients' queries hang"
)

// waits has every command, an example of its arguments, and what it waits for. A
// command that waits for none ends by itself.
var waits = map[string]struct {
	arguments string
	parties   []party
}{
	"lakebase":                         {},
	"lakebase completion":              {},
	"lakebase completion bash":         {},
	"lakebase completion fish":         {},
	"lakebase completion powershell":   {},
	"lakebase completion zsh":          {},
	"lakebase demo":                    {"", []party{ownLocal}},
	"lakebase doctor":                  {"", []party{workspace, database}},
	"lakebase env":                     {},
	"lakebase exec":                    {"-- psql -Xc select", []party{workspace, database}},
	"lakebase local":                   {"--ephemeral --port 0 -o json", []party{ownLocal}},
	"lakebase local app":               {"shop", []party{control}},
	"lakebase local env":               {"", []party{control}},
	"lakebase local failover":          {"", []party{control}},
	"lakebase local faults":            {"", []party{control}},
	"lakebase local faults clear":      {"", []party{control}},
	"lakebase local faults set":        {"tokens.lifetime=1h", []party{control}},
	"lakebase local native-login":      {"", []party{control}},
	"lakebase local principals":        {"", []party{control}},
	"lakebase local principals create": {"ends", []party{control}},
	"lakebase local read-only":         {"", []party{control}},
	"lakebase local reset":             {},
	"lakebase local start":             {"", []party{control}},
	"lakebase local status":            {"", []party{control}},
	"lakebase local stop":              {"", []party{control}},
	"lakebase local suspend":           {"", []party{control}},
	"lakebase man":                     {"pages", nil},
	"lakebase proxy":                   {"--listen 127.0.0.1:0 -o json --drain-timeout 1s", []party{workspace, database}},
	"lakebase psql":                    {"-Xc select", []party{workspace, database}},
	"lakebase query":                   {"select", []party{workspace, database}},
	"lakebase roles":                   {},
	"lakebase roles adopt":             {"ends@example.com --schema public --yes", []party{workspace, database}},
	"lakebase roles create":            {"ends@example.com", []party{workspace, database}},
	"lakebase roles grant":             {"ends@example.com --read", []party{workspace, database}},
	"lakebase roles list":              {"", []party{workspace, database}},
	"lakebase roles revoke":            {"ends@example.com --read", []party{workspace, database}},
	"lakebase roles show":              {"dev@example.com", []party{workspace, database}},
	"lakebase targets":                 {"", []party{workspace}},
	"lakebase token":                   {"", []party{workspace}},
	"lakebase url":                     {"", []party{workspace}},
	"lakebase version":                 {},
	"lakebase wait":                    {"", []party{workspace, database}},
}

// A command ends soon after a signal, whatever stops answering, and at whichever of
// its requests and messages.
func TestCommandsEndWhileNothingAnswers(t *testing.T) {
	t.Parallel()
	s := newSilenced(t)
	dir := filepath.Join(testkit.OpenDir(t), "data")
	s.controlled, s.env = startLocal(t, "--data-dir", dir, "--port", "0"), slices.Clip(append(s.env, "LAKEBASE_LOCAL_DIR="+dir))
	known := map[string]bool{}
	for _, cmd := range cli.Commands(cli.New(&terminal.Streams{})) {
		path := cmd.CommandPath()
		row, ok := waits[path]
		if known[path] = true; !ok {
			t.Errorf("%s is not in the table: what does it wait for?", path)
			continue
		}
		words := strings.Fields(path)
		args := append(words[1:len(words):len(words)], strings.Fields(row.arguments)...)
		t.Run(strings.Join(words, "_"), func(t *testing.T) {
			t.Parallel()
			if len(row.parties) == 0 {
				p := s.start(t, append(s.env, "DATABRICKS_HOST=http://"+newRelay(t, s.local.ready.PostgresAddr, 0).addr), args)
				p.wantEnd(t, time.Minute, "by itself")
				return
			}
			for _, party := range row.parties {
				if party == ownLocal {
					s.endBesideHangingQueries(t, args)
				} else {
					s.sweep(t, party, args)
				}
			}
		})
	}
	for path := range waits {
		if !known[path] {
			t.Errorf("%s is not a command", path)
		}
	}
}

// silenced are local Lakebases that stop answering.
type silenced struct {
	local      *localProcess
	env        []string
	controlled *localProcess // by the commands for that
	leading    sync.Mutex    // them to an address
}

func newSilenced(t *testing.T) *silenced {
	return &silenced{local: shared(t), env: slices.Clip(localEnvironment(t, shared(t)))}
}

// silence returns the variables that lead to a party which stops answering after so
// many messages.
func (s *silenced) silence(t *testing.T, party party, messages int) (*relay, []string) {
	if party == database {
		r := newRelay(t, s.local.ready.PostgresAddr, messages)
		_, port, _ := net.SplitHostPort(r.addr)
		return r, append(s.env, "PGPORT="+port)
	}
	r := newRelay(t, strings.TrimPrefix(s.local.ready.WorkspaceURL, "http://"), messages)
	return r, append(s.env, "DATABRICKS_HOST=http://"+r.addr)
}

// sweep runs a command again and again, while a party stops answering after one
// message more each time, until it never does. The first run is a process that gets a
// signal, and so is each of a command that handles signals itself.
func (s *silenced) sweep(t *testing.T, party party, args []string) {
	if party == control {
		s.leading.Lock()
		defer s.leading.Unlock()
	}
	ownSignals := slices.Contains([]string{"exec", "psql", "proxy"}, args[0])
	runner := newRunner(t)
	defer runner.release()
	for n := range 100 {
		r, env := s.silence(t, party, n)
		if party == control {
			r = newRelay(t, strings.TrimPrefix(s.controlled.ready.WorkspaceURL, "http://"), n)
			s.leadControl(t, r.addr)
		}
		var p *run
		if ownSignals || n == 0 {
			p = s.start(t, env, args)
		} else {
			p = s.startIn(runner, t, env, args)
		}
		held := false
		select {
		case <-r.silent:
			held = true
		case <-p.ended:
		case <-p.served:
		case <-time.After(time.Minute):
			t.Errorf("it neither sends message %d to %s nor ends", n, party)
		}
		sig := os.Signal(syscall.SIGTERM)
		if (party == database) != (n%2 == 1) && args[0] != "exec" && args[0] != "psql" { // psql takes it for the end of a statement
			sig = os.Interrupt
		}
		p.signal(sig)
		p.wantEnd(t, endsWithin, "after", sig, "at message", n, "to", party)
		r.end() // a runner keeps connections for a while that a process's end would close
		if !held {
			if n == 0 {
				t.Errorf("the command does not wait for %s", party)
			}
			return
		}
	}
	t.Error("it is held by every message")
}

// endBesideHangingQueries runs a command that has a local Lakebase of its own, and ends
// it while queries of its clients hang.
func (s *silenced) endBesideHangingQueries(t *testing.T, args []string) {
	dir := testkit.OpenDir(t)
	p := s.start(t, append(s.env, "TMPDIR="+dir), args)
	var dataDir string
	testkit.EventuallyWithin(t, 30*time.Second, "it runs", func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, "*", "run.json"))
		if len(found) > 0 {
			dataDir = filepath.Dir(found[0])
		}
		return len(found) > 0
	})
	in := &program{t: t, env: append(keptVariables(), "LAKEBASE_LOCAL_DIR="+dataDir)}
	if args[0] == "local" {
		var variables map[string]string
		if err := json.Unmarshal([]byte(in.must("local", "env", "-o", "json")), &variables); err != nil {
			t.Fatal(err)
		}
		for name, value := range variables {
			in.env = append(in.env, name+"="+value)
		}
		s.start(t, in.env, []string{"query", "SELECT pg_sleep(600)"})
	}
	testkit.EventuallyWithin(t, 30*time.Second, "clients are connected", func() bool {
		var status local.Status
		err := json.Unmarshal([]byte(in.must("local", "status", "-o", "json")), &status)
		return err == nil && status.Stats.Logins > 0 && status.Stats.Connections > 0
	})
	in.must("local", "faults", "set", "network.blackhole=true")
	p.signal(syscall.SIGTERM)
	p.wantEnd(t, endsWithin, "after SIGTERM while queries hang")
}

// leadControl leads the commands that control the local Lakebase to another address.
func (s *silenced) leadControl(t *testing.T, addr string) {
	t.Helper()
	file := filepath.Join(s.controlled.ready.DataDir, "run.json")
	var runtime local.Runtime
	document := []byte(readFile(t, file))
	err := json.Unmarshal(document, &runtime)
	if err == nil {
		runtime.WorkspaceURL = "http://" + addr
		document, err = json.Marshal(runtime)
	}
	if err == nil {
		err = os.WriteFile(file, document, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run is one run of a command.
type run struct {
	args   []string
	signal func(os.Signal)
	kill   func()
	stderr testkit.Buffer
	ended  chan struct{} // closed
	code   int           // once it has ended
	served chan struct{} // closed when a client of the proxy had its answer
}

func newRun(t *testing.T, args []string) *run {
	p := &run{args: args, ended: make(chan struct{}), served: make(chan struct{})}
	t.Cleanup(func() { p.kill() })
	return p
}

// start runs a command as a process of its own.
func (s *silenced) start(t *testing.T, env, args []string) *run {
	t.Helper()
	p, cmd := newRun(t, args), exec.Command("lakebase", args...)
	cmd.Dir, cmd.Env, cmd.Stderr = t.TempDir(), env, &p.stderr
	p.signal = func(s os.Signal) { _ = cmd.Process.Signal(s) } // it may have ended
	p.kill = func() { p.signal(os.Kill) }
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		out := bufio.NewReader(stdout)
		if line, _ := out.ReadBytes('\n'); len(args) > 0 && args[0] == "proxy" {
			p.query(line)
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // the exit code is what matters
		p.code = cmd.ProcessState.ExitCode()
	}()
	return p
}

// startIn runs a command in the process of a runner, where a signal is the end of the
// context that main passes on.
func (s *silenced) startIn(r *runner, t *testing.T, env, args []string) *run {
	t.Helper()
	p := newRun(t, args)
	p.signal = func(os.Signal) { r.interrupt() }
	p.kill = func() {
		select {
		case <-p.ended:
		default:
			r.kill()
		}
	}
	results := r.start(t, call{Args: args, Env: env, Dir: t.TempDir()})
	go func() {
		defer close(p.ended)
		got, ok := <-results
		if !ok {
			got = result{Stderr: r.stderr.String(), Code: -1}
		}
		_, _ = p.stderr.Write([]byte(got.Stderr))
		p.code = got.Code
	}()
	return p
}

// query is the client of a proxy that is ready.
func (p *run) query(line []byte) {
	var ready proxy.Readiness
	if json.Unmarshal(line, &ready) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, ready.URL)
	if err == nil {
		_, err = conn.Exec(ctx, "SELECT 1")
	}
	if err == nil {
		close(p.served)
	}
}

// wantEnd fails unless the command ends in time.
func (p *run) wantEnd(t *testing.T, limit time.Duration, when ...any) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		t.Errorf("%q has not ended within %s %s\n%s", p.args, limit, fmt.Sprintln(when...), &p.stderr)
		p.kill()
		<-p.ended
	}
}

// A deadline that the user gives holds, whatever does not answer.
func TestDeadlinesHoldWhileNothingAnswers(t *testing.T) {
	t.Parallel()
	s := newSilenced(t)
	for _, row := range []struct {
		arguments string
		code      int
	}{
		{"wait --timeout 1s", command.ExitRetry},
		{"doctor --timeout 1s --wake-timeout 1s", command.ExitRetry},
		{"query select", command.ExitRetry},
		{"roles list", command.ExitRetry},
		{"token", command.ExitRetry},
		{"url", command.ExitRetry},
		{"psql -Xc select", 2}, // psql's
		{"__complete wait x", command.ExitOK},
	} {
		for name, from := range map[string]struct {
			party    party
			messages int
		}{"the workspace": {workspace, 0}, "a login to the workspace": {workspace, 1}, "the database": {database, 0}, "a login": {database, 3}} {
			t.Run(row.arguments+"/"+name, func(t *testing.T) {
				t.Parallel()
				r, env := s.silence(t, from.party, from.messages)
				runner := newRunner(t)
				defer runner.release()
				p := s.startIn(runner, t, append(env, "PGCONNECT_TIMEOUT=1"), strings.Fields(row.arguments))
				p.wantEnd(t, 15*time.Second, "although its deadline is 1s, in", name)
				select {
				case <-r.silent:
					if p.code != row.code {
						t.Errorf("exit code %d, want %d\n%s", p.code, row.code, &p.stderr)
					}
				default: // it does not need it
				}
			})
		}
	}
}

// relay passes connections on to a server until clients have sent so many
// messages. Then it passes nothing on but the end of a connection, which would
// otherwise hold locks.
type relay struct {
	addr, server string
	left         atomic.Int64
	silent       chan struct{} // closed when it passes nothing on any more
	once         sync.Once
	over         context.Context
	end          context.CancelFunc // ends its connections
}

func newRelay(t *testing.T, server string, messages int) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: listener.Addr().String(), server: server, silent: make(chan struct{})}
	r.over, r.end = context.WithCancel(context.Background())
	context.AfterFunc(r.over, func() { listener.Close() })
	t.Cleanup(r.end)
	r.left.Store(int64(messages))
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(client)
		}
	}()
	return r
}

func (r *relay) serve(client net.Conn) {
	defer client.Close()
	upstream, err := net.Dial("tcp", r.server)
	if err != nil {
		return
	}
	defer upstream.Close()
	defer context.AfterFunc(r.over, func() { client.Close(); upstream.Close() })()
	var both sync.WaitGroup
	defer both.Wait()
	both.Go(func() { r.pass(upstream, client, func() bool { return r.left.Add(-1) >= 0 }) })
	both.Go(func() { r.pass(client, upstream, func() bool { return r.left.Load() >= 0 }) })
}

// pass passes on what it reads while it may.
func (r *relay) pass(to, from net.Conn, may func() bool) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !may() {
			r.once.Do(func() { close(r.silent) })
			n = 0
		}
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			to.Close()
			return
		}
	}
}
