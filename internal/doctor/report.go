package doctor

import (
	"fmt"
	"strings"
	"time"
)

// reportVersion changes only if a field changes its meaning. New fields leave
// it as it is.
const reportVersion = 1

// Status is how a check ended.
type Status string

// The statuses. A warning does not prevent a connection.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Report is what a [Run] found. As JSON it is a contract: see docs/json.md.
type Report struct {
	Version      int       `json:"version"`
	Status       Status    `json:"status"` // the worst of the checks'
	ExitCode     int       `json:"exit_code"`
	Target       string    `json:"target,omitempty"`
	Time         time.Time `json:"time"`
	Milliseconds float64   `json:"duration_ms"`
	Summary      string    `json:"summary"`
	Interrupted  bool      `json:"interrupted,omitempty"`
	Program      string    `json:"program"` // version and platform, filled in by the caller
	Checks       []Result  `json:"checks"`
}

// Result is how one check went.
type Result struct {
	Name         string   `json:"name"`
	Status       Status   `json:"status"`
	Milliseconds float64  `json:"duration_ms"`
	Summary      string   `json:"summary"`
	Because      string   `json:"because,omitempty"` // the failed check that kept this one from being made
	Kind         string   `json:"kind,omitempty"`    // of a failure: lakebase.Kind
	Meaning      string   `json:"meaning,omitempty"`
	Action       string   `json:"action,omitempty"`
	Command      string   `json:"command,omitempty"` // to paste, where Action is one
	Details      []Detail `json:"details,omitempty"`

	err error
}

// Detail is one thing that a check saw.
type Detail struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source,omitempty"` // of a setting
}

// Err returns the error of the first check that failed, nil if none did.
func (r *Report) Err() error {
	for _, c := range r.Checks {
		if c.Status == Failed {
			return c.err
		}
	}
	return nil
}

// conclude fills in the fields that sum the checks up, of which there are
// total.
func (r *Report) conclude(total int) {
	names := map[Status][]string{}
	for _, c := range r.Checks {
		names[c.Status] = append(names[c.Status], c.Name)
	}
	failed, warned := strings.Join(names[Failed], ", "), strings.Join(names[Warning], ", ")
	switch {
	case r.Interrupted:
		r.Status, r.Summary = Failed, fmt.Sprintf("interrupted after %d of %d checks", len(r.Checks), total)
	case failed != "":
		r.Status, r.Summary = Failed, "failed: "+failed
		if warned != "" {
			r.Summary += "; warnings: " + warned
		}
	case warned != "":
		r.Status, r.Summary = Warning, "it connects, with warnings: "+warned
	default:
		r.Status, r.Summary = OK, "all is well"
	}
}

// hidden passes every text through hide.
func (r Result) hidden(hide func(string) string) Result {
	for _, s := range []*string{&r.Summary, &r.Meaning, &r.Action, &r.Command} {
		*s = hide(*s)
	}
	for i := range r.Details {
		r.Details[i].Value = hide(r.Details[i].Value)
	}
	return r
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}
