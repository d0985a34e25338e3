package lakebase_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const modulePath = "github.com/lakebase-go/lakebase"

// mayImport is the direction of imports: what each package of the main module
// may use of the others. A new package is added here together with the reason
// for what it needs. local stands in for the service, so it shares no code
// with the clients it judges, except for what has no idea of it: internal/pgwire,
// internal/pgurl and internal/resolver.
var mayImport = map[string][]string{
	".": {"internal/inventory", "internal/oneline", "internal/pgurl", "internal/redact", "internal/refusal", "internal/resolver",
		"internal/settings", "internal/spelling", "internal/steps", "internal/tokencache", "internal/workspace"},
	"internal/doctor": {".", "internal/oneline", "internal/redact", "internal/refusal", "internal/resolver",
		"internal/roles", "internal/shellword", "internal/spelling", "internal/steps", "internal/workspace"},
	"internal/buildinfo":    {},
	"internal/history":      {},
	"internal/inventory":    {"internal/workspace"},
	"internal/oneline":      {},
	"internal/pgurl":        {"internal/redact"},
	"internal/pgwire":       {},
	"internal/postgres":     {"internal/pgurl"},
	"internal/quantile":     {},
	"internal/eventloop":    {},
	"internal/secretfile":   {},
	"internal/rawnet":       {},
	"internal/redact":       {},
	"internal/refusal":      {},
	"internal/resolver":     {},
	"internal/resultformat": {"internal/oneline"},
	"internal/resultstream": {},
	"internal/roles":        {".", "internal/oneline", "internal/shellword", "internal/spelling", "internal/steps"},
	"internal/settings":     {"internal/spelling"},
	"internal/routines":     {"internal/sqlscan"},
	"internal/shellword":    {"internal/oneline"},
	"internal/spelling":     {},
	"internal/sqlscan":      {},
	"internal/statuspage":   {"internal/history", "internal/oneline"},
	"internal/steps":        {"internal/resolver", "internal/tokencache", "internal/workspace"}, // what the root package shows the doctor
	"internal/txpool":       {"internal/pgwire", "internal/routines", "internal/sqlscan"},
	"internal/tokencache":   {"internal/redact"},
	"internal/workspace":    {"internal/buildinfo", "internal/oneline", "internal/redact", "internal/tokencache"},
	"internal/webservice":   {"."},
	"local": {"internal/history", "internal/postgres", "internal/resolver", "internal/statuspage", "local/internal/apierror", "local/internal/atomicfile", "local/internal/compute",
		"local/internal/frontend", "local/internal/hosts", "local/internal/model", "local/internal/nameserver", "local/internal/pki",
		"local/internal/rest", "local/internal/workspace"},
	"local/internal/apierror":   {},
	"local/internal/atomicfile": {},
	"local/internal/compute":    {"internal/pgurl", "internal/postgres"},
	"local/internal/frontend":   {"internal/pgwire", "local/internal/compute"},
	"local/internal/hosts":      {},
	"local/internal/model":      {"local/internal/apierror", "local/internal/compute", "local/internal/hosts"},
	"local/internal/nameserver": {},
	"local/internal/pki":        {"local/internal/atomicfile"},
	"local/internal/rest": {"local/internal/apierror", "local/internal/compute", "local/internal/hosts", "local/internal/model",
		"local/internal/pki", "local/internal/workspace"},
	"local/internal/workspace": {"local/internal/apierror", "local/internal/atomicfile", "local/internal/compute", "local/internal/hosts",
		"local/internal/model"},
	"lakebasetest": {".", "local"},
	"proxy": {".", "internal/buildinfo", "internal/eventloop", "internal/pgwire", "internal/pgurl", "internal/rawnet", "internal/secretfile", "internal/settings", "internal/sqlscan", "internal/txpool",
		"proxy/internal/console", "proxy/internal/monitor", "proxy/internal/snapshot"},
	"proxy/internal/console":  {"internal/oneline", "internal/pgwire", "internal/sqlscan", "proxy/internal/snapshot"},
	"proxy/internal/monitor":  {"internal/history", "internal/statuspage", "proxy/internal/snapshot"},
	"proxy/internal/snapshot": {},

	"cmd/lakebase":                       {"cmd/lakebase/internal/cli"},
	"cmd/lakebase/internal/cli/terminal": {"internal/oneline"},
	"cmd/lakebase/internal/cli/command":  {".", "cmd/lakebase/internal/cli/terminal", "internal/oneline", "internal/shellword"},
	"cmd/lakebase/internal/cli/target":   commandImports(".", "internal/inventory", "internal/spelling", "internal/workspace"),
	"cmd/lakebase/internal/cli/demo":     commandImports(".", "internal/history", "internal/quantile", "internal/statuspage", "internal/webservice", "local"),
	"cmd/lakebase/internal/cli/doctor":   commandImports("cmd/lakebase/internal/cli/version", "internal/doctor", "internal/roles"),
	"cmd/lakebase/internal/cli/env":      commandImports("."),
	"cmd/lakebase/internal/cli/exec":     commandImports(".", "proxy"),
	"cmd/lakebase/internal/cli/local":    commandImports("local"),
	"cmd/lakebase/internal/cli/login":    commandImports(".", "internal/pgurl"),
	"cmd/lakebase/internal/cli/proxy":    commandImports(".", "cmd/lakebase/internal/cli/env", "internal/redact", "internal/secretfile", "internal/settings", "internal/spelling", "proxy"),
	"cmd/lakebase/internal/cli/query":    commandImports("internal/resultformat", "internal/resultstream"),
	"cmd/lakebase/internal/cli/roles":    commandImports(".", "internal/roles"),
	"cmd/lakebase/internal/cli/version":  commandImports("internal/buildinfo"),
	"cmd/lakebase/internal/cli/wait":     commandImports("."),
	"cmd/lakebase/internal/cli": commandImports("cmd/lakebase/internal/cli/demo", "cmd/lakebase/internal/cli/doctor",
		"cmd/lakebase/internal/cli/env", "cmd/lakebase/internal/cli/exec", "cmd/lakebase/internal/cli/local", "cmd/lakebase/internal/cli/login",
		"cmd/lakebase/internal/cli/proxy", "cmd/lakebase/internal/cli/query", "cmd/lakebase/internal/cli/roles",
		"cmd/lakebase/internal/cli/version", "cmd/lakebase/internal/cli/wait"),

	// No program may import these, but the tests of any package.
	"internal/testkit":              {},
	"internal/testkit/testpostgres": {"internal/postgres", "internal/testkit"},
	"internal/testkit/testsdk":      {},
}

// commandImports are the imports of a command: what all of them share, and more.
func commandImports(more ...string) []string {
	return append(more, "cmd/lakebase/internal/cli/command", "cmd/lakebase/internal/cli/target",
		"cmd/lakebase/internal/cli/terminal", "internal/oneline", "internal/shellword")
}

// forTests may import testing.
var forTests = []string{"internal/testkit", "internal/testkit/testpostgres", "lakebasetest"}

// vagueNames say nothing about what a package is for.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "base", "pkg"}

// lineLimit is where a file has more than one concept in it.
const lineLimit = 500

// sizeLimit keeps binaries and recordings out of the repository.
const sizeLimit = 512 << 10

func TestImportsPointOneWay(t *testing.T) {
	packages := sourcePackages(t, ".")
	for dir, files := range packages {
		if inOtherModule(dir) {
			continue
		}
		allowed, known := mayImport[dir]
		if !known {
			t.Errorf("package %s is not in mayImport: say there what it may import", dir)
			continue
		}
		for name, file := range files {
			for _, imported := range imports(file) {
				own, ok := ownPackage(imported)
				if ok && !slices.Contains(allowed, own) {
					t.Errorf("%s imports %s; package %s may import only %q of this module", name, imported, dir, allowed)
				}
			}
		}
	}
}

func TestImportsLeaveTestingAndLogToOthers(t *testing.T) {
	for dir, files := range sourcePackages(t, ".") {
		for name, file := range files {
			for _, imported := range imports(file) {
				switch {
				case imported == "log":
					t.Errorf("%s imports log; use log/slog", name)
				case imported == "testing" && !slices.Contains(forTests, dir) && !inOtherModule(dir):
					t.Errorf("%s imports testing into a program", name)
				}
			}
		}
	}
}

// A newcomer finds every package by what it is for.
func TestContributingNamesEveryPackage(t *testing.T) {
	page := string(read(t, "CONTRIBUTING.md"))
	for dir := range mayImport {
		for !slices.Contains([]string{".", "internal", "cmd"}, path.Dir(dir)) {
			dir = path.Dir(dir)
		}
		if !strings.Contains(page, "`"+dir+"`") {
			t.Errorf("CONTRIBUTING.md does not say what %s is for", dir)
		}
	}
}

func TestPackagesAreNamedAndDocumented(t *testing.T) {
	for dir, files := range sourcePackages(t, ".") {
		documented := false
		for name, file := range files {
			if slices.Contains(vagueNames, file.Name.Name) {
				t.Errorf("%s: package name %q says nothing about what is in it", name, file.Name.Name)
			}
			documented = documented || file.Doc != nil
		}
		if slices.Contains(vagueNames, path.Base(dir)) {
			t.Errorf("directory %s says nothing about what is in it", dir)
		}
		if !documented {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

func TestFilesStaySmall(t *testing.T) {
	walk(t, ".", func(name string) {
		content := read(t, name)
		if len(content) > sizeLimit {
			t.Errorf("%s has %d KiB; the limit is %d", name, len(content)>>10, sizeLimit>>10)
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return
		}
		generated := bytes.HasPrefix(content, []byte("// Code generated "))
		if lines := bytes.Count(content, []byte("\n")); lines > lineLimit && !generated {
			t.Errorf("%s has %d lines; split it where a concept ends (limit %d)", name, lines, lineLimit)
		}
	})
}

// The map of the code is of use only while its streets exist.
func TestArchitectureNamesExistingCode(t *testing.T) {
	var files []string
	walk(t, ".", func(name string) { files = append(files, name) })
	page := string(read(t, "ARCHITECTURE.md"))
	for _, m := range regexp.MustCompile("`([a-z_/]+\\.go|(?:cmd|internal|local|proxy)/[a-z_/]*[a-z])`").FindAllStringSubmatch(page, -1) {
		if !slices.ContainsFunc(files, func(f string) bool {
			return f == m[1] || strings.HasSuffix(f, "/"+m[1]) || strings.HasPrefix(f, m[1]+"/")
		}) {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", m[1])
		}
	}
	for _, m := range regexp.MustCompile("`([A-Za-z]+)\\.([A-Za-z]+)`").FindAllStringSubmatch(page, -1) {
		method := regexp.MustCompile(`func \([a-z]+ \*?` + m[1] + `\) ` + m[2] + `\(`)
		if m[2] != "go" && !strings.Contains(m[0], ".md") && m[1] != "tokencache" && !slices.ContainsFunc(files, func(f string) bool {
			return strings.HasSuffix(f, ".go") && method.Match(read(t, f))
		}) {
			t.Errorf("ARCHITECTURE.md names %s.%s, which does not exist", m[1], m[2])
		}
	}
}

// The SDK's other versions cannot be had everywhere this project builds, and
// its minor releases break callers: the version moves on purpose only.
func TestSDKVersionIsPinned(t *testing.T) {
	const want = "github.com/databricks/databricks-sdk-go v0.130.0"
	for line := range strings.Lines(string(read(t, "go.mod"))) {
		if strings.Contains(line, "databricks-sdk-go") && strings.TrimSpace(line) != want {
			t.Errorf("go.mod: %q, want %q and no replacement", strings.TrimSpace(line), want)
		}
	}
	if !bytes.Contains(read(t, "go.mod"), []byte(want)) {
		t.Errorf("go.mod does not require %s", want)
	}
}

func TestLicenceIsApache(t *testing.T) {
	licence := read(t, "LICENSE")
	for _, want := range []string{"Apache License", "Version 2.0, January 2004"} {
		if !bytes.Contains(licence, []byte(want)) {
			t.Errorf("LICENSE does not contain %q", want)
		}
	}
}

// A reader should meet both commands before the first scroll, and the rest of
// the documentation by name.
func TestReadmeLeadsWithTheCommands(t *testing.T) {
	lines := slices.Collect(strings.Lines(string(read(t, "README.md"))))
	if len(lines) >= 200 {
		t.Errorf("README.md has %d lines; the rest belongs in docs/", len(lines))
	}
	head := strings.Join(lines[:min(25, len(lines))], "")
	for _, command := range []string{"make demo", "make test"} {
		if !strings.Contains(head, command) {
			t.Errorf("README.md does not show %q within its first 25 lines", command)
		}
	}
	readme := strings.Join(lines, "")
	guides, err := filepath.Glob("docs/*.md")
	if err != nil || len(guides) == 0 {
		t.Fatalf("no guides in docs/: %v", err)
	}
	for _, guide := range guides {
		if !strings.Contains(readme, "("+filepath.ToSlash(guide)+")") {
			t.Errorf("README.md does not link to %s", guide)
		}
	}
}

// link matches where a link in Markdown leads.
var link = regexp.MustCompile("\\]\\(([^)\\s]+)\\)")

// Links between the documents lead to files and headings that are there.
func TestLinksLeadSomewhere(t *testing.T) {
	walk(t, ".", func(name string) {
		if !strings.HasSuffix(name, ".md") || strings.Contains(name, "node_modules") {
			return
		}
		for _, m := range link.FindAllStringSubmatch(string(read(t, name)), -1) {
			file, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(m[1], "://") {
				continue
			}
			to := name
			if file != "" {
				to = path.Join(path.Dir(name), file)
			}
			info, err := os.Stat(to)
			switch {
			case err != nil:
				t.Errorf("%s links to %s: %v", name, m[1], err)
			case heading != "" && !info.IsDir() && !slices.Contains(anchors(t, to), heading):
				t.Errorf("%s links to %s, which has no such heading", name, m[1])
			}
		}
	})
}

// anchors are the headings of a document as links name them.
func anchors(t *testing.T, name string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(string(read(t, name))) {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		kept := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(strings.TrimLeft(line, "#")))
		all = append(all, kept)
	}
	return all
}

// sourcePackages parses every Go file under root that is not a test, whatever
// it builds for, by directory and file name.
func sourcePackages(t *testing.T, root string) map[string]map[string]*ast.File {
	t.Helper()
	packages := map[string]map[string]*ast.File{}
	walk(t, root, func(name string) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if ast.IsGenerated(file) {
			return // its style is the generator's
		}
		dir := path.Dir(name)
		if packages[dir] == nil {
			packages[dir] = map[string]*ast.File{}
		}
		packages[dir][name] = file
	})
	if len(packages) < 5 {
		t.Fatalf("found only packages %v", slices.Collect(maps.Keys(packages)))
	}
	return packages
}

// walk calls visit with the slash-separated name of each file of the project
// that .gitignore does not exclude.
func walk(t *testing.T, root string, visit func(name string)) {
	t.Helper()
	ignored := strings.Fields(string(read(t, ".gitignore")))
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch {
		case name == ".git" || slices.ContainsFunc(ignored, func(p string) bool { return excludes(p, name) }):
			if d.IsDir() {
				return filepath.SkipDir
			}
		case d.Type().IsRegular():
			visit(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// excludes reports whether a line of .gitignore matches name: anchored by a
// leading slash, else by its last element.
func excludes(pattern, name string) bool {
	pattern = strings.TrimSuffix(pattern, "/")
	if anchored, ok := strings.CutPrefix(pattern, "/"); ok {
		return anchored == name
	}
	matched, err := path.Match(pattern, path.Base(name))
	return err == nil && matched
}

// inOtherModule reports whether dir belongs to a nested module.
func inOtherModule(dir string) bool {
	for ; dir != "."; dir = path.Dir(dir) {
		if _, err := os.Stat(path.Join(dir, "go.mod")); err == nil {
			return true
		}
	}
	return false
}

func imports(file *ast.File) []string {
	var paths []string
	for _, spec := range file.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, `"`))
	}
	return paths
}

// ownPackage turns an import path of this module into a directory.
func ownPackage(imported string) (dir string, ok bool) {
	if imported == modulePath {
		return ".", true
	}
	return strings.CutPrefix(imported, modulePath+"/")
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
