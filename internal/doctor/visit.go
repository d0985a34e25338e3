package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/roles"
	"github.com/lakebase-go/lakebase/internal/shellword"
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
	identity     string // of the caller, as the workspace names it
	groups       []string
	target       steps.Target
	asleep       bool // logging in wakes it
	servers      []steps.Server
	addresses    []address     // that the servers' names resolve to
	reached      []address     // of those, which answered
	roundTrip    time.Duration // to the server, the shortest; 0 if unknown
	waited       bool          // in the check that runs, for a database on its way up
	subject      string        // the identity that the token belongs to
	lifetime     time.Duration
	conn         *pgx.Conn
	facts        []Fact
	pooledHost   string // of the target, as the workspace names it
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

func (v *visit) notify(e Event) {
	if v.options.OnEvent != nil {
		e.Note = oneline.Text(e.Note)
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
		v.waited = true
		v.notify(Event{Check: check, Note: note()})
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pollInterval):
		}
	}
}

func (v *visit) isStatic() bool { return v.steps != nil && v.steps.Workspace == nil }

// targetName names the target for people.
func (v *visit) targetName() string {
	if name := v.target.Name(); name != "" || v.cfg == nil {
		return name
	}
	return v.cfg.Target()
}

// user is the role that logs in, "" while it is unknown.
func (v *visit) user() string {
	if v.steps == nil {
		return ""
	}
	return cmp.Or(v.steps.User, v.identity)
}

// setting returns one of the configuration.
func (v *visit) setting(name string) lakebase.Setting {
	for _, s := range v.settings {
		if s.Name == name {
			return s
		}
	}
	return lakebase.Setting{}
}

// settingDetails lists the settings whose names begin with prefix.
func (v *visit) settingDetails(prefix string) (details []Detail) {
	for _, s := range v.settings {
		if strings.HasPrefix(s.Name, prefix) {
			details = append(details, Detail{Name: s.Name, Value: s.Value, Source: s.Source})
		}
	}
	return details
}

// variable is the environment variable that a setting came from, or "".
func (v *visit) variable(name string) string {
	_, variable, _ := strings.Cut(v.setting(name).Source, "environment ")
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

// refused is the library's error for a failed attempt to reach host or log in.
func (v *visit) refused(err error, host string) error {
	return v.steps.Refused(err, host, v.user(), v.steps.Database)
}

// What follows are the commands and actions that several checks advise.

// again is the command that repeats the run.
func (v *visit) again() string { return v.command("doctor") }

// command is one with the target as its argument, unless that may hold a secret.
func (v *visit) command(name string) string {
	target := v.options.Target
	if target == "" || v.options.Secrets.Hide(target) != target || strings.Contains(target, "://") {
		return "lakebase " + name
	}
	return "lakebase " + name + " " + shellword.Of(target)
}

// targetFlag names the target in commands that take it as a flag.
func (v *visit) targetFlag() string {
	if v.options.Target == "" {
		return ""
	}
	if v.isStatic() {
		return " --target " + shellword.Of(v.cfg.String()) // without the password
	}
	return " --target " + shellword.Of(v.targetName())
}

// roles is a command about the role that logs in.
func (v *visit) roles(command string, flags ...string) string {
	words := append([]string{"lakebase roles", command, shellword.Of(v.user())}, flags...)
	return strings.Join(words, " ") + v.targetFlag()
}

// createRole is the command that creates the role of the identity that logs in.
func (v *visit) createRole() string {
	return v.roles("create", "--kind", string(identityKind(v.user())))
}

// identityKind is the --kind of roles create for an identity.
func identityKind(name string) roles.Kind { return cmp.Or(roles.KindOf(name), roles.User) }

// unset is the command that unsets a setting's variable, "" if it has none.
func (v *visit) unset(setting string) string {
	if variable := v.variable(setting); variable != "" {
		return "unset " + variable
	}
	return ""
}

// overridesHost reports whether a host is configured in place of the workspace's.
func (v *visit) overridesHost() bool {
	return v.cfg.Host != "" && (v.cfg.Instance != "" || v.cfg.Endpoint != "")
}

// letWorkspaceNameHost is the action, with its command, where a configured host
// may be at fault, and otherwise where none is configured.
func (v *visit) letWorkspaceNameHost(otherwise string) (action, command string) {
	if !v.overridesHost() {
		return otherwise, ""
	}
	return "let the workspace name the host", v.unset("host")
}

// toStart adds the advice for a target that no login starts.
func (v *visit) toStart(r Result) Result {
	action, command := "start it: in the workspace, on the page of the instance", ""
	if v.target.RawState == "disabled" {
		action = "enable it: in the workspace, on the page of the endpoint"
	}
	if v.isLocalLakebase() {
		command = "lakebase local start " + shellword.Of(v.target.Name())
	}
	return r.means("connecting does not start it, whatever the timeout").do(action, command)
}

// loginSource says where a setting of the workspace login comes from.
func (v *visit) loginSource(name string) string {
	s := v.setting("databricks." + name)
	switch variable := v.variable(s.Name); {
	case s.Source == "":
		return "nothing sets it"
	case variable != "":
		return variable + " sets it"
	}
	return "it comes from " + s.Source
}

// correctWorkspace is the action, with its command, for a wrong workspace address.
func (v *visit) correctWorkspace() (action, command string) {
	command = "export DATABRICKS_HOST=https://WORKSPACE.cloud.databricks.com"
	if profile, ok := strings.CutPrefix(v.setting("databricks.host").Source, "profile "); ok {
		command = "databricks auth login --profile " + shellword.Of(profile)
	}
	return "correct the workspace's address: " + v.loginSource("host"), command
}

// setClock is the action, with its command, for a clock that is off.
func setClock() (action, command string) {
	command = "sudo timedatectl set-ntp true"
	switch runtime.GOOS {
	case "darwin":
		command = "sudo sntp -sS time.apple.com"
	case "windows":
		command = "w32tm /resync"
	}
	return "set this machine's clock by a time server", command
}

// askForLongerTokens is the action for tokens that a workspace makes short.
const askForLongerTokens = "have the workspace's admin find out why its tokens are that short"

// smallerPool is the command that makes a pool smaller.
func smallerPool(size int) string {
	return fmt.Sprintf("export DB_POOL_SIZE=%d DB_MAX_OVERFLOW=0", size)
}
