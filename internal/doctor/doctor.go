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
	"log/slog"
	"time"
)

// Options configure a [Run]. All but OnEvent are required.
type Options struct {
	Target      string        // as lakebase.ParseConfig reads it; empty for the one that the environment names
	Timeout     time.Duration // of each check
	WakeTimeout time.Duration // for a database that wakes, starts or fails over
	Logger      *slog.Logger  // receives what the library logs
	Secrets     *Secrets      // collects what must not be shown
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
	{name: "login", needs: []string{"pooler", "tls", "token"}, run: checkLogin},
	{name: "role", needs: []string{"login", openSession}, run: checkRole},
	{name: "server", needs: []string{"login", openSession}, run: checkServer},
	{name: "connections", needs: []string{"login", openSession}, run: checkConnections},
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
	for _, s := range sequence {
		result := s.perform(ctx, v)
		if ctx.Err() != nil {
			report.Interrupted = true
			break
		}
		report.Checks = append(report.Checks, result)
		v.notify(Event{Check: s.name, Result: &result})
	}
	report.Target = o.Secrets.Hide(v.targetName())
	report.Milliseconds = milliseconds(time.Since(began))
	report.conclude(len(sequence))
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
	result := s.run(ctx, v)
	result.Name, result.Milliseconds = s.name, milliseconds(time.Since(began))
	if result.Status == Failed {
		v.blockedBy[s.name] = s.name
		if v.conn != nil && v.conn.IsClosed() {
			v.blockedBy[openSession] = s.name
		}
	}
	return result.hidden(v.options.Secrets.Hide)
}
