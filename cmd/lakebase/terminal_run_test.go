//go:build unix

package main

import (
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is a program on a terminal of its own.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  io.ReadWriteCloser
	ends chan struct{}

	mu     sync.Mutex
	screen strings.Builder // everything that was written to it
	seen   int             // of which a test has waited for so much
}

// onTerminal runs the program on a terminal of that size.
func (c *cli) onTerminal(columns, rows uint16, args ...string) *terminal {
	c.t.Helper()
	return c.start(c.command(args...), columns, rows)
}

func (c *cli) start(cmd *exec.Cmd, columns, rows uint16) *terminal {
	c.t.Helper()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: columns, Rows: rows})
	if err != nil {
		c.t.Fatal(err)
	}
	w := &terminal{t: c.t, cmd: cmd, tty: tty, ends: make(chan struct{})}
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
func (w *terminal) shows(text string) {
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

func (w *terminal) types(keys string) {
	w.t.Helper()
	if _, err := io.WriteString(w.tty, keys); err != nil {
		w.t.Fatal(err)
	}
}

// exits waits for the end of the program and checks its exit code.
func (w *terminal) exits(want int) {
	w.t.Helper()
	watchdog := time.AfterFunc(30*time.Second, func() { _ = w.cmd.Process.Kill() })
	defer watchdog.Stop()
	_ = w.cmd.Wait() // its exit code says it
	<-w.ends
	if code := w.cmd.ProcessState.ExitCode(); code != want {
		w.t.Errorf("exit code %d, want %d\n%s", code, want, w.all())
	}
}

func (w *terminal) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.screen.String()
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	up    = "\x1b[A"
	down  = "\x1b[B"
)

func TestTerminalCtrlCInQuery(t *testing.T) {
	t.Parallel()
	w := newCLI(t).onTerminal(80, 24, "query", "select pg_sleep(600)")
	w.shows("1 s; Ctrl-C cancels")
	w.types(ctrlC)
	w.shows("cancelled after ")
	w.exits(exitInterrupted)
}

// The progress line never wraps, and rows take its place.
func TestTerminalProgress(t *testing.T) {
	t.Parallel()
	w := newCLI(t).onTerminal(12, 24, "query", "-q", "select pg_sleep(1.5), 'done' as a")
	w.shows("\r1 s; Ctrl-C\x1b[K")
	w.shows("\r\x1b[K")
	w.shows("done")
	w.exits(exitOK)
}

func TestTerminalCopyFromKeyboard(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	w := c.onTerminal(80, 24, "query", "create temp table k (a text); copy k from stdin; select count(*), max(a) from k")
	w.shows("Ctrl-D on a line of its own")
	w.types("typed\n" + ctrlD)
	w.shows("1 | typed")
	w.exits(exitOK)

	w = c.onTerminal(80, 24, "query", "create temp table k (a text); copy k from stdin")
	w.shows("Ctrl-D on a line of its own")
	w.types("typed\n" + ctrlC)
	w.shows("cancelled after ")
	w.exits(exitInterrupted)
}

func TestTerminalCtrlCInPsql(t *testing.T) {
	t.Parallel()
	w := newCLI(t).onTerminal(80, 24, "psql", "--", "-X", "-n")
	w.shows("=> ")
	w.types("do $$ begin raise notice '%', 'be' || 'gun'; perform pg_sleep(600); end $$;\n")
	w.shows("NOTICE:  begun") // before that nothing can be cancelled
	w.types(ctrlC)
	w.shows("=> ")
	w.types("select 'still ' || 'here';\n")
	w.shows("still here")
	w.types("\\q\n")
	w.exits(exitOK)
}

func TestTerminalPicker(t *testing.T) {
	t.Parallel()
	c := newCLI(t).without("LAKEBASE_INSTANCE_NAME")
	const second = "projects/my-project/branches/production/endpoints/primary"
	for keys, want := range map[string]string{
		"\r":               "Connecting to shop;",
		down + "\r":        "Connecting to " + second,
		down + up + "\r":   "Connecting to shop;",
		"2\r":              "Connecting to " + second,
		"2k\r":             "Connecting to shop;",
		"\x1bOB\r":         "Connecting to " + second,
		"9\r":              "Connecting to shop;",
		"\x1b[F\r":         "Connecting to " + second,
		"\x1b[6~\x1b[5~\r": "Connecting to shop;",
		"jjjx\x1b[Z\r":     "Connecting to " + second,
	} {
		w := c.onTerminal(100, 24, "query", "-q", "select 'pic' || 'ked' as a")
		w.shows("to leave")
		w.types(keys)
		w.shows(want)
		w.shows("picked")
		w.exits(exitOK)
	}
	for _, key := range []string{"q", ctrlC, ctrlD} {
		w := c.onTerminal(100, 24, "psql")
		w.shows("to leave")
		w.types(key)
		w.exits(exitInterrupted)
		if !strings.HasSuffix(w.all(), mainScreen) {
			t.Errorf("%q: the terminal is left on its other screen: %q", key, w.all())
		}
	}
	// Nothing is asked where no terminal is there to ask on.
	if _, stderr, code := c.run("query", "select 1"); code != exitUsage || !strings.Contains(stderr, "nothing says what to connect to") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// A narrow terminal shows the beginning of each line, a low one a part of them.
func TestTerminalPickerFits(t *testing.T) {
	t.Parallel()
	c := newCLI(t).without("LAKEBASE_INSTANCE_NAME")
	w := c.onTerminal(20, 5, "query", "select 1")
	w.shows("Up and Down or a nu")
	w.types("q")
	w.exits(exitInterrupted)
	screen := strings.TrimPrefix(strings.SplitN(w.all(), clearedFirst, 2)[1], clearedFirst)
	screen, _, _ = strings.Cut(screen, mainScreen)
	lines := strings.Split(screen, "\r\n")
	if len(lines) != 3 || strings.TrimRight(lines[1], " ") != "> 1  shop" {
		t.Errorf("%q", lines)
	}
	for _, l := range lines {
		if len(l) > 19 {
			t.Errorf("%q is too long for 20 columns", l)
		}
	}
}

// Lines fit into a narrow terminal, and a wide one shows all of them.
func TestTerminalWidths(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	unnamed := c.without("LAKEBASE_INSTANCE_NAME")
	table := c.must("targets")
	for _, columns := range []uint16{40, 200} {
		w := unnamed.onTerminal(columns, 24, "query", "select 1")
		w.shows("> 1  shop")
		w.types(down)
		w.shows("> 2  projects/my-project/")
		w.types("q")
		w.exits(exitInterrupted)
		screen, _, _ := strings.Cut(w.all(), mainScreen)
		for line := range strings.SplitSeq(screen[strings.LastIndex(screen, clearedFirst)+len(clearedFirst):], "\r\n") {
			if n := len([]rune(line)); n >= int(columns) {
				t.Errorf("at %d, %d characters: %q", columns, n, line)
			}
		}
		if whole := strings.Contains(screen, "projects/my-project/branches/production/endpoints/primary"); whole != (columns == 200) {
			t.Errorf("at %d: the second line is shown whole: %v\n%q", columns, whole, screen)
		}

		// What a table says is a result: it is never cut.
		w = c.onTerminal(columns, 24, "targets")
		w.exits(exitOK)
		shown := strings.ReplaceAll(w.all(), "\r\n", "\n")
		if _, after, waited := strings.Cut(shown, "\x1b[K"); waited {
			shown = after // the line that says what is waited for
		}
		if shown != table {
			t.Errorf("at %d, the table is\n%q\nwant\n%q", columns, shown, table)
		}
	}
}

func TestTerminalShellWithoutPsql(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	lakebase, err := exec.LookPath("lakebase")
	if err != nil {
		t.Fatal(err)
	}
	c = c.with("PATH=/nowhere")
	cmd := c.command("psql")
	cmd.Path, cmd.Err = lakebase, nil
	w := c.start(cmd, 80, 24)
	w.shows("a small shell instead")
	w.shows("databricks_postgres=> ")
	w.types("select 'a;\rb' as x;\r")
	w.shows("databricks_postgres-> ")
	w.shows("(1 row, ")
	w.types("select pg_sleep(600);\r")
	w.shows("; Ctrl-C cancels")
	w.types(ctrlC)
	w.shows("cancelled after ")
	w.shows("=> ")
	w.types("dropped" + ctrlC)
	w.shows("^C")
	w.types("begin; select oops;\r")
	w.shows(`column "oops" does not exist`)
	w.shows("databricks_postgres=!> ")
	w.types("rollback;\r")
	w.shows("databricks_postgres=> ")
	w.types("select pg_terminate_backend(pg_backend_pid());\r")
	w.shows("57P01")
	w.types("select 'an' || 'ew';\r")
	w.shows("connected anew")
	w.shows("anew\r\n")
	w.types(up + "\r")
	w.shows("anew\r\n")
	w.types("\\?\r")
	w.shows("Ctrl-D   leave")
	w.types(ctrlD)
	w.exits(exitOK)
	wantNoSecret(t, "the screen", w.all())
}
