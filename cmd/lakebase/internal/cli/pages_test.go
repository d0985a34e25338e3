package cli

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// pages are the directories of the documentation that is written from help.
var pages = []struct {
	dir, extension string
	write          func(*cobra.Command, io.Writer) error
}{
	{"../../../../docs/cli", ".md", markdownPage},
	{"../../../../docs/man/man1", ".1", manPage},
}

func TestPagesAreUpToDate(t *testing.T) {
	for _, p := range pages {
		written := t.TempDir()
		if _, err := writePages(New(&terminal.Streams{}), written, p.extension, p.write); err != nil {
			t.Fatal(err)
		}
		want, got := filesIn(t, written), filesIn(t, p.dir)
		for name, text := range want {
			if got[name] != text {
				t.Errorf("%s differs from the help: run make docs", filepath.Join(p.dir, name))
			}
			delete(got, name)
		}
		if len(got) > 0 {
			t.Errorf("%s: %q belong to no command: run make docs", p.dir, slices.Sorted(maps.Keys(got)))
		}
	}
}

func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		files[e.Name()] = strings.ReplaceAll(readFile(t, filepath.Join(dir, e.Name())), "\r\n", "\n")
	}
	return files
}

// The pages are the same on every machine and for every user.
func TestPagesDoNotDependOnTheEnvironment(t *testing.T) {
	before := t.TempDir()
	for _, p := range pages {
		if _, err := writePages(New(&terminal.Streams{}), before, p.extension, p.write); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"HOME": "/home/somebody", "XDG_DATA_HOME": "/data", "LAKEBASE_LOCAL_DIR": "/elsewhere", "LAKEBASE_PROXY_DEFAULT_POOL_SIZE": "7",
		"LAKEBASE_INSTANCE_NAME": "mine", "COLUMNS": "30", "LANG": "de_DE.UTF-8", "SOURCE_DATE_EPOCH": "86400",
	} {
		t.Setenv(name, value)
	}
	after := t.TempDir()
	for _, p := range pages {
		if _, err := writePages(New(&terminal.Streams{}), after, p.extension, p.write); err != nil {
			t.Fatal(err)
		}
	}
	want := filesIn(t, before)
	for name, text := range filesIn(t, after) {
		if want[name] != text {
			t.Errorf("%s depends on the environment", name)
		}
	}
}

// Every command has a line for lists, a description that fits a terminal, and
// examples.
func TestCommandsAreDescribed(t *testing.T) {
	for _, cmd := range Commands(New(&terminal.Streams{})) {
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

// The examples are command lines that the commands understand.
func TestExamplesParse(t *testing.T) {
	for _, cmd := range Commands(New(&terminal.Streams{})) {
		for line := range strings.Lines(cmd.Example) {
			_, line, _ = strings.Cut(line, "lakebase ")
			line, _, _ = strings.Cut(line, " # ")
			line, _, _ = strings.Cut(line, " -- ")
			var words []string
			for _, word := range strings.Fields(line) {
				if strings.ContainsAny(word, `|<>()"'$&`) {
					break
				}
				words = append(words, word)
			}
			root := New(&terminal.Streams{Out: io.Discard, Err: io.Discard})
			found, rest, err := root.Find(words)
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err != nil || found == root {
				t.Errorf("%s: lakebase %s: %v", cmd.CommandPath(), line, err)
			}
		}
	}
}
