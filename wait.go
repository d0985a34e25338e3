package lakebase

import (
	"context"
	"math/rand/v2"
	"time"
)

// isOver reports whether ctx has ended or is past its deadline.
func isOver(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// pause sleeps before attempt+1: 100 ms at first, doubling to 5 s, jittered
// by half so that a fleet spreads out.
func pause(ctx context.Context, attempt int) error {
	d := min(100*time.Millisecond<<min(attempt-1, 10), 5*time.Second)
	return sleep(ctx, d/2+rand.N(d/2+1))
}

// sleep waits for d. It returns an error at once if ctx ends sooner.
func sleep(ctx context.Context, d time.Duration) error {
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
