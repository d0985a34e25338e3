package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

var entry = pgpassEntry{host: "db.example", port: "5432", user: `me\x:y@example.com`, password: `to:ken`}

const entryLine = `db.example:5432:*:me\\x\:y@example.com:to\:ken`

func TestWithPGPassEntry(t *testing.T) {
	old := `db.example:5432:*:me\\x\:y@example.com:old`
	for name, test := range map[string]struct{ before, want string }{
		"new":           {"", entryLine + "\n"},
		"others":        {"# mine\n\nb:1:*:x:y\n", "# mine\n\nb:1:*:x:y\n" + entryLine + "\n"},
		"no line break": {"b:1:*:x:y", "b:1:*:x:y\n" + entryLine + "\n"},
		"replaced":      {"a:1:*:x:y\n" + old + "\nb:1:*:x:y\n", "a:1:*:x:y\n" + entryLine + "\nb:1:*:x:y\n"},
		"twice":         {old + "\nb:1:*:x:y\n" + old + "\n", entryLine + "\nb:1:*:x:y\n"},
		// libpq takes the first line that matches.
		"before a general one":   {"a:1:*:x:y\n*:*:*:*:all\n", "a:1:*:x:y\n" + entryLine + "\n*:*:*:*:all\n"},
		"moved before it":        {"*:*:*:*:all\n" + old + "\n", entryLine + "\n*:*:*:*:all\n"},
		"before a database's":    {`db.example:5432:d:me\\x\:y@example.com:p` + "\n", entryLine + "\n" + `db.example:5432:d:me\\x\:y@example.com:p` + "\n"},
		"another port or user":   {"db.example:1:*:*:p\ndb.example:5432:*:you:p\n", "db.example:1:*:*:p\ndb.example:5432:*:you:p\n" + entryLine + "\n"},
		"comments match nothing": {"#*:*:*:*:all\n", "#*:*:*:*:all\n" + entryLine + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := withPGPassEntry(test.before, entry); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if again := withPGPassEntry(test.want, entry); again != test.want {
				t.Errorf("a second time:\n%s", again)
			}
		})
	}
}

func TestUpdatePGPass(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "new", "pgpass")
	if err := updatePGPass(name, entry); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(name); err != nil || string(content) != entryLine+"\n" {
		t.Errorf("%q, %v", content, err)
	}
	if runtime.GOOS != "windows" {
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(name, link); err != nil {
		t.Fatal(err)
	}
	if err := updatePGPass(link, entry); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: libpq ignores a file that others can read", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "new", ".pgpass-*")); len(left) > 0 { // fails for bad patterns alone
		t.Error("left behind:", left)
	}
}

// Processes that write at once do not undo each other.
func TestUpdatePGPassAtOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pgpass")
	const count = 30
	var writers sync.WaitGroup
	for i := range count {
		writers.Go(func() {
			if err := updatePGPass(name, pgpassEntry{host: fmt.Sprint(i), port: "1", user: "u", password: "p"}); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.Sorted(strings.Lines(string(content)))
	if len(slices.Compact(lines)) != count {
		t.Errorf("%d lines of %d", len(lines), count)
	}
}

func FuzzPGPass(f *testing.F) {
	f.Add("a:1:*:x:y\n", "h", "u:\\", "p")
	f.Fuzz(func(t *testing.T, before, host, user, password string) {
		e := pgpassEntry{host: host, port: "1", user: user, password: password}
		if strings.ContainsAny(host+user+password, "\n\r") || strings.HasPrefix(e.line(), "#") {
			return // no host is like this
		}
		after := withPGPassEntry(before, e)
		for line := range strings.Lines(after) {
			fields := splitPGPass(strings.TrimSuffix(line, "\n"))
			if e.matchedBy(fields) {
				if fields[4] != password {
					t.Fatalf("libpq would take %q", line)
				}
				return
			}
		}
		t.Fatalf("no line matches in %q", after)
	})
}
