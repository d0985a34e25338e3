package interop

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// shells are those that complete the command line, as a person starts them who
// has set up nothing, and what that person then types.
var shells = map[string]struct {
	args  []string
	setUp string
}{
	"bash": {[]string{"--norc", "--noprofile", "-i"}, ". /usr/share/bash-completion/bash_completion; source <(lakebase completion bash)"},
	"zsh":  {[]string{"-f", "-i"}, "autoload -U compinit; compinit -D; source <(lakebase completion zsh)"},
	"fish": {[]string{"--no-config", "-i"}, "lakebase completion fish | source"},
}

// The Tab key knows the names that the workspace shows at that time.
func TestShellsCompleteTargets(t *testing.T) {
	needsInstalling(t)
	bin := buildLakebase(t)
	for shell, how := range shells {
		t.Run(shell, func(t *testing.T) {
			record(t, shell, version(t, shell), "completes commands and targets")
			variables, err := server.Env("")
			if err != nil {
				t.Fatal(err)
			}
			env := []string{"TERM=vt100"}
			for _, v := range variables {
				env = append(env, v.Name+"="+v.Value)
			}
			cmd := program(t, env, shell, how.args...)
			for i, item := range cmd.Env {
				if name, value, _ := strings.Cut(item, "="); name == "PATH" {
					cmd.Env[i] = "PATH=" + bin + string(os.PathListSeparator) + value
				}
			}
			s := onTerminal(t, cmd)
			// What is typed is echoed: the shell has read it once the words
			// appear joined.
			s.types(how.setUp + "; echo set''up\r")
			s.shows("setup")

			s.types("lakebase env projects/second-i")
			s.completes("\t", "nstance")
			s.types("\r")
			s.shows("argument") // what env says of the name that it was given

			s.types("lakebase psql ")
			s.completes("\t\t", "projects/"+instance+"/", "projects/second-instance/", endpoint)
			s.types("\x15") // Ctrl-U, an empty line
			s.types("lakebase targ")
			s.completes("\t", "ets")
			s.types("\x15exit\r")
			s.ends()
		})
	}
}

// The manual pages are what man(7) says a page is. They have no date, so that
// they are the same today and tomorrow.
func TestManualPages(t *testing.T) {
	needsInstalling(t)
	record(t, "mandoc", "", "finds nothing wrong with the manual pages")
	pages := t.TempDir()
	succeed(t, program(t, nil, filepath.Join(buildLakebase(t), "lakebase"), "man", pages))
	names, err := filepath.Glob(filepath.Join(pages, "man1", "*.1"))
	if err != nil || len(names) < 20 {
		t.Fatalf("%d pages: %v", len(names), err)
	}
	o := finish(t, program(t, nil, "mandoc", append([]string{"-T", "lint", "-W", "warning"}, names...)...))
	for line := range strings.Lines(o.stdout + o.stderr) {
		if !strings.Contains(line, "missing date") {
			t.Error(strings.TrimSpace(line))
		}
	}
	if shown := succeed(t, program(t, nil, "mandoc", "-T", "utf8", filepath.Join(pages, "man1", "lakebase-query.1"))).stdout; !strings.Contains(shown, "130  interrupted") {
		t.Errorf("the page of query has no exit codes:\n%s", shown)
	}
}

// buildLakebase builds the command line and returns the directory it is in.
func buildLakebase(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "lakebase"), "./cmd/lakebase")
	build.Dir = ".." // its module
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build lakebase: %v\n%s", err, out)
	}
	return dir
}

// session is a program on a terminal of its own.
type session struct {
	t     *testing.T
	cmd   *exec.Cmd
	tty   io.ReadWriteCloser
	ended chan struct{}

	mu     sync.Mutex
	screen strings.Builder
	seen   int // bytes of what it shows, without escapes, that were waited for
}

func onTerminal(t *testing.T, cmd *exec.Cmd) *session {
	t.Helper()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 150, Rows: 40})
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, cmd: cmd, tty: tty, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		buffer := make([]byte, 4096)
		for {
			n, err := tty.Read(buffer)
			s.mu.Lock()
			s.screen.Write(buffer[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended unless the test failed
		tty.Close()
		<-s.ended
	})
	return s
}

// escapes are what moves the cursor and colours the text.
var escapes = regexp.MustCompile(`\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[()][A-Z0-9]|\][^\x07]*\x07|[=>78])`)

// shows waits until all of words are there after what was waited for before,
// in any order.
func (s *session) shows(words ...string) {
	s.t.Helper()
	if text, ok := s.showsWithin(30*time.Second, words...); !ok {
		s.t.Fatalf("the terminal does not show %q:\n%q", words, text)
	}
}

// completes presses keys until all of words are there. A completion that takes
// longer than its time, as it may on a busy machine, gives up in silence.
func (s *session) completes(keys string, words ...string) {
	s.t.Helper()
	var text string
	for range 6 {
		s.types(keys)
		var ok bool
		if text, ok = s.showsWithin(5*time.Second, words...); ok {
			return
		}
	}
	s.t.Fatalf("Tab does not show %q:\n%q", words, text)
}

// showsWithin returns what the terminal shows, and whether words came in time.
func (s *session) showsWithin(patience time.Duration, words ...string) (string, bool) {
	deadline := time.Now().Add(patience)
	for {
		s.mu.Lock()
		text := escapes.ReplaceAllString(s.screen.String(), "")
		s.mu.Unlock()
		all, end := true, s.seen
		for _, word := range words {
			at := strings.Index(text[min(s.seen, len(text)):], word)
			all = all && at >= 0
			end = max(end, s.seen+at+len(word))
		}
		if all {
			s.seen = end
		}
		if all || time.Now().After(deadline) {
			return looksSecret.ReplaceAllString(text, "[token]"), all
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *session) types(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.tty, keys); err != nil {
		s.t.Fatal(err)
	}
}

// ends waits for the end of the program.
func (s *session) ends() {
	s.t.Helper()
	watchdog := time.AfterFunc(30*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer watchdog.Stop()
	if err := s.cmd.Wait(); err != nil {
		s.t.Error(err)
	}
}
