// Package doctor finds out why a connection to Lakebase does not work. It
// takes the steps of one in order, with the library's own code, and says for
// each what it saw, how long it took and, where it failed, what that means and
// the one thing to do about it.
//
// It reads, and changes nothing but this: logging in wakes a sleeping endpoint.
package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Options configure a Run. The zero value checks what the environment names.
type Options struct {
	Target string // as lakebase.ParseConfig reads it
	// Timeout bounds each check. Zero means 10 seconds.
	Timeout time.Duration
	// WakeTimeout bounds the wait for a database that is on its way up. Zero
	// means 60 seconds.
	WakeTimeout time.Duration
	// OnEvent, if not nil, hears of every step as it is taken, from the
	// goroutine that called Run.
	OnEvent func(Event)
	// Logger receives what the library logs; nil means discard.
	Logger *slog.Logger
	// Secrets collects what must not be shown; nil means one of Run's own.
	Secrets *Secrets
}

// Event is the start of a check, something to say while it runs, or its end.
type Event struct {
	Check  string
	Note   string  // what the check is waiting for
	Result *Result // at its end
}

// check is one thing to look at.
type check struct {
	name string
	// needs names the checks without whose success this one says nothing.
	needs func(*visit) []string
	// spared says why there is nothing to check, "" if there is.
	spared func(*visit) string
	run    func(context.Context, *visit) finding
}

// checks in the order of a connection.
var checks = []check{
	{name: "configuration", run: checkConfiguration},
	{name: "workspace", needs: all("configuration"), spared: static, run: checkWorkspace},
	{name: "target", needs: all("workspace"), spared: static, run: checkTarget},
	{name: "pooler", needs: ifLookedUp("target"), run: checkPooler},
	{name: "dns", needs: ifLookedUp("target"), spared: nothingToResolve, run: checkDNS},
	{name: "tcp", needs: all("dns"), spared: socketsOnly, run: checkTCP},
	{name: "tls", needs: all("tcp"), spared: socketsOnly, run: checkTLS},
	{name: "token", needs: all("target"), spared: static, run: checkToken},
	{name: "login", needs: all("pooler", "tls", "token"), run: checkLogin},
	{name: "role", needs: all("login", session), run: checkRole},
	{name: "server", needs: all("login", session), run: checkServer},
	{name: "connections", needs: all("login", session), run: checkConnections},
}

// session is what the checks after the login need beside it: that it is still
// there.
const session = "session"

// Names returns the names of the checks, in order.
func Names() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.name
	}
	return names
}

func all(names ...string) func(*visit) []string {
	return func(*visit) []string { return names }
}

// ifLookedUp is for checks of a host, which may be known from the
// configuration alone.
func ifLookedUp(name string) func(*visit) []string {
	return func(v *visit) []string {
		if v.steps != nil && len(v.servers) > 0 {
			return []string{"configuration"}
		}
		return []string{name}
	}
}

func static(v *visit) string {
	if v.isStatic() {
		return "a static URL needs no workspace"
	}
	return ""
}

// Run takes all the steps that can be taken. When ctx ends it stops and
// returns what there is, with Report.Interrupted set.
func Run(ctx context.Context, o Options) *Report {
	v := newVisit(o)
	defer v.close()
	began := time.Now()
	report := &Report{Version: reportVersion, Time: began.UTC().Truncate(time.Second)}
	for _, c := range checks {
		result := v.perform(ctx, c)
		if ctx.Err() != nil {
			report.Interrupted = true
			break
		}
		report.Checks = append(report.Checks, result)
		v.tell(Event{Check: c.name, Result: &result})
	}
	report.Target = v.hide(v.targetName())
	report.Milliseconds = milliseconds(time.Since(began))
	report.conclude()
	return report
}

// perform makes one check, or says why it does not.
func (v *visit) perform(ctx context.Context, c check) Result {
	if c.needs != nil {
		for _, name := range c.needs(v) {
			if because := v.blockedBy[name]; because != "" {
				v.blockedBy[c.name] = because
				summary := "needs " + because + ", which failed"
				if name == session {
					summary = "the session was lost in " + because
				}
				return Result{Name: c.name, Status: Skipped, Because: because, Summary: summary}
			}
		}
	}
	if c.spared != nil {
		if why := c.spared(v); why != "" {
			return Result{Name: c.name, Status: Skipped, Summary: why}
		}
	}
	v.tell(Event{Check: c.name})
	began := time.Now()
	f := c.run(ctx, v)
	result := f.result(c.name, time.Since(began))
	if result.Status == Failed {
		v.blockedBy[c.name] = c.name
		if v.conn != nil && v.conn.IsClosed() {
			v.blockedBy[session] = c.name
		}
	}
	return result.hidden(v.hide)
}

// within bounds one check, or one part of it.
func (v *visit) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, v.options.Timeout, fmt.Errorf("no answer within %s: %w", v.options.Timeout, context.DeadlineExceeded))
}

func (v *visit) tell(e Event) {
	if v.options.OnEvent != nil {
		v.options.OnEvent(e)
	}
}
