package lakebase

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	t.Parallel()
	const almost = 0.999999
	var p pace
	if p.due(false) != 0 || p.due(true) != 0 {
		t.Error("the first attempt has to wait")
	}
	now := time.Hour
	for i, bound := range []time.Duration{2, 4, 8, 16, 32, 60, 60, 60} {
		low, high := p, p
		low.fail(now, 0, 0)
		high.fail(now, 0, almost)
		if d := low.due(false) - now; d != minBackoff {
			t.Errorf("failure %d: at least %s", i+1, d)
		}
		if d := high.due(false) - now; d.Round(time.Second) != bound*time.Second || d > bound*time.Second {
			t.Errorf("failure %d: at most %s, want %s", i+1, d, bound*time.Second)
		}
		if d := high.due(true) - now; d != minHaste {
			t.Errorf("failure %d: in haste after %s", i+1, d)
		}
		p = high
		now = p.due(false)
	}

	p.fail(now, 90*time.Second, 0)
	if d := p.due(false) - now; d != 90*time.Second {
		t.Errorf("Retry-After of 90s: %s", d)
	}
	if d := p.due(true) - now; d != 90*time.Second {
		t.Errorf("Retry-After of 90s in haste: %s", d)
	}
	p.fail(now, time.Hour, 0)
	if d := p.due(true) - now; d != maxRetryAfter {
		t.Errorf("Retry-After of an hour: %s", d)
	}

	now = p.due(false) + forgetAfter + 1
	p.fail(now, 0, almost)
	if d := p.due(false) - now; d > 2*minBackoff {
		t.Errorf("an old row of failures counts: %s", d)
	}

	p.fail(now, 0, almost)
	p.succeed()
	if p.due(false) != 0 {
		t.Error("success leaves a back-off")
	}
	p.fail(now, 0, almost)
	if d := p.due(false) - now; d > 2*minBackoff {
		t.Errorf("failures before a success count: %s", d)
	}
}
