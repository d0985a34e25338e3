package lakebase_test

import (
	"encoding/json"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What is built is what the hashes in this repository allow, and nothing stands in for a
// module but the module of this repository.
func TestDependenciesHaveTheirHashes(t *testing.T) {
	t.Parallel()
	required := regexp.MustCompile(`(?m)^(?:require)?\s+(\S+) (v\S+)`)
	replaced := regexp.MustCompile(`(?m)^replace (.*)$`)
	modules := 0
	walk(t, ".", func(name string) {
		if ext := path.Ext(name); ext != ".mod" {
			return
		}
		modules++
		mod, sums := string(read(t, name)), string(read(t, strings.TrimSuffix(name, ".mod")+".sum"))
		for _, m := range required.FindAllStringSubmatch(mod, -1) {
			if m[1] != "github.com/lakebase-go/lakebase" && !strings.Contains(sums, "\n"+m[1]+" "+m[2]+"/go.mod h1:") && !strings.HasPrefix(sums, m[1]+" "+m[2]) {
				t.Errorf("%s: %s %s has no hash", name, m[1], m[2])
			}
		}
		for _, m := range replaced.FindAllStringSubmatch(mod, -1) {
			if to, ok := strings.CutPrefix(m[1], "github.com/lakebase-go/lakebase => "); !ok || path.Join(path.Dir(name), to) != "." {
				t.Errorf("%s replaces %s", name, m[1])
			}
		}
	})
	if modules < 5 {
		t.Errorf("%d modules", modules)
	}
	var lock struct {
		Packages map[string]struct{ Integrity string }
	}
	if err := json.Unmarshal(read(t, "interop/node/package-lock.json"), &lock); err != nil {
		t.Fatal(err)
	}
	for name, one := range lock.Packages {
		if name != "" && !strings.HasPrefix(one.Integrity, "sha512-") {
			t.Errorf("package-lock.json: %s has no hash", name)
		}
	}
	if len(lock.Packages) < 2 {
		t.Errorf("package-lock.json has %d packages", len(lock.Packages))
	}
}

// Packages are installed by scripts of make alone, by the system's package manager or from
// the lock file. Nothing is piped into a shell.
func TestOnlyMakeInstalls(t *testing.T) {
	t.Parallel()
	installers := []string{"bench/prepare.sh", "browser/check.sh", "deploy/check.sh", "interop/prepare.sh", "scripts/ensure-postgres.sh"}
	piped := regexp.MustCompile(`\b(curl|wget)\b[^\n]*\|\s*(sudo\s+)?(ba|z|da)?sh\b`)
	installs := regexp.MustCompile(`\b(npm (i|install|add)|pip3? install|gem install|go install \S+@|apt-get install|brew install|(dnf|yum) install|apk add)\b`)
	var found []string
	walk(t, ".", func(name string) {
		text := read(t, name)
		if piped.Match(text) {
			t.Errorf("%s pipes what it downloads into a shell", name)
		}
		if (path.Ext(name) == ".sh" || path.Base(name) == "Makefile" || strings.HasPrefix(name, ".ci/")) && installs.Match(text) {
			found = append(found, name)
		}
	})
	if slices.Sort(found); !slices.Equal(found, installers) {
		t.Errorf("%q install packages, want %q", found, installers)
	}
}

// Each change has to pass the search for vulnerabilities, in each module, and a short run
// of each fuzz target.
func TestEachChangeIsSearched(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"make test\n", "make vuln\n", "make fuzz-short "} {
		if !strings.Contains(string(read(t, ".ci/run")), want) {
			t.Errorf("no %q for each change", want)
		}
	}
	var modules, targets []string
	defined := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	walk(t, ".", func(name string) {
		switch {
		case path.Base(name) == "go.mod":
			modules = append(modules, "-C ./"+strings.TrimSuffix(path.Dir(name), "."))
		case strings.HasSuffix(name, "_test.go"):
			for _, m := range defined.FindAllStringSubmatch(string(read(t, name)), -1) {
				targets = append(targets, m[1])
			}
		}
	})
	for script, want := range map[string][]string{"scripts/vuln.sh": modules, "scripts/fuzz.sh": targets} {
		cmd := exec.Command("sh", script)
		cmd.Env = append(cmd.Environ(), "GO=echo", "VULNDB=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
		for _, one := range want {
			if !regexp.MustCompile(regexp.QuoteMeta(strings.TrimSuffix(one, "/")) + `/?\s`).Match(out) {
				t.Errorf("%s does not run for %s:\n%s", script, one, out)
			}
		}
		if len(want) < 4 {
			t.Errorf("%s: %q", script, want)
		}
	}
	version := regexp.MustCompile(`golang.org/x/vuln (v\S+)`).FindStringSubmatch(string(read(t, "scripts/tools.mod")))
	if version == nil || !strings.Contains(string(read(t, "scripts/tools.sum")), "golang.org/x/vuln "+version[1]+" h1:") {
		t.Errorf("the version of govulncheck is not held: %q", version)
	}
}
