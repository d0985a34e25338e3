package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

// onTerminal runs lakebase with a terminal of that width for all its streams,
// and returns what it wrote there.
func onTerminal(t *testing.T, columns uint16, environment []string, args ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: columns}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("lakebase", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(os.Environ(), append([]string{"TERM=xterm", "NO_COLOR="}, environment...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	var out bytes.Buffer
	_, _ = out.ReadFrom(master) // a terminal that everyone has left ends with an error
	_ = cmd.Wait()              // how it ended is in what it wrote
	return out.String()
}

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

// The line of a check that runs is there at once and gives way to its result.
func TestDoctorOnTerminal(t *testing.T) {
	s := lakebasetest.New(t)
	lakebasetest.Setenv(t, s, "my-instance")
	for _, columns := range []uint16{40, 60, 200} {
		raw := onTerminal(t, columns, nil, "doctor")
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
		if raw := onTerminal(t, 80, []string{environment}, "doctor"); colour.MatchString(raw) {
			t.Errorf("%s: there are colours in %q", environment, raw)
		} else if environment == "TERM=dumb" && strings.Contains(raw, "\x1b") {
			t.Errorf("%s: there are escapes in %q", environment, raw)
		}
	}
	if raw := onTerminal(t, 60, nil, "doctor", "-o", "json"); !strings.Contains(raw, "\r  .     login") || !strings.Contains(onScreen(raw), `{"version":1,`) {
		t.Errorf("%q", raw)
	}
	if err := s.SetFaults(local.Faults{Login: local.LoginFault{Kind: "starting"}}); err != nil {
		t.Fatal(err)
	}
	raw := onTerminal(t, 200, nil, "doctor", "--wake-timeout", "2500ms")
	if !strings.Contains(raw, "1 s  the database is on its way up: waiting up to 2.5s") {
		t.Errorf("no word of the wait in %q", raw)
	}
}
