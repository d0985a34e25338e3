package local

import (
	_ "embed"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/internal/history"
	"github.com/lakebase-go/lakebase/internal/statuspage"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
)

const (
	// pageInterval is how often a browser updates the status page, and the time
	// between two samples of its plots.
	pageInterval = 2 * time.Second

	// pageHistory is how long samples are kept.
	pageHistory = 15 * time.Minute
)

// pageSample is what the plots show of a moment.
type pageSample struct {
	stats    Stats
	computes map[string]int // by state
}

func (s *Server) newRecorder() *history.Recorder[pageSample] {
	return history.New(pageInterval, pageHistory, func() pageSample {
		now := s.Status()
		sample := pageSample{now.Stats, map[string]int{}}
		for _, e := range now.Endpoints {
			sample.computes[e.Compute]++
		}
		return sample
	})
}

//go:embed status.html
var pageSource string

var pageTemplate = statuspage.Parse(pageSource, pageInterval, nil)

// page is the status page. It contains no secret, and needs no token. It answers
// to loopback's own names alone: any other can be made to lead here, so that a
// browser lets the page of an attacker read this one (DNS rebinding).
func (h control) page(w http.ResponseWriter, req *http.Request) {
	if name := (&url.URL{Host: req.Host}).Hostname(); !hosts.IsLoopback(strings.ToLower(name)) {
		http.Error(w, "this page answers to localhost and loopback addresses alone", http.StatusMisdirectedRequest)
		return
	}
	err := statuspage.Write(w, pageTemplate, "page", struct {
		Status
		Now   time.Time
		Plots []statuspage.Plot
	}{h.Status(), time.Now().UTC(), h.plots()})
	if err != nil {
		h.log.Error("status page failed", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (s *Server) plots() []statuspage.Plot {
	samples := s.recorder.Samples()
	draw := func(id, title, unit string, lines ...statuspage.Line[pageSample]) statuspage.Plot {
		return statuspage.Draw(samples, pageInterval, statuspage.Plot{ID: id, Title: title, Unit: unit}, statuspage.Numbers, lines...)
	}
	rate := func(name string, period time.Duration, value func(Stats) int64) statuspage.Line[pageSample] {
		return statuspage.Rate(name, period, func(s pageSample) float64 { return float64(value(s.stats)) })
	}
	computes := func(name, state string) statuspage.Line[pageSample] {
		return statuspage.Gauge(name, func(s pageSample) float64 { return float64(s.computes[state]) })
	}
	return []statuspage.Plot{
		draw("calls", "API calls", "a second",
			rate("All", time.Second, func(s Stats) int64 { return s.APICalls }),
			rate("For credentials", time.Second, func(s Stats) int64 { return s.CredentialCalls })),
		draw("tokens", "Tokens", "a minute",
			rate("Minted", time.Minute, func(s Stats) int64 { return s.TokensMinted }),
			rate("First used", time.Minute, func(s Stats) int64 { return s.TokensUsed })),
		draw("logins", "Logins", "a minute",
			rate("With a token", time.Minute, func(s Stats) int64 { return s.Logins }),
			rate("With a password", time.Minute, func(s Stats) int64 { return s.NativeLogins }),
			rate("Refused", time.Minute, func(s Stats) int64 { return s.LoginsRefused })),
		draw("connections", "Connections", "", statuspage.Gauge("Open", func(s pageSample) float64 { return float64(s.stats.Connections) })),
		draw("computes", "Computes", "by state",
			computes("Active", "active"), computes("Waking", "waking"), computes("Idle", "idle"), computes("Stopped", "stopped")),
	}
}
