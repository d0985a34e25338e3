package lakebase_test

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documentation returns what users read, by file name: README and docs, without the
// pages that are written from the help of the commands.
func documentation(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	walk(t, ".", func(name string) {
		if dir := path.Dir(name); strings.HasSuffix(name, ".md") && (dir == "." || dir == "docs") {
			pages[name] = string(read(t, name))
		}
	})
	if len(pages) < 20 {
		t.Fatalf("found only %d pages", len(pages))
	}
	return pages
}

var (
	fence    = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")
	pageLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	// noAnchor is what GitHub leaves out of the anchor of a heading.
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// TestLinksResolve follows each link of a page to a file of the project, and to a
// heading in it.
func TestLinksResolve(t *testing.T) {
	pages, anchors, found := documentation(t), map[string][]string{}, 0
	walk(t, ".", func(name string) {
		if strings.HasSuffix(name, ".md") {
			text := string(read(t, name))
			pages[name] = text
			for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
				anchor := strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
				anchors[name] = append(anchors[name], anchor)
			}
		}
	})
	for name, text := range pages {
		for _, m := range pageLink.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			file, anchor, hasAnchor := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			found++
			if file == "" {
				file = name
			} else {
				file = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s: %v", name, m[1], err)
			} else if hasAnchor && !slices.Contains(anchors[file], anchor) {
				t.Errorf("%s: %s: no such heading", name, m[1])
			}
		}
	}
	if found < 150 {
		t.Errorf("found only %d links", found)
	}
}

// runBlocks are the blocks that a test runs, by language and page. Others in these
// languages are marked as not run, except for Go, which has to be compiled.
var runBlocks = map[string][]string{
	"console": {"docs/first-steps.md", "docs/permissions.md"}, // TestPagesShowTheirOutput
	"ini":     {"docs/proxy.md"},                              // TestProxyGuideShowsAConfiguration
	"mermaid": {"ARCHITECTURE.md"},                            // a picture
}

// TestBlocksAreRunOrMarked fails for a block that could be wrong without a test
// noticing, unless its info string has the word not-run.
func TestBlocksAreRunOrMarked(t *testing.T) {
	var compiled strings.Builder
	walk(t, ".", func(name string) {
		if strings.HasSuffix(name, ".go") && (name == "snippets_test.go" || strings.HasPrefix(name, "examples/")) {
			compiled.WriteString(strings.Join(strings.Fields(string(read(t, name))), " "))
		}
	})
	for name, text := range documentation(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			language, mark, _ := strings.Cut(m[1], " ")
			switch code := strings.Join(strings.Fields(m[2]), " "); {
			case mark == "not-run", slices.Contains(runBlocks[language], name) && mark == "":
			case mark != "":
				t.Errorf("%s: a block is marked %q, which is no mark", name, m[1])
			case language != "go":
				t.Errorf("%s: no test runs this, and it is not marked as not-run:\n%s", name, m[2])
			case !strings.Contains(compiled.String(), code):
				t.Errorf("%s: neither snippets_test.go nor an example has this, so that it is not compiled:\n%s", name, m[2])
			}
		}
	}
}

// TestFiguresOfReadmeAreMeasured looks the figures of the front page up in the tables
// of the page on performance.
func TestFiguresOfReadmeAreMeasured(t *testing.T) {
	_, table, _ := strings.Cut(string(read(t, "README.md")), "\n| measured | here | peer |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	measured := string(read(t, "docs/performance.md"))
	figures := regexp.MustCompile(`\d[\d.,]*`)
	rows := strings.Split(table, "\n")
	if len(rows) != 3 {
		t.Fatalf("%d rows: %s", len(rows), table)
	}
	for _, row := range rows {
		cells := strings.Split(row, "|")
		here, peer := figures.FindString(cells[2]), figures.FindString(cells[3])
		isRow := regexp.MustCompile(`(?m)^\|[^|]*\|[^|]*\b` + regexp.QuoteMeta(here) + `[^|]*\|[^|]*\b` + regexp.QuoteMeta(peer) + `[^|]*\|`)
		if here == "" || peer == "" || !isRow.MatchString(measured) {
			t.Errorf("docs/performance.md has no row with %q and %q: %s", here, peer, row)
		}
	}
}
