package demo

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/quantile"
)

// Report is the outcome of a demo. `lakebase demo -o json` prints it on
// one line; fields are only ever added. Durations are in milliseconds.
type Report struct {
	DurationMS      float64 `json:"duration_ms"`
	TokenLifetimeMS float64 `json:"token_lifetime_ms"`
	Clients         int     `json:"clients"`
	Queries         int     `json:"queries"`
	Failures        int     `json:"failures"`
	P50MS           float64 `json:"p50_ms"`
	P99MS           float64 `json:"p99_ms"`
	Logins          int64   `json:"logins"`
	LoginsRefused   int64   `json:"logins_refused"`
	TokensUsed      int64   `json:"tokens_used"` // different tokens that logged in
	Refreshes       int64   `json:"refreshes"`   // tokens after the first
	CredentialCalls int64   `json:"credential_calls"`
	CallsRefused    int64   `json:"credential_calls_refused"`
	OutageMS        float64 `json:"api_outage_ms"`

	lastError error
}

// report is called after the load.
func (d *demo) report() Report {
	tokens, server := d.connector.Stats(), d.server.Stats()
	slices.Sort(d.load.latencies)
	queries, failures := d.load.counts()
	return Report{
		DurationMS:      inMS(d.took),
		TokenLifetimeMS: inMS(d.options.tokenLifetime),
		Clients:         d.options.clients,
		Queries:         queries,
		Failures:        failures,
		P50MS:           inMS(quantile.Of(d.load.latencies, 0.50)),
		P99MS:           inMS(quantile.Of(d.load.latencies, 0.99)),
		Logins:          server.Logins,
		LoginsRefused:   server.LoginsRefused,
		TokensUsed:      server.TokensUsed,
		Refreshes:       max(0, tokens.Tokens-1),
		CredentialCalls: server.CredentialCalls,
		CallsRefused:    server.CredentialCalls - server.TokensMinted,
		OutageMS:        inMS(d.outage),
		lastError:       d.load.lastError,
	}
}

// print writes the report for people.
func (r Report) print(w io.Writer) error {
	p := terminal.PainterFor(w)
	verdict := terminal.Green
	if r.Failures > 0 {
		verdict = terminal.Red
	}
	for _, row := range []struct {
		name, value, note string
	}{
		{"queries", fmt.Sprint(r.Queries), fmt.Sprintf("by %d HTTP clients in %.1f s", r.Clients, r.DurationMS/1000)},
		{"failures", fmt.Sprint(r.Failures), ""},
		{"latency p50", fmt.Sprintf("%.1f ms", r.P50MS), ""},
		{"latency p99", fmt.Sprintf("%.1f ms", r.P99MS), ""},
		{"logins", fmt.Sprint(r.Logins), fmt.Sprintf("%d refused", r.LoginsRefused)},
		{"tokens used", fmt.Sprint(r.TokensUsed), fmt.Sprintf("each valid for %.0f s", r.TokenLifetimeMS/1000)},
		{"refreshes", fmt.Sprint(r.Refreshes), "ahead of expiry, in the background"},
		{"credential calls", fmt.Sprint(r.CredentialCalls), fmt.Sprintf("%d refused by the outage", r.CallsRefused)},
		{"API outage", fmt.Sprintf("%.1f s", r.OutageMS/1000), "served from the cached token"},
	} {
		value := fmt.Sprintf("%10s", row.value)
		if row.name == "failures" {
			value = p.Paint(verdict, value)
		}
		if row.note != "" {
			value += "   " + p.Paint(terminal.Dim, row.note)
		}
		if _, err := fmt.Fprintf(w, "  %-18s%s\n", row.name, value); err != nil {
			return err
		}
	}
	return nil
}

// verdict is an error unless every request was answered, enough tokens were used
// and there was an outage.
func (r Report) verdict() error {
	switch {
	case r.Failures > 0:
		return &command.Error{
			Message: fmt.Sprintf("%d of %d requests failed, the last with", r.Failures, r.Queries),
			Err:     r.lastError,
		}
	case r.TokensUsed < TokensWanted:
		return &command.Error{Message: fmt.Sprintf("only %d tokens were used, which shows too little", r.TokensUsed), Hint: "use a longer --duration"}
	case r.OutageMS == 0:
		return &command.Error{Message: "there was no outage of the workspace, which shows too little", Hint: "use a longer --duration"}
	}
	return nil
}

func inMS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
