//go:build unix

package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
)

// onScreen is what is left to see after every line was written over itself.
func onScreen(raw string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.ReplaceAll(raw, "\r\n", "\n"), "\n") {
		if i := strings.LastIndex(line, "\x1b[K"); i >= 0 {
			line = line[i+len("\x1b[K"):]
		}
		lines = append(lines, strings.TrimLeft(line, "\r"))
	}
	return strings.Join(lines, "\n")
}

var colour = regexp.MustCompile(`\x1b\[\d*m`)

// runningLine is the line of a check from its beginning to its end. It changes
// if the check takes a while.
func runningLine(check string) *regexp.Regexp {
	return regexp.MustCompile(`\r  \.     ` + check + ` *\x1b\[K(\r  \.+ +` + check + `[^\r]*\x1b\[K)*\r\x1b\[K`)
}

// doctorOn runs lakebase doctor on a terminal of that width, and returns what it
// wrote there.
func (c *program) doctorOn(columns uint16, want int, args ...string) string {
	c.t.Helper()
	w := c.onTerminal(columns, 40, append([]string{"doctor", "--slow", "0"}, args...)...)
	w.exits(want)
	return w.all()
}

// The line of a check that runs is shown at once, and its result replaces it.
func TestDoctorOnTerminal(t *testing.T) {
	t.Parallel()
	c := newProgram(t).with("NO_COLOR=")
	for _, columns := range []uint16{40, 60, 200} {
		raw := c.doctorOn(columns, command.ExitOK)
		for _, want := range []*regexp.Regexp{runningLine("configuration"), runningLine("login"), regexp.MustCompile(`\x1b\[32mok\x1b\[m`)} {
			if !want.MatchString(raw) {
				t.Errorf("at %d: %q is not in %q", columns, want, raw)
			}
		}
		screen := onScreen(raw)
		if strings.Contains(colour.ReplaceAllString(screen, ""), "  .  ") || !strings.Contains(screen, "all is well") {
			t.Errorf("at %d:\n%s", columns, screen)
		}
		for line := range strings.Lines(colour.ReplaceAllString(screen, "")) {
			if n := len([]rune(strings.TrimSpace(line))); n > int(columns) {
				t.Errorf("at %d, %d characters: %s", columns, n, line)
			}
		}
	}
	for _, environment := range []string{"NO_COLOR=1", "TERM=dumb"} {
		if raw := c.with(environment).doctorOn(80, command.ExitOK); colour.MatchString(raw) {
			t.Errorf("%s: there are colours in %q", environment, raw)
		} else if environment == "TERM=dumb" && strings.Contains(raw, "\x1b") {
			t.Errorf("%s: there are escapes in %q", environment, raw)
		}
	}
	if raw := c.doctorOn(60, command.ExitOK, "-o", "json"); !strings.Contains(raw, "\r  .     login") || !strings.Contains(onScreen(raw), `{"version":1,`) {
		t.Errorf("%q", raw)
	}
}

func TestDoctorShowsItsWaitOnTerminal(t *testing.T) {
	t.Parallel()
	p := startLocal(t, "--ephemeral", "--port", "0", "--instance", "one", "--fault", "login.kind=starting")
	c := &program{t: t, env: localEnvironment(t, p)}
	raw := c.doctorOn(200, command.ExitRetry, "--wake-timeout", "2500ms")
	if !strings.Contains(raw, "1 s  the database is on its way up: waiting up to 2.5s") {
		t.Errorf("no word of the wait in %q", raw)
	}
}
