package lakebase

import (
	"context"
	"math/rand/v2"
	"time"
)

// pause sleeps before attempt+1: 100 ms at first, doubling to 5 s, jittered
// by half so that a fleet spreads out.
func pause(ctx context.Context, attempt int) error {
	d := min(100*time.Millisecond<<min(attempt-1, 10), 5*time.Second)
	d = d/2 + rand.N(d/2+1)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return context.DeadlineExceeded
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
