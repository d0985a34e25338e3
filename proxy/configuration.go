package proxy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
	"github.com/lakebase-go/lakebase/internal/txpool"
)

// configuration is a Config and its targets. It is not modified, only replaced:
// see [Server.Reload].
type configuration struct {
	Config
	targets map[string]*target
}

// find returns the database that a client means by a database name. If the
// names of several targets are prefixes of it, the longest counts.
func (c *configuration) find(name string) (database, error) {
	if t := c.targets[name]; t != nil {
		return database{target: t}, nil
	}
	for i := strings.LastIndexByte(name, '/'); i >= 0; i = strings.LastIndexByte(name[:i], '/') {
		if t := c.targets[name[:i]]; t != nil {
			return t.database(name[i+1:]), nil
		}
	}
	t := c.targets[c.DefaultTarget]
	if t == nil {
		return database{}, &pgwire.Error{Code: "3D000", Message: fmt.Sprintf("no target is called %q, and there is no default one", name),
			Hint: "name the target as the database: TARGET or TARGET/DATABASE"}
	}
	return t.database(name), nil
}

// checkParameters refuses what no client may ask for as it connects. Servers
// take names of settings in any case.
func (c *configuration) checkParameters(startup *pgwire.Startup) error {
	asked, err := sqlscan.ParseOptions(startup.Get("options"))
	if err != nil {
		return &pgwire.Error{Code: "22023", Message: err.Error()}
	}
	if c.AllowSetRole {
		return nil
	}
	for _, p := range startup.Parameters {
		if err := checkParameter(p.Name); err != nil {
			return err
		}
	}
	for _, o := range asked {
		if err := checkParameter(o.Name); err != nil {
			return err
		}
	}
	return nil
}

func checkParameter(name string) error {
	switch strings.ToLower(name) {
	case "role", "session_authorization":
		return &pgwire.Error{Code: "42501", Message: fmt.Sprintf("permission denied to set parameter %q while connecting", name),
			Hint: "the proxy takes no role from its clients, unless it is started with allow_set_role"}
	}
	return nil
}

// checkAccess refuses routes that the configuration does not allow.
func (c *configuration) checkAccess(db database, startup *pgwire.Startup) error {
	name := db.target.name
	if allowed, ok := c.UserTargets[startup.User()]; ok && !slices.Contains(allowed, name) {
		return &pgwire.Error{Code: "42501", Message: fmt.Sprintf("user %q may not connect to the target %q", startup.User(), name),
			Hint: "the proxy's user_targets say where each user may connect"}
	}
	allowed, limited := c.Databases[name]
	if !limited {
		return nil
	}
	if db.name != "" && !slices.Contains(allowed, db.name) {
		return &pgwire.Error{Code: "42501", Message: fmt.Sprintf("clients may not connect to the database %q of the target %q", db.name, name),
			Hint: "the proxy's databases say which ones they may name"}
	}
	if replication(startup) != replicationNone {
		return &pgwire.Error{Code: "42501", Message: fmt.Sprintf("clients may not replicate from the target %q: that reads all its databases", name),
			Hint: "the proxy must not limit the databases of a target that is replicated from"}
	}
	return nil
}

// accepts reports whether clients may still connect to a database.
func (c *configuration) accepts(db database) bool {
	allowed, limited := c.Databases[db.target.name]
	return c.targets[db.target.name] == db.target && (db.name == "" || !limited || slices.Contains(allowed, db.name))
}

// Kinds of replication.
const (
	replicationNone     = "none"
	replicationLogical  = "logical"
	replicationPhysical = "physical"
)

// replication returns the kind that a client asks for in its startup packet. A
// connection for replication cannot be shared.
func replication(startup *pgwire.Startup) string {
	switch strings.ToLower(startup.Get("replication")) {
	case "", "0", "false", "off", "no", "f", "n":
		return replicationNone
	case "database":
		return replicationLogical
	}
	return replicationPhysical
}

// startupSettings returns the settings in a startup packet. Of two with the same
// name the later one counts, and options come first.
func startupSettings(startup *pgwire.Startup) (txpool.Settings, error) {
	options, err := sqlscan.ParseOptions(startup.Get("options"))
	if err != nil {
		return txpool.Settings{}, err
	}
	for _, p := range startup.Parameters {
		switch {
		case p.Name == "user", p.Name == "database", p.Name == "replication", p.Name == "options":
		case strings.HasPrefix(p.Name, "_pq_."):
		default:
			options = append(options, sqlscan.Option{Name: p.Name, Value: p.Value})
		}
	}
	return txpool.NewSettings(options)
}

// forwardedParameters returns the parameters of a startup packet that the
// server receives as they are. The proxy decides about the user and the
// database, and pgx about the protocol.
func forwardedParameters(startup *pgwire.Startup) map[string]string {
	params := make(map[string]string, len(startup.Parameters))
	for _, p := range startup.Parameters {
		if p.Name != "user" && p.Name != "database" && !strings.HasPrefix(p.Name, "_pq_.") {
			params[p.Name] = p.Value
		}
	}
	return params
}

// recheckTimeout bounds what a health check waits for the workspace.
const recheckTimeout = 2 * time.Second

// unusable returns why no target can be used: because the workspace does not know
// it or denies it. A workspace that does not answer is no reason. Targets in trouble
// are asked about again, as there may be no clients to find out that they are back.
func (c *configuration) unusable() error {
	var rechecks sync.WaitGroup
	err := c.whyUnusable(func(t *target) { rechecks.Go(t.recheck) })
	if err != nil {
		rechecks.Wait()
		err = c.whyUnusable(func(*target) {})
	}
	return err
}

// whyUnusable returns why the first target cannot be used, nil if any can. It calls
// inTrouble for those that the workspace gives no location or token for.
func (c *configuration) whyUnusable(inTrouble func(*target)) (err error) {
	usable := false
	for _, t := range c.targets {
		trouble := t.connector.Trouble()
		if trouble != nil {
			inTrouble(t)
		}
		switch {
		case trouble == nil || lakebase.Retryable(trouble):
			usable = true
		case err == nil:
			err = fmt.Errorf("target %s: %w", t.name, trouble)
		}
	}
	if usable {
		return nil
	}
	return err
}
