package proxy

import "testing"

func TestSwitchLastSetCounts(t *testing.T) {
	t.Parallel()
	var s switches
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
		s.set(step.target, step.database, step.on)
		got := ""
		for _, d := range [][2]string{{"a", "x"}, {"a", "y"}, {"b", "x"}} {
			if s.on(d[0], d[1]) {
				got += "1"
			} else {
				got += "0"
			}
		}
		if got != step.want {
			t.Errorf("after %v: %s", step, got)
		}
	}
	if len(s) != 1 {
		t.Errorf("%d rules are kept, want the last one alone", len(s))
	}
}
