package monitor

import (
	"math"
	"time"

	"github.com/lakebase-go/lakebase/internal/history"
	"github.com/lakebase-go/lakebase/internal/statuspage"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

const (
	// sampleInterval is the time between two samples of the plots.
	sampleInterval = 5 * time.Second

	// keptTime is how long samples are kept.
	keptTime = 15 * time.Minute

	// recordedPools and recordedTargets bound a sample: clients choose the names of
	// databases. Pools beyond have no plots of their own.
	recordedPools   = 50
	recordedTargets = 50
)

// sample is what the plots show of a snapshot.
type sample struct {
	failed, lost     int64 // client logins, and sessions
	credentialFailed int64 // requests for tokens
	all              snapshot.Pool
	pools            map[string]snapshot.Pool // by name
	expiry           map[string]float64       // seconds, by target that has a token
}

func newRecorder(proxy Proxy) *history.Recorder[sample] {
	return history.New(sampleInterval, keptTime, func() sample { return newSample(proxy.Snapshot()) })
}

func newSample(now *snapshot.Proxy) sample {
	s := sample{failed: now.Failed, lost: now.Lost, pools: map[string]snapshot.Pool{}, expiry: map[string]float64{}}
	for _, p := range now.Databases() {
		if len(s.pools) < recordedPools {
			s.pools[p.Name()] = p
		}
	}
	if all := snapshot.Merge(now.Pools, func(snapshot.Pool) string { return "" }); len(all) > 0 {
		s.all = all[0]
	}
	for _, t := range now.Targets {
		s.credentialFailed += t.CredentialFailures
		if !t.TokenExpiry.IsZero() && len(s.expiry) < recordedTargets {
			s.expiry[t.Name] = max(0, time.Until(t.TokenExpiry).Seconds())
		}
	}
	return s
}

// expiryLines are those of the first targets.
func expiryLines(targets []snapshot.Target) (lines []line) {
	for _, t := range targets[:min(len(targets), statuspage.MaxLines)] {
		lines = append(lines, statuspage.Gauge(t.Name, func(s sample) float64 {
			if left, ok := s.expiry[t.Name]; ok {
				return left
			}
			return math.NaN()
		}))
	}
	return lines
}

// pool returns how to find a pool in a sample. An empty name is for all together.
func pool(name string) func(sample) snapshot.Pool {
	if name == "" {
		return func(s sample) snapshot.Pool { return s.all }
	}
	return func(s sample) snapshot.Pool { return s.pools[name] }
}

type line = statuspage.Line[sample]

// plots are those of a pool, or of the proxy if name is empty.
func (m *Monitor) plots(name string, now *snapshot.Proxy) []statuspage.Plot {
	samples, of := m.recorder.Samples(), pool(name)
	gauge := func(name string, value func(snapshot.Pool) int) line {
		return statuspage.Gauge(name, func(s sample) float64 { return float64(value(of(s))) })
	}
	total := func(value func(snapshot.Totals) uint64) func(sample) float64 {
		return func(s sample) float64 { return float64(value(of(s).Totals)) }
	}
	spent := func(value func(snapshot.Totals) time.Duration) func(sample) float64 {
		return func(s sample) float64 { return value(of(s).Totals).Seconds() }
	}
	queries := total(func(t snapshot.Totals) uint64 { return t.Queries })
	transactions := total(func(t snapshot.Totals) uint64 { return t.Transactions })
	assignments := total(func(t snapshot.Totals) uint64 { return t.Assignments })
	draw := func(id, title, unit string, in statuspage.Unit, lines ...line) statuspage.Plot {
		return statuspage.Draw(samples, sampleInterval, statuspage.Plot{ID: id, Title: title, Unit: unit}, in, lines...)
	}
	all := []statuspage.Plot{
		draw("requests", "Requests", "a second", statuspage.Numbers,
			statuspage.Rate("Queries", time.Second, queries), statuspage.Rate("Transactions", time.Second, transactions)),
		draw("times", "Mean times", "", statuspage.Seconds,
			statuspage.Mean("Query", spent(func(t snapshot.Totals) time.Duration { return t.QueryTime }), queries),
			statuspage.Mean("Transaction", spent(func(t snapshot.Totals) time.Duration { return t.TransactionTime }), transactions),
			statuspage.Mean("Wait for a server", spent(func(t snapshot.Totals) time.Duration { return t.WaitTime }), assignments)),
		draw("clients", "Clients", "by state", statuspage.Numbers,
			gauge("Active", func(p snapshot.Pool) int { return p.ClientsActive }),
			gauge("Waiting", func(p snapshot.Pool) int { return p.ClientsWaiting }),
			gauge("Idle", func(p snapshot.Pool) int { return p.ClientsIdle })),
		draw("servers", "Server connections", "by state", statuspage.Numbers,
			gauge("Active", func(p snapshot.Pool) int { return p.ServersActive - p.ServersPinned }),
			gauge("Pinned", func(p snapshot.Pool) int { return p.ServersPinned }),
			gauge("Idle", func(p snapshot.Pool) int { return p.ServersIdle }),
			gauge("Connecting", func(p snapshot.Pool) int { return p.ServersConnecting })),
	}
	loginFails := statuspage.Rate("Server logins", time.Minute, total(func(t snapshot.Totals) uint64 { return t.ServerLoginFails }))
	if name != "" {
		return append(all,
			draw("traffic", "Traffic", "a second", statuspage.Bytes,
				statuspage.Rate("Received", time.Second, total(func(t snapshot.Totals) uint64 { return t.Received })),
				statuspage.Rate("Sent", time.Second, total(func(t snapshot.Totals) uint64 { return t.Sent }))),
			draw("failures", "Failures", "a minute", statuspage.Numbers, loginFails,
				statuspage.Rate("Server connections lost", time.Minute, total(func(t snapshot.Totals) uint64 { return t.Lost + t.LostIdle }))))
	}
	return append(all,
		draw("tokens", "Token expiry", "time left", statuspage.Minutes, expiryLines(now.Targets)...),
		draw("failures", "Failures", "a minute", statuspage.Numbers,
			statuspage.Rate("Client logins", time.Minute, func(s sample) float64 { return float64(s.failed) }), loginFails,
			statuspage.Rate("Token requests", time.Minute, func(s sample) float64 { return float64(s.credentialFailed) }),
			statuspage.Rate("Sessions lost", time.Minute, func(s sample) float64 { return float64(s.lost) })))
}
