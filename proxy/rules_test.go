package proxy

import (
	"testing"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

func TestLastRuleForADatabaseCounts(t *testing.T) {
	t.Parallel()
	var r rules
	for _, step := range []struct {
		target, database string
		on               bool
		want             string // of a/x a/y b/x
	}{
		{"", "", false, "000"},
		{"a", "x", true, "100"},
		{"", "", true, "111"},
		{"a", "", false, "001"},
		{"a", "y", true, "011"},
		{"a", "", true, "111"},
		{"b", "x", false, "110"},
		{"", "", false, "000"},
	} {
		r.set(snapshot.Database{Target: step.target, Name: step.database}, step.on)
		got := ""
		for _, d := range []snapshot.Database{{Target: "a", Name: "x"}, {Target: "a", Name: "y"}, {Target: "b", Name: "x"}} {
			if r.on(d) {
				got += "1"
			} else {
				got += "0"
			}
		}
		if got != step.want {
			t.Errorf("after %v: %s", step, got)
		}
	}
	if len(r) != 1 {
		t.Errorf("%d rules are kept, want the last one alone", len(r))
	}
}
