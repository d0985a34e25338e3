package lakebase_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Pages, and that on security above all, claim nothing that no test shows: each one
// that they name is there.
func TestPagesNameTestsThatExist(t *testing.T) {
	t.Parallel()
	var there []string
	defined := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	walk(t, ".", func(name string) {
		switch {
		case strings.HasSuffix(name, "_test.go"):
			for _, m := range defined.FindAllStringSubmatch(string(read(t, name)), -1) {
				there = append(there, m[1])
			}
		case strings.HasPrefix(name, "cmd/lakebase/testdata/script/"):
			script, _, _ := strings.Cut(strings.TrimPrefix(name, "cmd/lakebase/testdata/script/"), ".")
			there = append(there, "TestScripts/"+script)
		}
	})
	for page, text := range documentation(t) {
		named := regexp.MustCompile("`((?:Test|Fuzz)[\\w/]+)`").FindAllStringSubmatch(text, -1)
		if page == "docs/security.md" && len(named) < 50 {
			t.Fatalf("the page names %d tests", len(named))
		}
		for _, m := range named {
			if m[1] != "TestName" && !slices.Contains(there, m[1]) {
				t.Errorf("%s names %s, which is not there", page, m[1])
			}
		}
	}
}
