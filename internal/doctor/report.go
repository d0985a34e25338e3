package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
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

// found is the result of a check that passed.
func found(details []Detail, format string, args ...any) Result {
	return Result{Status: OK, Summary: fmt.Sprintf(format, args...), Details: details}
}

// problem begins the result of a check that failed, or a warning: what is
// wrong, what that means and the one thing to do about it.
func problem(format string, args ...any) Result { return Result{Summary: fmt.Sprintf(format, args...)} }

func (r Result) means(format string, args ...any) Result {
	r.Meaning = fmt.Sprintf(format, args...)
	return r
}

// do sets the action and, if there is one, the command for it.
func (r Result) do(action string, command ...string) Result {
	r.Action, r.Command = action, strings.Join(command, "")
	return r
}

// failed ends the check with err. Without an action, it is the error's hint.
func (r Result) failed(err error, details ...Detail) Result {
	e := asError(err)
	r.Status, r.Kind, r.err, r.Action = Failed, string(e.Kind), err, cmp.Or(r.Action, e.Hint)
	r.Details = append(details, Detail{Name: "error", Value: withoutPrefix(err)})
	return r
}

// warn turns r into a warning, or adds one more to it.
func (r Result) warn(problem Result) Result {
	if r.Status == Warning {
		r.Details = append(r.Details, Detail{Name: "also", Value: problem.Summary})
		return r
	}
	problem.Status = Warning
	problem.Details = append(r.Details, Detail{Name: "result", Value: r.Summary})
	return problem
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

// asError returns the library's error in err's chain, or an empty one.
func asError(err error) *lakebase.Error {
	if e := (*lakebase.Error)(nil); errors.As(err, &e) {
		return e
	}
	return &lakebase.Error{}
}

func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "lakebase: ") }

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}

// rounded is d with no more digits than a reader needs.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
