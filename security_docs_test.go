package lakebase_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The page on security claims nothing that no test shows: each one that it
// names is there.
func TestSecurityPageNamesTests(t *testing.T) {
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
	named := regexp.MustCompile("`((?:Test|Fuzz)[\\w/]+)`").FindAllStringSubmatch(string(read(t, "docs/security.md")), -1)
	if len(named) < 50 {
		t.Fatalf("the page names %d tests", len(named))
	}
	for _, m := range named {
		if m[1] != "TestName" && !slices.Contains(there, m[1]) {
			t.Errorf("docs/security.md names %s, which is not there", m[1])
		}
	}
}
