package tokencache

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	const almost = 0.999999
	var b backoff
	if b.due(false) != 0 || b.due(true) != 0 {
		t.Error("the first attempt has to wait")
	}
	now := time.Hour
	for i, bound := range []time.Duration{2, 4, 8, 16, 32, 60, 60, 60} {
		low, high := b, b
		low.fail(now, 0, 0)
		high.fail(now, 0, almost)
		for _, c := range []struct {
			awaited   bool
			low, high time.Duration
		}{{false, minBackoff, bound * time.Second}, {true, minAwaited, maxAwaited}} {
			if d := low.due(c.awaited) - now; d != c.low {
				t.Errorf("failure %d, awaited=%t: at least %s, want %s", i+1, c.awaited, d, c.low)
			}
			if d := high.due(c.awaited) - now; d.Round(time.Millisecond) != c.high || d > c.high {
				t.Errorf("failure %d, awaited=%t: at most %s, want %s", i+1, c.awaited, d, c.high)
			}
		}
		b = high
		now = b.due(false)
	}

	b.fail(now, 90*time.Second, 0)
	if d := b.due(false) - now; d != 90*time.Second {
		t.Errorf("Retry-After of 90s: %s", d)
	}
	if d := b.due(true) - now; d != 90*time.Second {
		t.Errorf("Retry-After of 90s with a waiter: %s", d)
	}
	b.fail(now, time.Hour, 0)
	if d := b.due(true) - now; d != maxRetryAfter {
		t.Errorf("Retry-After of an hour: %s", d)
	}

	now = b.due(false) + forgetAfter + 1
	b.fail(now, 0, almost)
	if d := b.due(false) - now; d > 2*minBackoff {
		t.Errorf("an old row of failures counts: %s", d)
	}

	b.fail(now, 0, almost)
	b.succeed()
	if b.due(false) != 0 {
		t.Error("success leaves a back-off")
	}
	b.fail(now, 0, almost)
	if d := b.due(false) - now; d > 2*minBackoff {
		t.Errorf("failures before a success count: %s", d)
	}
}
