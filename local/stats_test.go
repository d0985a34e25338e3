package local

import "testing"

// TestCredentialsPeakIsPerCaller counts concurrent requests of each caller
// separately.
func TestCredentialsPeakIsPerCaller(t *testing.T) {
	var c counters
	for _, step := range []struct {
		callers []string // whose requests are under way at once
		want    int64
	}{
		{[]string{"a"}, 1},
		{[]string{"a", "b", "c"}, 1},
		{[]string{"a", "b", "a"}, 2},
		{[]string{"b"}, 2}, // the most since the start
	} {
		var ends []func()
		for _, caller := range step.callers {
			ends = append(ends, c.CredentialCall(caller))
		}
		for _, end := range ends {
			end()
		}
		if got := c.snapshot().CredentialsPeak; got != step.want {
			t.Errorf("after %v: peak %d, want %d", step.callers, got, step.want)
		}
	}
	if got := c.snapshot().CredentialCalls; got != 8 {
		t.Errorf("%d calls", got)
	}
	if len(c.minting) != 0 {
		t.Errorf("still under way: %d", len(c.minting))
	}
}
