package deploy

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
	"github.com/rhysd/actionlint"
)

// GoReleaser has no unknown field to complain of, and each platform is built as the
// project says. The version is the tag.
func TestReleaseConfiguration(t *testing.T) {
	t.Parallel()
	c, err := config.Load("../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c.Version != 2 || len(c.Builds) != 1 || len(c.SBOMs) != 1 || len(c.Signs) != 1 || len(c.Casks) != 1 {
		t.Fatalf("%+v", c)
	}
	b := c.Builds[0]
	if !slices.Equal(b.Goos, []string{"linux", "darwin", "windows"}) || !slices.Equal(b.Goarch, []string{"amd64", "arm64"}) {
		t.Error(b.Goos, b.Goarch)
	}
	for _, pattern := range c.Archives[0].Files {
		if found, err := filepath.Glob("../" + pattern.Source); err != nil || len(found) == 0 {
			t.Errorf("%s: %v", pattern.Source, err)
		}
	}
	program := filepath.Join(t.TempDir(), "lakebase")
	ldflags := strings.Replace(b.Ldflags[0], "{{ .Tag }}", "v1.2.3", 1)
	build := exec.Command("go", append(append([]string{"build", "-ldflags", ldflags, "-o", program}, b.Flags...), b.Main)...)
	build.Dir, build.Env = "..", append(os.Environ(), b.Env...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command(program, "version").Output(); err != nil || !strings.Contains(string(out), "v1.2.3") {
		t.Errorf("%v: %s", err, out)
	}
}

// The workflows are what GitHub takes, and their actions are what was looked at: each has
// the hash of a commit.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`^\s*(?:- )?uses: [\w./-]+@[0-9a-f]{40} # v\d`)
	for _, file := range files {
		content := read(t, file)
		found, err := linter.Lint(file, content, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, mistake := range found {
			t.Error(mistake)
		}
		for line := range strings.Lines(string(content)) {
			if strings.Contains(line, "uses:") && !pinned.MatchString(line) {
				t.Errorf("%s: not pinned: %s", file, line)
			}
		}
	}
}
