package demo

import (
	"fmt"
	"io"
	"time"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// snapshot is the state of the demo at one moment.
type snapshot struct {
	elapsed, total time.Duration
	apiAway        time.Duration // 0 while the workspace answers
	token          int64         // number of tokens so far
	tokenLeft      time.Duration // until it expires
	tokenLifetime  time.Duration
	open, busy     int32 // connections of the pool
	limit          int32
	logins         int64
	measurement    measurement // quantiles of the latest requests
	events         *eventLog
}

func (d *demo) snapshot() snapshot {
	tokens, pool := d.connector.Stats(), d.pool.Stat()
	s := snapshot{
		total:         d.options.duration,
		token:         tokens.Tokens,
		tokenLifetime: d.options.tokenLifetime,
		open:          pool.TotalConns(),
		busy:          pool.AcquiredConns(),
		limit:         pool.MaxConns(),
		logins:        d.server.Stats().Logins,
		measurement:   d.load.measure(recentRequests),
		events:        d.events,
	}
	s.elapsed = s.measurement.elapsed
	if !tokens.TokenExpiry.IsZero() {
		s.tokenLeft = max(0, time.Until(tokens.TokenExpiry))
	}
	if d.outage.clock.running() {
		s.apiAway = d.outage.clock.elapsed()
	}
	return s
}

// drawInterval is the time between two draws.
const drawInterval = 200 * time.Millisecond

// view shows the running demo.
type view interface {
	draw(s snapshot)
	close()
}

// newView returns a picture that is redrawn in place, or plain lines if w is no
// terminal that can do that.
func newView(w io.Writer) view {
	if terminal.CanRedraw(w) {
		return &screenView{out: w, paint: terminal.PainterFor(w).Paint}
	}
	return &lineView{out: w}
}

// lineView prints each event, and the state every two seconds.
type lineView struct {
	out   io.Writer
	shown int // events
	drawn time.Time
}

func (v *lineView) draw(s snapshot) {
	for _, e := range s.events.since(v.shown) {
		fmt.Fprintf(v.out, "%7s  * %s\n", seconds(e.at), e.text)
		v.shown++
	}
	if time.Since(v.drawn) < 2*time.Second {
		return
	}
	v.drawn = time.Now()
	api := "up"
	if s.apiAway > 0 {
		api = "AWAY"
	}
	fmt.Fprintf(v.out, "%7s  api %-4s  token %d (%.1f s left)  %d open  %d logins  %d queries  %d failed\n",
		seconds(s.elapsed), api, s.token, s.tokenLeft.Seconds(), s.open, s.logins, s.measurement.queries, s.measurement.failures)
}

func (v *lineView) close() {}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// thousands writes n as 12,345.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
