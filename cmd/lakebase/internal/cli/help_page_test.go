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

// The pages that are kept beside the source are those that the source makes.
func TestPagesAreFresh(t *testing.T) {
	for dir, write := range map[string]struct {
		extension string
		render    func(helpPage) string
	}{
		"../../../../docs/cli":      {".md", helpPage.markdown},
		"../../../../docs/man/man1": {".1", helpPage.man},
	} {
		made := t.TempDir()
		if _, err := writePages(New(&terminal.Streams{}), made, write.extension, write.render); err != nil {
			t.Fatal(err)
		}
		want, got := filesIn(t, made), filesIn(t, dir)
		for name, text := range want {
			if got[name] != text {
				t.Errorf("%s is not what the commands say: run make docs", filepath.Join(dir, name))
			}
			delete(got, name)
		}
		if len(got) > 0 {
			t.Errorf("%s: %q belong to no command: run make docs", dir, slices.Sorted(maps.Keys(got)))
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
func TestPagesDependOnNothing(t *testing.T) {
	here := helpPages(New(&terminal.Streams{}))
	for name, value := range map[string]string{
		"HOME": "/home/somebody", "XDG_DATA_HOME": "/data", "LAKEBASE_LOCAL_DIR": "/elsewhere", "LAKEBASE_PROXY_DEFAULT_POOL_SIZE": "7",
		"LAKEBASE_INSTANCE_NAME": "mine", "COLUMNS": "30", "LANG": "de_DE.UTF-8",
	} {
		t.Setenv(name, value)
	}
	for i, p := range helpPages(New(&terminal.Streams{})) {
		if p.markdown() != here[i].markdown() || p.man() != here[i].man() {
			t.Errorf("%s depends on the environment", p.command)
		}
	}
}

// Every command says what it does, how it is called and how it ends.
func TestCommandsAreDescribed(t *testing.T) {
	codes := maps.Clone(moreExitCodes)
	EachCommand(New(&terminal.Streams{}), func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() || cmd.HasParent() && cmd.Parent().Name() == "help" {
			return
		}
		path := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: %q is no line for a list", path, cmd.Short)
		}
		if !cmd.Runnable() || !cmd.HasParent() {
			return
		}
		if cmd.Example == "" || cmd.Long == "" {
			t.Errorf("%s has no example or no description", path)
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") || !strings.Contains(line, "lakebase ") {
				t.Errorf("%s: %q is no example", path, line)
			}
		}
		for line := range strings.Lines(cmd.Long) {
			if len([]rune(strings.TrimSuffix(line, "\n"))) > helpWidth {
				t.Errorf("%s: the help is too wide: %s", path, line)
			}
		}
		if _, ok := codes[path]; !ok {
			t.Errorf("%s is not in moreExitCodes", path)
		}
		delete(codes, path)
	})
	for path := range codes {
		t.Errorf("moreExitCodes has %s, which is no command", path)
	}
}

// The examples are command lines that the commands understand.
func TestExamplesParse(t *testing.T) {
	EachCommand(New(&terminal.Streams{}), func(cmd *cobra.Command) {
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
	})
}

func TestFillText(t *testing.T) {
	for text, want := range map[string]string{
		"one two three":                        "one two\nthree",
		"one\ntwo\n\nthree":                    "one two\n\nthree",
		"list:\n  a   b  and more\n  c\nafter": "list:\n  a   b  and more\n  c\nafter",
		"a-very-long-word b":                   "a-very-long-word\nb",
		"":                                     "",
	} {
		if got := fillText(text, 8); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestPageSigns(t *testing.T) {
	for text, want := range map[string]string{
		`use --port 1 or "lakebase url" <b>`:      "use `--port` 1 or `lakebase url` \\<b>",
		`\c a*b [x] PG_URL ann@example.com`:       `\\c a\*b \[x] ` + "`PG_URL` ann@example.com",
		"api.status=503, databricks_create, ~/.x": "`api.status=503`, `databricks_create`, \\~/.x",
		`nothing, from the empty string, "".`:     `nothing, from the empty string, "".`,
	} {
		if got := inMarkdown(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if got, want := roff(".a\n.b 'c' \\d -e"), "\\&.a\n\\&.b \\(aqc\\(aq \\ed \\-e"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
