package doctor

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/roles"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/internal/steps"
)

// visit is what the checks of one run have found out so far, for those that
// come after them.
type visit struct {
	options   Options
	blockedBy map[string]string // by check: the failed one that it is or needs

	cfg       *lakebase.Config
	settings  []lakebase.Setting
	connector *lakebase.Connector
	steps     *steps.Steps

	workspaceURL string
	nameless     bool   // its name had no address when the time for it was over
	identity     string // who the workspace says we are
	groups       []string
	target       steps.Target
	asleep       bool // logging in wakes it
	servers      []steps.Server
	addresses    []address // that the servers' names lead to
	reached      []address // of those, which answered
	subject      string    // whose token it is
	lifetime     time.Duration
	conn         *pgx.Conn
}

// address is one address of a server.
type address struct {
	server steps.Server
	ip     string
}

const (
	defaultTimeout     = 10 * time.Second
	defaultWakeTimeout = time.Minute
)

func newVisit(o Options) *visit {
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.WakeTimeout = cmp.Or(o.WakeTimeout, defaultWakeTimeout)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Secrets == nil {
		o.Secrets = NewSecrets()
	}
	return &visit{options: o, blockedBy: map[string]string{}}
}

// close ends what the checks have opened.
func (v *visit) close() {
	if v.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = v.conn.Close(ctx) // it is of no use to anyone any more
	}
	if v.connector != nil {
		v.connector.Close()
	}
}

func (v *visit) hide(text string) string { return v.options.Secrets.Hide(text) }

func (v *visit) isStatic() bool { return v.steps != nil && v.steps.Workspace == nil }

// targetName is what is connected to, for people.
func (v *visit) targetName() string {
	switch {
	case v.target.Name() != "":
		return v.target.Name()
	case v.cfg != nil:
		return v.cfg.Target()
	}
	return ""
}

// again is the command that repeats the run.
func (v *visit) again() string { return "lakebase doctor" + v.argument() }

// wait is the command that waits for the target.
func (v *visit) wait() string { return "lakebase wait" + v.argument() }

// argument is the target as an argument of another command, unless it may hold
// a secret.
func (v *visit) argument() string {
	if v.options.Target == "" || v.hide(v.options.Target) != v.options.Target || strings.Contains(v.options.Target, "://") {
		return ""
	}
	return " " + shellword.Of(v.options.Target)
}

// on is what names the target in other commands.
func (v *visit) on() string {
	if v.options.Target == "" {
		return ""
	}
	return " --target " + shellword.Of(v.targetName())
}

// overridesHost reports whether a host is configured that the workspace would
// name if it were not.
func (v *visit) overridesHost() bool {
	return v.cfg.Host != "" && (v.cfg.Instance != "" || v.cfg.Endpoint != "")
}

// user is the role that logs in, as far as it is known.
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
	variable, _ := strings.CutPrefix(v.setting(name).Source, "environment ")
	if variable == v.setting(name).Source {
		return ""
	}
	return variable
}

// isLocalLakebase reports whether the workspace is one on this machine.
func (v *visit) isLocalLakebase() bool {
	_, rest, _ := strings.Cut(v.workspaceURL, "://")
	host, err := netip.ParseAddrPort(rest)
	return err == nil && host.Addr().IsLoopback()
}

// identityKind is the --kind of roles create for an identity.
func identityKind(name string) roles.Kind { return cmp.Or(roles.KindOf(name), roles.User) }
