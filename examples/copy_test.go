package examples

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// folders returns those of the examples, of Go and of other clients, by their names.
func folders(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*", "clients/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			if info, err := os.Stat(name); err == nil && info.IsDir() && name != "clients" {
				all = append(all, filepath.ToSlash(name))
			}
		}
	}
	if len(all) < 10 {
		t.Fatalf("only %q", all)
	}
	return all
}

// An example is of no use to a reader who does not find it.
func TestPageListsEachExample(t *testing.T) {
	page, err := os.ReadFile("../docs/examples.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range folders(t) {
		if !strings.Contains(string(page), "](../examples/"+name+")") {
			t.Errorf("docs/examples.md has no link to examples/%s", name)
		}
	}
}

// Each example of Go builds in a module of its own, whose only relation to this repository
// is that it requires lakebase.
func TestExamplesCanBeCopied(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles each example once more: make examples")
	}
	checkout, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range folders(t) {
		if sources, err := filepath.Glob(name + "/*.go"); err != nil || len(sources) == 0 {
			continue // of another language
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			module := name // its own, where it has one
			if _, err := os.Stat(name + "/go.mod"); err != nil {
				module = "."
			}
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(name)); err != nil {
				t.Fatal(err)
			}
			run := func(name string, args ...string) {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), name, args...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
				}
			}
			if module == "." {
				run("go", "mod", "init", "example.com/copied")
			}
			// In place of `go mod tidy`, which would need the network: the same versions.
			requirements, sums := read(t, module+"/go.mod"), read(t, module+"/go.sum")
			requirements = regexp.MustCompile(`(?m)^replace .*`).ReplaceAllString(requirements, "replace github.com/lakebase-go/lakebase => "+checkout)
			if module == "." {
				_, requirements, _ = strings.Cut(requirements, "\n")
				requirements = "module example.com/copied\n" + requirements
			}
			for file, content := range map[string]string{"go.mod": requirements, "go.sum": sums} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			run("go", "list", "-export", "-test", "./...") // compiles, with the tests, and does not link
		})
	}
}

// What is copied names nothing that stays behind.
func TestExamplesNameNothingAround(t *testing.T) {
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || filepath.Dir(name) == "." {
			return err
		}
		for _, outside := range []string{"lakebase/internal/", "lakebase/examples"} {
			if strings.Contains(read(t, name), outside) {
				t.Errorf("%s names %s", name, outside)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
