package demo

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/local"
)

// The outage as shares of a token's lifetime. The token should be refreshed
// during the outage (at 0.67 to 0.75), and expires after it.
const (
	outageFrom  = 0.4
	outageUntil = 0.8
	// outageToken is the number of the token that the outage hits. One refresh
	// comes before it.
	outageToken = 2
)

// outage makes the workspace API unavailable once.
type outage struct {
	server    *local.Server
	connector *lakebase.Connector
	events    *eventLog
	lifetime  time.Duration
	clock     stopwatch // runs during the outage
}

// run waits for the token, sets the fault and clears it, at once if ctx ends.
func (o *outage) run(ctx context.Context) {
	share := func(f float64) time.Duration { return time.Duration(f * float64(o.lifetime)) }
	for o.connector.Stats().Tokens < outageToken {
		if !sleep(ctx, 10*time.Millisecond) {
			return
		}
	}
	if !sleep(ctx, time.Until(o.connector.Stats().TokenExpiry.Add(-o.lifetime+share(outageFrom)))) {
		return
	}
	if err := o.server.SetFaults(local.Faults{API: local.APIFault{Status: http.StatusServiceUnavailable}}); err != nil {
		o.events.add(eventBad, "cannot stop the workspace API: "+err.Error())
		return
	}
	o.clock.start()
	o.events.add(eventBad, "workspace API away: every call is answered with 503")
	sleep(ctx, share(outageUntil-outageFrom))
	if err := o.server.SetFaults(local.Faults{}); err != nil {
		o.events.add(eventBad, "cannot bring the workspace API back: "+err.Error())
		return
	}
	o.clock.stop()
	o.events.add(eventGood, "workspace API back after "+seconds(o.clock.elapsed()))
}

// sleep waits for d, and reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// stopwatch measures one period. It is safe for concurrent use.
type stopwatch struct{ began, ended atomic.Pointer[time.Time] }

func (s *stopwatch) start() { mark(&s.began) }
func (s *stopwatch) stop()  { mark(&s.ended) }

func mark(t *atomic.Pointer[time.Time]) {
	now := time.Now()
	t.Store(&now)
}

func (s *stopwatch) running() bool { return s.began.Load() != nil && s.ended.Load() == nil }

// elapsed is the length of the period so far.
func (s *stopwatch) elapsed() time.Duration {
	began, ended := s.began.Load(), s.ended.Load()
	switch {
	case began == nil:
		return 0
	case ended == nil:
		return time.Since(*began)
	}
	return ended.Sub(*began)
}
