// Package doctor finds out why a connection to Lakebase does not work. It
// takes the steps of a connection in order, with the library's own code, and
// reports for each what it saw, how long it took and, where it failed, what
// that means and the one thing to do about it.
//
// It changes nothing, except that logging in wakes a sleeping endpoint.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

// Options configure a [Run]. Those up to Secrets are required.
type Options struct {
	Target      string        // as lakebase.ParseConfig reads it; empty for the one that the environment names
	Timeout     time.Duration // of each check
	WakeTimeout time.Duration // for a database that wakes, starts or fails over
	Logger      *slog.Logger  // receives what the library logs
	Secrets     *Secrets      // collects what must not be shown
	Schema      string        // to look at; empty for none
	Slow        time.Duration // a check that takes longer is a warning; 0 for none
	Role        string        // whose rights in Schema count; empty for the one that logs in
	// Facts makes the run collect Report.Facts, for which it makes logins that are
	// refused. ExpiredToken is one for it; empty for none. Unmasked leaves the names
	// of hosts, identities and targets in the facts.
	Facts        bool
	ExpiredToken string
	Unmasked     bool
	// OnEvent, if not nil, is called for each step as it is taken, by the
	// goroutine that called Run.
	OnEvent func(Event)

	// timeouts are by check, in place of Timeout: tests wait for the end of
	// one check without hurrying the others.
	timeouts map[string]time.Duration
}

// Event is the start of a check, a note while it runs, or its end.
type Event struct {
	Check  string
	Note   string  // what the check is waiting for
	Result *Result // at its end
}

// step is one step of a connection, which is checked.
type step struct {
	name  string
	needs []string // the checks without whose success this one means nothing
	// skip returns why there is nothing to check, "" if there is.
	skip func(*visit) string
	run  func(context.Context, *visit) Result
	// only, if not nil, reports whether the options ask for the check.
	only func(Options) bool
}

// sequence has the steps in the order of a connection.
var sequence = []step{
	{name: "configuration", run: checkConfiguration},
	{name: "workspace", needs: []string{"configuration"}, skip: unlessWorkspace, run: checkWorkspace},
	{name: "target", needs: []string{"workspace"}, skip: unlessWorkspace, run: checkTarget},
	{name: "pooler", needs: []string{knownHost}, run: checkPooler},
	{name: "dns", needs: []string{knownHost}, skip: nothingToResolve, run: checkDNS},
	{name: "tcp", needs: []string{"dns"}, skip: socketsOnly, run: checkTCP},
	{name: "tls", needs: []string{"tcp"}, skip: socketsOnly, run: checkTLS},
	{name: "token", needs: []string{"target"}, skip: unlessWorkspace, run: checkToken},
	{name: "login", needs: []string{"tls", "token"}, run: checkLogin},
	{name: "role", needs: []string{"login", openSession}, run: inSession(roleQuery, judgeRole)},
	{name: "server", needs: []string{"login", openSession}, run: inSession(serverQuery, judgeServer)},
	{name: "connections", needs: []string{"login", openSession}, run: inSession(connectionsQuery, judgeConnections)},
	{name: "schema", needs: []string{"login", openSession}, run: checkSchema, only: func(o Options) bool { return o.Schema != "" }},
	{name: "facts", needs: []string{"login", openSession}, run: checkFacts, only: func(o Options) bool { return o.Facts }},
}

// Needs that are not checks: the one that names the host, which may be the
// configuration alone, and a session that is still open.
const (
	knownHost   = "host"
	openSession = "session"
)

// Names returns the names of the checks, in order.
func Names() []string {
	names := make([]string, len(sequence))
	for i, s := range sequence {
		names[i] = s.name
	}
	return names
}

func unlessWorkspace(v *visit) string {
	if v.isStatic() {
		return "a static URL needs no workspace"
	}
	return ""
}

// Run makes every check that can be made. When ctx ends it stops and returns
// the report so far, with Report.Interrupted set.
func Run(ctx context.Context, o Options) *Report {
	v := &visit{options: o, blockedBy: map[string]string{}}
	defer v.close()
	began := time.Now()
	report := &Report{Version: reportVersion, Time: began.UTC().Truncate(time.Second)}
	asked := slices.DeleteFunc(slices.Clone(sequence), func(s step) bool { return s.only != nil && !s.only(o) })
	for _, s := range asked {
		result := s.perform(ctx, v)
		if ctx.Err() != nil {
			report.Interrupted = true
			break
		}
		report.Checks = append(report.Checks, result)
		v.notify(Event{Check: s.name, Result: &result})
	}
	report.Facts = v.shownFacts(report.Checks)
	report.Target = oneline.Name(o.Secrets.Hide(v.targetName()))
	report.Milliseconds = milliseconds(time.Since(began))
	report.conclude(len(asked))
	return report
}

// perform makes the check, or says why it is skipped.
func (s step) perform(ctx context.Context, v *visit) Result {
	for _, name := range s.needs {
		if name == knownHost {
			name = "target"
			if v.steps != nil && len(v.servers) > 0 {
				name = "configuration"
			}
		}
		because := v.blockedBy[name]
		if because == "" {
			continue
		}
		v.blockedBy[s.name] = because
		summary := "needs " + because + ", which failed"
		if name == openSession {
			summary = "the session was lost in " + because
		}
		return Result{Name: s.name, Status: Skipped, Because: because, Summary: summary}
	}
	if s.skip != nil {
		if why := s.skip(v); why != "" {
			return Result{Name: s.name, Status: Skipped, Summary: why}
		}
	}
	v.timeout = cmp.Or(v.options.timeouts[s.name], v.options.Timeout)
	v.notify(Event{Check: s.name})
	began := time.Now()
	v.waited = false
	result := s.run(ctx, v)
	took := time.Since(began)
	result = v.judgeTime(ctx, s.name, result, took)
	result.Name, result.Milliseconds = s.name, milliseconds(took)
	if result.Status == Failed {
		result.retry = strings.HasPrefix(result.Action, "try again")
		v.blockedBy[s.name] = s.name
		if v.conn != nil && v.conn.IsClosed() {
			v.blockedBy[openSession] = s.name
		}
	}
	return result.shown(v.options.Secrets.Hide)
}

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
	Facts        []Fact    `json:"-"` // if Options asked for them
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

// Retry reports whether the same run may go well later by itself: the first failure is
// one that passes, or its advice is to try again.
func (r *Report) Retry() bool {
	for _, c := range r.Checks {
		if c.Status == Failed {
			return c.retry || lakebase.Retryable(c.err)
		}
	}
	return false
}

// conclude sums up the checks, of which there are total.
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
	Schema       *Schema  `json:"schema,omitempty"` // of the check of that name

	err   error
	retry bool // the advice is to try again
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
	problem.Details, problem.Schema = append(r.Details, Detail{Name: "result", Value: r.Summary}), r.Schema
	return problem
}

// shown passes every text through hide, and makes it fit to be shown: much comes
// from servers.
func (r Result) shown(hide func(string) string) Result {
	for _, s := range []*string{&r.Summary, &r.Meaning, &r.Action} {
		*s = oneline.Text(hide(*s))
	}
	r.Command = pasteable(hide(r.Command))
	r.Schema.shown(hide)
	for i := range r.Details {
		r.Details[i].Value = oneline.Name(hide(r.Details[i].Value))
	}
	return r
}

// pasteable returns a command that works as it is shown, or "".
func pasteable(command string) string {
	if oneline.Name(command) != command {
		return ""
	}
	return command
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
