package demo

import (
	"context"
	"net/http"
	"sync"
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

	mu    sync.Mutex
	began time.Time // zero before
	ended time.Time // zero until it is over
}

func newOutage(server *local.Server, connector *lakebase.Connector, events *eventLog, lifetime time.Duration) *outage {
	return &outage{server: server, connector: connector, events: events, lifetime: lifetime}
}

// run waits for the token, sets the fault and clears it, at once if ctx ends.
func (o *outage) run(ctx context.Context) {
	share := func(f float64) time.Duration { return time.Duration(f * float64(o.lifetime)) }
	if !o.waitForToken(ctx) || !sleep(ctx, time.Until(o.connector.Stats().TokenExpiry.Add(-o.lifetime+share(outageFrom)))) {
		return
	}
	if err := o.server.SetFaults(local.Faults{API: local.APIFault{Status: http.StatusServiceUnavailable}}); err != nil {
		o.events.add(eventBad, "cannot stop the workspace API: "+err.Error())
		return
	}
	o.mark(&o.began)
	o.events.add(eventBad, "workspace API away: every call is answered with 503")
	sleep(ctx, share(outageUntil-outageFrom))
	if err := o.server.SetFaults(local.Faults{}); err != nil {
		o.events.add(eventBad, "cannot bring the workspace API back: "+err.Error())
		return
	}
	o.mark(&o.ended)
	o.events.add(eventGood, "workspace API back after "+seconds(o.duration()))
}

// waitForToken waits until the connector has that token.
func (o *outage) waitForToken(ctx context.Context) bool {
	for o.connector.Stats().Tokens < outageToken {
		if !sleep(ctx, 10*time.Millisecond) {
			return false
		}
	}
	return true
}

func (o *outage) mark(t *time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	*t = time.Now()
}

// underway reports whether the API is unavailable now.
func (o *outage) underway() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.began.IsZero() && o.ended.IsZero()
}

// duration is the length of the outage so far.
func (o *outage) duration() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.began.IsZero():
		return 0
	case o.ended.IsZero():
		return time.Since(o.began)
	}
	return o.ended.Sub(o.began)
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
