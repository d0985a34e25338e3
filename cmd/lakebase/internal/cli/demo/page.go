package demo

import (
	_ "embed"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/lakebase-go/lakebase/internal/history"
	"github.com/lakebase-go/lakebase/internal/quantile"
	"github.com/lakebase-go/lakebase/internal/statuspage"
)

const (
	// pageInterval is how often a browser updates the page, and the time between two
	// samples of its plots.
	pageInterval = time.Second

	// pageHistory is how long samples are kept.
	pageHistory = 15 * time.Minute
)

//go:embed page.html
var pageSource string

var pageTemplate = statuspage.Parse(pageSource, pageInterval, nil)

// sample is what the plots show of a moment.
type sample struct {
	requests, failures int
	p50, p99           float64 // of the last interval, in seconds; no number if there was no request
	tokenLeft          float64 // seconds; no number before the first token
	open, inUse        int32   // connections
	logins             int64
	calls, refused     int64 // for credentials
}

// newRecorder takes samples of d, which has been started.
func (d *demo) newRecorder() *history.Recorder[sample] {
	seen := 0
	return history.New(pageInterval, pageHistory, func() sample {
		latencies := d.load.since(seen)
		seen += len(latencies)
		slices.Sort(latencies)
		tokens, server, pool := d.connector.Stats(), d.server.Stats(), d.pool.Stat()
		s := sample{p50: math.NaN(), p99: math.NaN(), tokenLeft: math.NaN(), open: pool.TotalConns(), inUse: pool.AcquiredConns(),
			logins: server.Logins, calls: tokens.CredentialCalls, refused: tokens.CredentialFailures}
		s.requests, s.failures = d.load.counts()
		if tokens.Tokens > 0 {
			s.tokenLeft = d.tokenLeft().Seconds()
		}
		if len(latencies) > 0 {
			s.p50, s.p99 = quantile.Of(latencies, 0.50).Seconds(), quantile.Of(latencies, 0.99).Seconds()
		}
		return s
	})
}

// page shows the demo in a browser.
func (d *demo) page(w http.ResponseWriter, r *http.Request) {
	if !statuspage.IsLocal(r.Host) {
		http.Error(w, "this page answers to localhost and IP addresses alone", http.StatusMisdirectedRequest)
		return
	}
	state := struct {
		Now                time.Time
		Up, Left           time.Duration
		APIAway            bool
		Requests, Failures int
		Tokens, Logins     int64
		Local              string
		Plots              []statuspage.Plot
		Events             []event
	}{Now: time.Now().UTC(), APIAway: d.apiAway.Load(), Left: d.tokenLeft(), Up: time.Since(d.events.began), Tokens: d.connector.Stats().Tokens,
		Logins: d.server.Stats().Logins, Local: d.server.WorkspaceURL(), Plots: d.plots(), Events: d.events.latest()}
	state.Requests, state.Failures = d.load.counts()
	if err := statuspage.Write(w, pageTemplate, "page", state); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (d *demo) plots() []statuspage.Plot {
	samples := d.recorder.Samples()
	draw := func(id, title, unit string, in statuspage.Unit, lines ...statuspage.Line[sample]) statuspage.Plot {
		return statuspage.Draw(samples, pageInterval, statuspage.Plot{ID: id, Title: title, Unit: unit}, in, lines...)
	}
	return []statuspage.Plot{
		draw("requests", "Requests", "a second", statuspage.Numbers,
			statuspage.Rate("All", time.Second, func(s sample) float64 { return float64(s.requests) }),
			statuspage.Rate("Failed", time.Second, func(s sample) float64 { return float64(s.failures) })),
		draw("latency", "Latency", "of each second", statuspage.Seconds,
			statuspage.Gauge("p50", func(s sample) float64 { return s.p50 }),
			statuspage.Gauge("p99", func(s sample) float64 { return s.p99 })),
		draw("token", "Token", "time left", statuspage.Minutes,
			statuspage.Gauge("Valid for", func(s sample) float64 { return s.tokenLeft })),
		draw("calls", "Calls for credentials", "a minute", statuspage.Numbers,
			statuspage.Rate("All", time.Minute, func(s sample) float64 { return float64(s.calls) }),
			statuspage.Rate("Refused", time.Minute, func(s sample) float64 { return float64(s.refused) })),
		draw("connections", "Connections", "of the pool", statuspage.Numbers,
			statuspage.Gauge("Open", func(s sample) float64 { return float64(s.open) }),
			statuspage.Gauge("In use", func(s sample) float64 { return float64(s.inUse) })),
		draw("logins", "Logins", "a second", statuspage.Numbers,
			statuspage.Rate("With a token", time.Second, func(s sample) float64 { return float64(s.logins) })),
	}
}
