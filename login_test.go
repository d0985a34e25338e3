package lakebase

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// lateContext is past its deadline and has not noticed. For a moment any
// context is: sockets have a clock of their own, and a dial may end first.
type lateContext struct{ context.Context }

func (lateContext) Deadline() (time.Time, bool) { return time.Now().Add(-time.Microsecond), true }

func TestLoginThatRunsOutOfTime(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ctx := range map[string]context.Context{"late": lateContext{t.Context()}, "ended": ended} {
		if !isOver(ctx) {
			t.Errorf("%s: it is over", name)
		}
	}
	if isOver(t.Context()) {
		t.Error("a context without a deadline is over")
	}
	starting := &Error{Kind: KindUnavailable, Resource: "shop", Message: "is starting"}
	err := gaveUp(lateContext{t.Context()}, starting, 2, time.Now())
	if !errors.Is(err, KindUnavailable) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "is starting (gave up after 2 attempts") {
		t.Errorf("%v; want what was waited for, and that the time was up", err)
	}
}
