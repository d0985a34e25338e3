package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
)

// reportVersion changes only if a field changes its meaning. Fields are added
// without.
const reportVersion = 1

// Status is how a check ended.
type Status string

// The statuses. A warning does not keep anyone from connecting.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Report is what a Run found. As JSON it is a contract: see docs/doctor.md.
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

// conclude fills in what sums the checks up.
func (r *Report) conclude() {
	names := map[Status][]string{}
	for _, c := range r.Checks {
		names[c.Status] = append(names[c.Status], c.Name)
	}
	failed, warned := names[Failed], names[Warning]
	switch {
	case r.Interrupted:
		r.Status, r.Summary = Failed, fmt.Sprintf("interrupted after %d of %d checks", len(r.Checks), len(checks))
	case len(failed) > 0:
		r.Status, r.Summary = Failed, "failed: "+strings.Join(failed, ", ")
		if len(warned) > 0 {
			r.Summary += "; warnings: " + strings.Join(warned, ", ")
		}
	case len(warned) > 0:
		r.Status, r.Summary = Warning, "it connects, with warnings: "+strings.Join(warned, ", ")
	default:
		r.Status, r.Summary = OK, "all is well"
	}
}

// finding is what a check returns.
type finding struct {
	status  Status // empty means OK
	summary string
	advice
	details []Detail
	err     error
}

// advice says what a failure or a warning means and the one thing to do.
type advice struct {
	meaning string
	action  string
	command string
}

// found is a check that went well.
func found(details []Detail, format string, args ...any) finding {
	return finding{summary: fmt.Sprintf(format, args...), details: details}
}

// warn turns f into a warning, or adds one more to it.
func (f finding) warn(summary string, a advice) finding {
	if f.status == Warning {
		f.details = append(f.details, Detail{Name: "also", Value: summary})
		return f
	}
	f.details = append(f.details, Detail{Name: "result", Value: f.summary})
	f.status, f.summary, f.advice = Warning, summary, a
	return f
}

// fail is a check that ended with err.
func fail(err error, summary string, a advice, details ...Detail) finding {
	var e *lakebase.Error
	if a.action == "" && errors.As(err, &e) {
		a.action = e.Hint
	}
	details = append(details, Detail{Name: "error", Value: strings.TrimPrefix(err.Error(), "lakebase: ")})
	return finding{status: Failed, summary: summary, advice: a, details: details, err: err}
}

func (f finding) result(name string, took time.Duration) Result {
	r := Result{
		Name: name, Status: cmp.Or(f.status, OK), Milliseconds: milliseconds(took), Summary: f.summary,
		Meaning: f.meaning, Action: f.action, Command: f.command, Details: f.details, err: f.err,
	}
	var e *lakebase.Error
	if errors.As(f.err, &e) {
		r.Kind = string(e.Kind)
	}
	return r
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
