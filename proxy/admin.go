package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/internal/buildinfo"
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/console"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// product names this program and its version, as in "lakebase proxy v1.2.3".
var product = "lakebase proxy " + buildinfo.Version()

// admin is a Server as its console and its monitor see it: a [console.Proxy]
// and a [monitor.Proxy].
type admin struct {
	server   *Server
	*poolSet // what it controls
}

func (s *Server) admin() admin { return admin{s, s.pools} }

var errStarting = errors.New("the proxy is starting")

// Started returns an error until the Server serves.
func (a admin) Started() error {
	if !a.server.serving.Load() {
		return errStarting
	}
	return nil
}

// Ready returns why new clients are not accepted. The state of the database
// does not count: asking for it would keep the database awake, and a client
// wakes it.
func (a admin) Ready() error {
	s := a.server
	switch {
	case s.env.isDraining(), s.stopping.Load():
		return errors.New("the proxy is shutting down")
	case s.env.closing.Load():
		return errors.New("the proxy waits for its last clients to leave")
	case !s.serving.Load():
		return errStarting
	case !s.listeners.isOpen():
		return errors.New("the proxy is not listening")
	}
	return s.env.configuration.Load().unusable()
}

// Alive returns when the mutexes that everything needs are free.
func (a admin) Alive() error {
	a.server.clients.list()
	a.server.pools.list()
	a.server.openMonitor()
	return nil
}

func (a admin) Debug() bool    { return a.server.env.config().Debug }
func (a admin) OnQuit() func() { return a.server.env.config().OnQuit }

// Snapshot implements [console.Proxy] and [monitor.Proxy].
func (a admin) Snapshot() *snapshot.Proxy {
	s, counts := a.server, &a.server.env.counts
	all := s.env.configuration.Load() // once, since a reload may remove targets
	now := &snapshot.Proxy{
		Product: product, Began: s.began, Closing: s.stopping.Load() || s.env.closing.Load(), Mode: string(all.PoolMode),
		DefaultPoolSize: all.DefaultPoolSize, MinPoolSize: all.MinPoolSize, MaxClientConn: all.MaxClientConn, MaxTargetConnections: all.MaxTargetConnections,
		MaxPreparedStatements: all.MaxPreparedStatements, ServerLifetime: all.ServerLifetime,
		Connected: counts.clients.Load(), Consoles: s.console.Sessions(),
		Accepted: counts.accepted.Load(), Sessions: counts.sessions.Load(), Failed: counts.failed.Load(),
		Canceled: counts.canceled.Load(), Lost: counts.lost.Load(),
		Switched: s.pools.switched, Settings: consoleSettings(&all.Config), Errors: s.env.errors.list(),
	}
	if all.Users != nil {
		now.Users = slices.Collect(maps.Keys(all.Users.verifiers))
	}
	now.Pools, now.Servers = s.sessions.info()
	for _, p := range s.pools.list() {
		pool, servers := p.info()
		now.Pools, now.Servers = append(now.Pools, pool), append(now.Servers, servers...)
	}
	pooled := map[snapshot.Database]*snapshot.Pool{} // those of transaction mode
	for i, p := range now.Pools {
		if p.Mode == snapshot.TransactionMode {
			pooled[snapshot.Database{Target: p.Target, Name: p.Database}] = &now.Pools[i]
		}
	}
	for _, c := range s.clients.connected() {
		info := c.info()
		now.Clients = append(now.Clients, info)
		if p := pooled[snapshot.Database{Target: info.Target, Name: info.Database}]; p != nil && info.Replication == replicationNone {
			p.AddClient(info)
		}
	}
	conns := s.targets.serverConns()
	for _, name := range slices.Sorted(maps.Keys(all.targets)) {
		now.Targets = append(now.Targets, all.targets[name].info(all, conns[name]))
	}
	slices.SortFunc(now.Pools, func(a, b snapshot.Pool) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Database, b.Database), cmp.Compare(a.Mode, b.Mode))
	})
	slices.SortFunc(now.Servers, func(a, b snapshot.Server) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Database, b.Database), a.Connected.Compare(b.Connected))
	})
	slices.SortFunc(now.Clients, func(a, b snapshot.Client) int { return a.Connected.Compare(b.Connected) })
	return now
}

// consoleSettings returns the lines of SHOW CONFIG.
func consoleSettings(cfg *Config) []snapshot.Setting {
	period := strconv.Itoa(int(console.StatsPeriod / time.Second))
	rows := []snapshot.Setting{
		{Key: "auth_type", Value: map[bool]string{true: "scram-sha-256", false: "any"}[cfg.Users != nil], Default: "any", Reloads: cfg.OnReload != nil},
		{Key: "max_user_connections", Value: "0", Default: "0"}, // for PgBouncer's exporter: there is no such limit
		{Key: "stats_period", Value: period, Default: period},
	}
	for _, s := range cfg.table() {
		rows = append(rows, snapshot.Setting{Key: s.Name, Value: s.Text(), Default: s.Default, Reloads: !s.Restart && cfg.OnReload != nil})
	}
	slices.SortFunc(rows, func(a, b snapshot.Setting) int { return strings.Compare(a.Key, b.Key) })
	return rows
}

// Access implements [console.Proxy]. Without passwords, user names mean nothing.
func (a admin) Access(user string) console.Access {
	cfg := a.server.env.config()
	switch {
	case cfg.Users == nil, slices.Contains(cfg.AdminUsers, user):
		return console.MayControl
	case slices.Contains(cfg.StatsUsers, user):
		return console.MayShow
	}
	return console.NoAccess
}

// Route implements [console.Proxy].
func (a admin) Route(name string) (snapshot.Database, error) {
	db, err := a.server.env.configuration.Load().find(name)
	if err != nil {
		return snapshot.Database{}, err
	}
	return snapshot.Database{Target: db.target.name, Name: db.name}, nil
}

// Kill implements [console.Proxy].
func (a admin) Kill(_ context.Context, db snapshot.Database) error {
	sessions, pools := a.server.sessions.kill(db), a.server.pools.kill(db)
	if !sessions && !pools && db != (snapshot.Database{}) {
		return errNoPool(db)
	}
	return nil
}

// KillClient kills no client if several have the ID, as two of different targets
// can in session mode.
func (a admin) KillClient(id uint64) error {
	switch clients := a.server.clients.withID(id); len(clients) {
	case 0:
		return &pgwire.Error{Code: "42704", Message: fmt.Sprintf("no client has the id %d: SHOW CLIENTS lists them", id)}
	case 1:
		clients[0].kill(errKilledByAdmin())
		return nil
	default:
		return &pgwire.Error{Code: "42725", Message: fmt.Sprintf("not one client: %d clients have the id %d: end it by pg_terminate_backend in its database", len(clients), id)}
	}
}

func (a admin) Reload() error {
	reload := a.server.env.config().OnReload
	if reload == nil {
		return &pgwire.Error{Code: "0A000", Message: "this proxy has no configuration to read again", Hint: "start it with a configuration file"}
	}
	return reload()
}

func (a admin) Shutdown(wait console.Wait) {
	switch wait {
	case console.WaitForNothing:
		now, cancel := context.WithCancel(context.Background())
		cancel()
		go a.server.Shutdown(now)
	case console.WaitForServers:
		go a.server.Shutdown(context.Background())
	case console.WaitForClients:
		a.server.closeWhenEmpty()
	}
}

// consoleClient is the handler of a client of the console.
type consoleClient struct {
	client  *client
	session *console.Session
}

// drain disconnects the client after the command that runs.
func (c *consoleClient) drain() { c.session.End(c.client.disconnecting()) }

// kill does the same: the connection is closed soon in any case.
func (c *consoleClient) kill() { c.drain() }

func (c *consoleClient) cancel(context.Context) error {
	c.session.Cancel()
	return nil
}

func (c *consoleClient) describe(info *snapshot.Client) {
	info.Database, info.State = console.Database, snapshot.ClientActive
}
