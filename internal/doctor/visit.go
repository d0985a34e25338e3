package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/steps"
)

// visit is one run: what its checks have found out so far, for those that come
// after them.
type visit struct {
	options   Options
	timeout   time.Duration     // of the check that runs
	blockedBy map[string]string // by check: the failed one that it is or needs

	cfg       *lakebase.Config
	settings  []lakebase.Setting
	connector *lakebase.Connector
	steps     *steps.Steps

	workspaceURL string
	unresolved   string // the workspace's name, if it had no address within the timeout
	identity     string // of the caller, as the workspace names it
	groups       []string
	target       steps.Target
	asleep       bool // logging in wakes it
	servers      []steps.Server
	addresses    []address // that the servers' names resolve to
	reached      []address // of those, which answered
	subject      string    // the identity that the token belongs to
	lifetime     time.Duration
	conn         *pgx.Conn
}

func newVisit(o Options) *visit {
	return &visit{options: o.withDefaults(), blockedBy: map[string]string{}}
}

// close closes what the checks have opened.
func (v *visit) close() {
	if v.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = v.conn.Close(ctx) // the report is complete without it
	}
	if v.connector != nil {
		v.connector.Close()
	}
}

// begin starts a check.
func (v *visit) begin(check string) {
	v.timeout = cmp.Or(v.options.timeouts[check], v.options.Timeout)
	v.notify(Event{Check: check})
}

func (v *visit) notify(e Event) {
	if v.options.OnEvent != nil {
		v.options.OnEvent(e)
	}
}

// within bounds the check that runs, or one part of it.
func (v *visit) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, v.timeout, fmt.Errorf("no answer within %s: %w", v.timeout, context.DeadlineExceeded))
}

// pollInterval is the pause between two looks at a target or server that is
// starting. Tests shorten it.
var pollInterval = time.Second

// poll calls try until it succeeds, fails for another reason than that the
// database is starting, or the wake timeout has passed. note says what for.
func (v *visit) poll(ctx context.Context, check string, try func() (starting bool, err error), note func() string) error {
	deadline := time.Now().Add(v.options.WakeTimeout)
	for {
		starting, err := try()
		if !starting || time.Until(deadline) < pollInterval {
			return err
		}
		v.notify(Event{Check: check, Note: note()})
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pollInterval):
		}
	}
}

func (v *visit) hide(text string) string { return v.options.Secrets.Hide(text) }

func (v *visit) isStatic() bool { return v.steps != nil && v.steps.Workspace == nil }

// targetName names the target for people.
func (v *visit) targetName() string {
	switch {
	case v.target.Name() != "":
		return v.target.Name()
	case v.cfg != nil:
		return v.cfg.Target()
	}
	return ""
}

// overridesHost reports whether a host is configured in place of the one that
// the workspace names.
func (v *visit) overridesHost() bool {
	return v.cfg.Host != "" && (v.cfg.Instance != "" || v.cfg.Endpoint != "")
}

// user is the role that logs in, "" while it is unknown.
func (v *visit) user() string {
	if v.steps == nil {
		return ""
	}
	return cmp.Or(v.steps.User, v.identity)
}

func (v *visit) database() string { return v.steps.Database }

// setting returns one of the configuration.
func (v *visit) setting(name string) lakebase.Setting {
	for _, s := range v.settings {
		if s.Name == name {
			return s
		}
	}
	return lakebase.Setting{}
}

// variable returns the environment variable that a setting came from, "" if
// it came from elsewhere.
func (v *visit) variable(name string) string {
	variable, ok := strings.CutPrefix(v.setting(name).Source, "environment ")
	if !ok {
		return ""
	}
	return variable
}

// skew returns how far this machine's clock is off the workspace's, and
// whether that is more than a reply's delay explains.
func (v *visit) skew() (skew time.Duration, wrong bool) {
	if v.steps.Workspace == nil {
		return 0, false
	}
	skew, known := v.steps.Workspace.Skew()
	return skew, known && skew.Abs() > 30*time.Second
}

// isLocalLakebase reports whether the workspace is a local Lakebase.
func (v *visit) isLocalLakebase() bool {
	_, rest, _ := strings.Cut(v.workspaceURL, "://")
	host, err := netip.ParseAddrPort(rest)
	return err == nil && host.Addr().IsLoopback()
}

// refused is the library's error for a failed attempt to reach host or to log
// in there.
func (v *visit) refused(err error, host string) error {
	return v.steps.Refused(err, host, v.user(), v.database())
}
