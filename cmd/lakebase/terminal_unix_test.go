//go:build unix

package main

import (
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
)

// screenRun is a program on a terminal of its own.
type screenRun struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  io.ReadWriteCloser
	ends chan struct{}

	mu     sync.Mutex
	screen strings.Builder // everything that was written to it
	seen   int             // of which a test has waited for so much
}

// onTerminal runs the program on a terminal of that size.
func (c *program) onTerminal(columns, rows uint16, args ...string) *screenRun {
	c.t.Helper()
	return c.start(c.command(args...), columns, rows)
}

func (c *program) start(cmd *exec.Cmd, columns, rows uint16) *screenRun {
	c.t.Helper()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: columns, Rows: rows})
	if err != nil {
		c.t.Fatal(err)
	}
	w := &screenRun{t: c.t, cmd: cmd, tty: tty, ends: make(chan struct{})}
	go func() {
		defer close(w.ends)
		buffer := make([]byte, 4096)
		for {
			n, err := tty.Read(buffer)
			w.mu.Lock()
			w.screen.Write(buffer[:n])
			w.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	c.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended unless the test failed
		tty.Close()
	})
	return w
}

// shows waits until text appears after what was waited for before.
func (w *screenRun) shows(text string) {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		w.mu.Lock()
		all := w.screen.String()
		at := strings.Index(all[w.seen:], text)
		if at >= 0 {
			w.seen += at + len(text)
		}
		w.mu.Unlock()
		if at >= 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the terminal does not show %q:\n%s", text, all)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (w *screenRun) types(keys string) {
	w.t.Helper()
	if _, err := io.WriteString(w.tty, keys); err != nil {
		w.t.Fatal(err)
	}
}

// exits waits for the end of the program and checks its exit code.
func (w *screenRun) exits(want int) {
	w.t.Helper()
	watchdog := time.AfterFunc(30*time.Second, func() { _ = w.cmd.Process.Kill() })
	defer watchdog.Stop()
	_ = w.cmd.Wait() // the exit code is checked below
	<-w.ends
	if code := w.cmd.ProcessState.ExitCode(); code != want {
		w.t.Errorf("exit code %d, want %d\n%s", code, want, w.all())
	}
}

func (w *screenRun) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return connecting.ReplaceAllString(w.screen.String(), "")
}

// connecting is the status while a program connects, which is shown and erased where
// that takes more than a second.
var connecting = regexp.MustCompile(`(?:\rconnecting to [^\r\n]*\x1b\[K)+\r\x1b\[K`)

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
)

func TestTerminalCtrlCInQuery(t *testing.T) {
	t.Parallel()
	w := newProgram(t).onTerminal(80, 24, "query", "select pg_sleep(600)")
	w.shows("1 s; Ctrl-C cancels")
	w.types(ctrlC)
	w.shows("cancelled after ")
	w.exits(command.ExitInterrupted)
}

// The progress line never wraps, and rows take its place.
func TestTerminalProgress(t *testing.T) {
	t.Parallel()
	w := newProgram(t).onTerminal(12, 24, "query", "-q", "select pg_sleep(1.5), 'done' as a")
	w.shows("\r1 s; Ctrl-C\x1b[K")
	w.shows("\r\x1b[K")
	w.shows("done")
	w.exits(command.ExitOK)
}

func TestTerminalCopyFromKeyboard(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	w := c.onTerminal(80, 24, "query", "create temp table k (a text); copy k from stdin; select count(*), max(a) from k")
	w.shows("Ctrl-D on a line of its own")
	w.types("typed\n" + ctrlD)
	w.shows("1 | typed")
	w.exits(command.ExitOK)

	w = c.onTerminal(80, 24, "query", "create temp table k (a text); copy k from stdin")
	w.shows("Ctrl-D on a line of its own")
	w.types("typed\n" + ctrlC)
	w.shows("cancelled after ")
	w.exits(command.ExitInterrupted)
}

func TestTerminalCtrlCInPsql(t *testing.T) {
	t.Parallel()
	w := newProgram(t).onTerminal(80, 24, "psql", "-X", "-n")
	w.shows("=> ")
	w.types("do $$ begin raise notice '%', 'be' || 'gun'; perform pg_sleep(600); end $$;\n")
	w.shows("NOTICE:  begun") // before that nothing can be cancelled
	w.types(ctrlC)
	w.shows("=> ")
	w.types("select 'still ' || 'here';\n")
	w.shows("still here")
	w.types("\\q\n")
	w.exits(command.ExitOK)
}

// On a terminal where nothing names a target, a number picks one.
func TestTerminalPicksTargetByNumber(t *testing.T) {
	t.Parallel()
	c := newProgram(t).without("LAKEBASE_INSTANCE_NAME")
	for typed, want := range map[string]string{
		"1\r":              "Connecting to projects/my-project/branches/production/endpoints/primary",
		"2\r":              "Connecting to projects/shop/branches/production/endpoints/primary",
		"0\r\r3\rx\r 1 \r": "Connecting to projects/my-project/",
	} {
		w := c.onTerminal(100, 24, "query", "-q", "select 'pic' || 'ked' as a")
		w.shows("1  projects/my-project/")
		w.shows("2  projects/shop/")
		w.shows("Connect to (1-2): ")
		w.types(typed)
		w.shows(want)
		w.shows("picked")
		w.exits(command.ExitOK)
	}
	for _, key := range []string{ctrlC, ctrlD} {
		w := c.onTerminal(100, 24, "psql")
		w.shows("Connect to (1-2): ")
		w.types(key)
		w.exits(command.ExitInterrupted)
	}
	// Nothing is asked where no terminal is there to ask on.
	if _, stderr, code := c.run("query", "select 1"); code != command.ExitUsage || !strings.Contains(stderr, "nothing says what to connect to") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// A table is the result of a command: it is the same on every terminal.
func TestTerminalKeepsTablesWhole(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	table := c.must("targets")
	for _, columns := range []uint16{40, 200} {
		w := c.onTerminal(columns, 24, "targets")
		w.exits(command.ExitOK)
		shown := strings.ReplaceAll(w.all(), "\r\n", "\n")
		if _, after, waited := strings.Cut(shown, "\x1b[K"); waited {
			shown = after // the status line
		}
		if shown != table {
			t.Errorf("at %d, the table is\n%q\nwant\n%q", columns, shown, table)
		}
	}
}

func TestTerminalAdoptionAsks(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	c.must("query", "create schema asked; create table asked.t (n int)")
	c.must("roles", "create", "asked@example.com")
	owner := func() string {
		return c.must("query", "-o", "csv", "select nspowner::regrole::text as o from pg_namespace where nspname = 'asked'")
	}
	for _, answer := range []struct {
		typed string
		code  int
		owner string
	}{
		{"n\n", command.ExitInterrupted, "dev@example.com"}, {ctrlC, command.ExitInterrupted, "dev@example.com"}, {"y\n", command.ExitOK, "asked@example.com"},
	} {
		w := c.onTerminal(100, 24, "roles", "adopt", "asked@example.com", "--schema", "asked")
		w.shows("ALTER SCHEMA asked OWNER TO")
		w.shows("[y/N]")
		w.types(answer.typed)
		w.exits(answer.code)
		if got := owner(); !strings.Contains(got, answer.owner) {
			t.Errorf("after %q the schema belongs to %s", answer.typed, got)
		}
	}
}
