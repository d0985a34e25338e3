package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// step is a command of a page and its output.
type step struct{ typed, seen string }

func stepsOf(t *testing.T, page string) []step {
	t.Helper()
	var steps []step
	blocks := strings.Split(readFile(t, page), "```")
	for i := 1; i < len(blocks); i += 2 {
		text, isConsole := strings.CutPrefix(blocks[i], "console\n")
		if !isConsole {
			continue
		}
		for line := range strings.Lines(text) {
			if typed, ok := strings.CutPrefix(line, "$ "); ok {
				steps = append(steps, step{typed: strings.TrimSpace(typed)})
			} else if len(steps) == 0 {
				t.Fatalf("%s shows %q before any command", page, line)
			} else {
				steps[len(steps)-1].seen += line
			}
		}
	}
	return steps
}

// The commands of these pages have the output of the page, except for times, ports
// and the like.
func TestPagesShowTheirOutput(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"first-steps", "permissions"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			typeSteps(t, stepsOf(t, "../../docs/"+page+".md"))
		})
	}
}

func typeSteps(t *testing.T, steps []step) {
	t.Helper()
	if len(steps) < 7 || !strings.HasPrefix(steps[0].typed, "lakebase local ") {
		t.Fatalf("the first of %d steps is %+v, not to start a local Lakebase", len(steps), steps[0])
	}
	// The port that the page shows may be taken here.
	dir := testkit.OpenDir(t) + "/data"
	args := append(strings.Fields(steps[0].typed)[2:], "--data-dir", dir, "--port", "0")
	p := startLocal(t, args...)
	t.Cleanup(func() { _ = p.stop() })
	var shown strings.Builder
	if err := p.ready.Print(&shown); err != nil {
		t.Fatal(err)
	}
	wantSeen(t, dir, steps[0], shown.String())

	env := append(keptVariables(), "LAKEBASE_LOCAL_DIR="+dir, "HOME="+t.TempDir())
	// One shell runs it all, as a reader's does, and marks where one ends.
	const mark = "-- end of the step --"
	var script strings.Builder
	// A check may be slow on a busy machine, which would be a warning.
	script.WriteString("lakebase() { case $1 in doctor) shift; command lakebase doctor --slow 0 \"$@\";; *) command lakebase \"$@\";; esac; }\n")
	for _, s := range steps[1:] {
		fmt.Fprintf(&script, "%s\necho '%s'\n", s.typed, mark)
	}
	cmd := exec.Command("sh")
	cmd.Env, cmd.Stdin = env, strings.NewReader(script.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	wantNoSecret(t, "what the steps show", string(out))
	seen := strings.Split(string(out), mark+"\n")
	if len(seen) != len(steps) {
		t.Fatalf("%d of %d steps were made:\n%s", len(seen)-1, len(steps)-1, out)
	}
	for i, s := range steps[1:] {
		wantSeen(t, dir, s, seen[i])
	}
}

// varies matches what differs between runs and machines.
var varies = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+(?:\.\d+)*| +\n|-{3,}`)

// wantSeen compares an output with that of the page, in which a line of three
// dots stands for any lines.
func wantSeen(t *testing.T, dir string, s step, seen string) {
	t.Helper()
	steady := func(text string) string {
		text = strings.ReplaceAll(text, " --data-dir '"+dir+"'", "")
		text = strings.ReplaceAll(text, dir, "/home/ann/.local/share/lakebase/local")
		text = varies.ReplaceAllStringFunc(text, func(found string) string {
			if strings.HasPrefix(found, " ") {
				return "\n"
			}
			return "#"
		})
		return regexp.MustCompile(` {2,}`).ReplaceAllString(text, "  ")
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(steady(s.seen)), `\.\.\.`+"\n", "(?:.*\n)*")
	if !regexp.MustCompile(`^` + pattern + `$`).MatchString(steady(seen)) {
		t.Errorf("$ %s\nshows\n%s\nthe page has\n%s", s.typed, seen, s.seen)
	}
}
