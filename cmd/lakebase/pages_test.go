package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// The pages in docs are those that the commands write.
func TestPagesAreUpToDate(t *testing.T) {
	for dir, args := range map[string][]string{"../../docs/cli": {"man", "--markdown"}, "../../docs/man": {"man"}} {
		written := t.TempDir()
		if code, _, stderr := runHere(append(args, written)...); code != 0 {
			t.Fatal(stderr)
		}
		want, got := filesIn(t, written), filesIn(t, dir)
		for name, text := range want {
			if got[name] != text {
				t.Errorf("%s differs from the help: run make docs", filepath.Join(dir, name))
			}
			delete(got, name)
		}
		if len(got) > 0 {
			t.Errorf("%s: %q belong to no command: run make docs", dir, slices.Sorted(maps.Keys(got)))
		}
	}
}

// filesIn returns the contents of the files below dir.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[strings.TrimPrefix(name, dir)] = strings.ReplaceAll(readFile(t, name), "\r\n", "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The pages are the same on every machine and for every user.
func TestPagesDoNotDependOnTheEnvironment(t *testing.T) {
	t.Parallel()
	c := &program{t: t, env: keptVariables()}
	here, elsewhere := t.TempDir(), t.TempDir()
	write := func(c *program, dir string) { // a process of its own, for what one reads only once
		if out, err := c.command("man", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	write(c, here)
	write(c.with("HOME=/home/somebody", "XDG_DATA_HOME=/data", "LAKEBASE_LOCAL_DIR=/elsewhere", "LAKEBASE_PROXY_DEFAULT_POOL_SIZE=7",
		"LAKEBASE_INSTANCE_NAME=mine", "COLUMNS=30", "LANG=de_DE.UTF-8", "SOURCE_DATE_EPOCH=86400"), elsewhere)
	want := filesIn(t, here)
	for name, text := range filesIn(t, elsewhere) {
		if want[name] != text {
			t.Errorf("%s depends on the environment", name)
		}
	}
}

// Every command has a line for lists, a description that fits a terminal, and
// examples.
func TestCommandsAreDescribed(t *testing.T) {
	for _, cmd := range cli.Commands(cli.New(&terminal.Streams{})) {
		path := cmd.CommandPath()
		if cmd.HasParent() && cmd.Parent().Name() == "completion" {
			continue // cobra's own
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: %q is no line for a list", path, cmd.Short)
		}
		for line := range strings.Lines(cmd.Long) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 79 {
				t.Errorf("%s: a line of the help has %d characters: %s", path, n, line)
			}
		}
		if !cmd.Runnable() || !cmd.HasParent() {
			continue
		}
		if cmd.Example == "" || cmd.Long == "" {
			t.Errorf("%s has no example or no description", path)
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") || !strings.Contains(line, "lakebase ") {
				t.Errorf("%s: %q is no example", path, line)
			}
		}
	}
}

var quoted = regexp.MustCompile(`'[^']*'|"[^"]*"`)

// The examples of the commands and of the guides are command lines that the commands
// understand.
func TestExamplesParse(t *testing.T) {
	examples := map[string]string{}
	for _, cmd := range cli.Commands(cli.New(&terminal.Streams{})) {
		examples[cmd.CommandPath()] = cmd.Example
	}
	guides, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(guides) == 0 {
		t.Fatal(err)
	}
	for _, guide := range append(guides, "../../README.md") {
		for line := range strings.Lines(readFile(t, guide)) {
			if strings.HasPrefix(line, "$ ") && strings.Contains(line, "lakebase ") && !strings.HasPrefix(line, "$ go ") {
				examples[guide] += line
			}
		}
	}
	for where, text := range examples {
		for line := range strings.Lines(text) {
			_, line, _ = strings.Cut(line, "lakebase ")
			line, _, _ = strings.Cut(line, " # ")
			line, _, _ = strings.Cut(line, " -- ")
			line = strings.ReplaceAll(quoted.ReplaceAllString(line, "X"), ")", " ")
			var words []string
			for _, word := range strings.Fields(line) {
				if strings.ContainsAny(word, `|<>("'$&`) {
					break
				}
				words = append(words, word)
			}
			root := cli.New(&terminal.Streams{})
			found, rest, err := root.Find(words)
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err != nil || found == root {
				t.Errorf("%s: lakebase %s: %v", where, line, err)
			}
		}
	}
}
