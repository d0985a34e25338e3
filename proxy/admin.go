package proxy

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/console"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// admin is a Server as its console and its monitor see it: a [console.Proxy]
// and a [monitor.Proxy].
type admin struct{ server *Server }

// Reasons why the proxy is not ready.
var (
	errStarting     = errors.New("the proxy is starting")
	errDraining     = errors.New("the proxy is shutting down")
	errLeaving      = errors.New("the proxy waits for its last clients to leave")
	errNotListening = errors.New("the proxy is not listening")
)

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
	case s.isDraining(), s.stopping.Load():
		return errDraining
	case s.leaving.Load():
		return errLeaving
	case !s.serving.Load():
		return errStarting
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listeners) == 0 {
		return errNotListening
	}
	return nil
}

// Alive returns when the Server's mutex, which everything needs, is free.
func (a admin) Alive() error {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return nil
}

// Overview implements [snapshot.Source].
func (a admin) Overview() snapshot.Overview {
	s, cfg := a.server, a.server.config()
	return snapshot.Overview{
		Product: product, Began: s.began, Closing: s.stopping.Load() || s.leaving.Load(),
		Mode: string(cfg.PoolMode), DefaultTarget: cfg.DefaultTarget,
		DefaultPoolSize: cfg.DefaultPoolSize, MinPoolSize: cfg.MinPoolSize, MaxClientConn: cfg.MaxClientConn, MaxTargetConnections: cfg.MaxTargetConnections,
		MaxPreparedStatements: cfg.MaxPreparedStatements, ServerLifetime: cfg.ServerLifetime,
		Connected: s.counts.clients.Load(), Consoles: s.console.Sessions(),
		Accepted: s.counts.accepted.Load(), Sessions: s.counts.sessions.Load(), Failed: s.counts.failed.Load(),
		Canceled: s.counts.canceled.Load(), Lost: s.counts.lost.Load(),
	}
}

// Pools implements [snapshot.Source].
func (a admin) Pools() []snapshot.Pool {
	infos := a.server.sessionPools()
	for _, p := range a.server.allPools() {
		infos = append(infos, p.info())
	}
	clients := map[[2]string]*snapshot.Pool{} // of transaction mode
	for i := range infos {
		if infos[i].Mode == snapshot.TransactionMode {
			clients[[2]string{infos[i].Target, infos[i].Database}] = &infos[i]
		}
	}
	for _, c := range a.Clients() {
		if info := clients[[2]string{c.Target, c.Database}]; info != nil && c.Replication == replicationNone {
			switch c.State {
			case snapshot.ClientActive:
				info.ClientsActive++
			case snapshot.ClientWaiting:
				info.ClientsWaiting++
			case snapshot.ClientIdle:
				info.ClientsIdle++
			}
		}
	}
	slices.SortFunc(infos, func(a, b snapshot.Pool) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Database, b.Database), cmp.Compare(a.Mode, b.Mode))
	})
	return infos
}

// Servers implements [snapshot.Source].
func (a admin) Servers() []snapshot.Server {
	var infos []snapshot.Server
	for _, p := range a.server.allPools() {
		for _, conn := range p.conns() {
			infos = append(infos, conn.info())
		}
	}
	for _, one := range a.server.sessions() {
		infos = append(infos, one.serverInfo())
	}
	slices.SortFunc(infos, func(a, b snapshot.Server) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Database, b.Database), a.Connected.Compare(b.Connected))
	})
	return infos
}

// Clients implements [snapshot.Source].
func (a admin) Clients() []snapshot.Client {
	a.server.mu.Lock()
	clients := slices.Collect(maps.Keys(a.server.clients))
	a.server.mu.Unlock()
	infos := make([]snapshot.Client, 0, len(clients))
	for _, c := range clients {
		infos = append(infos, c.info())
	}
	slices.SortFunc(infos, func(a, b snapshot.Client) int { return a.Connected.Compare(b.Connected) })
	return infos
}

// Targets implements [snapshot.Source].
func (a admin) Targets() []snapshot.Target {
	all := a.server.settings.Load() // once, since a reload may remove targets
	conns := a.server.Stats().ServerConns
	infos := make([]snapshot.Target, 0, len(all.targets))
	for _, name := range slices.Sorted(maps.Keys(all.targets)) {
		infos = append(infos, all.targets[name].info(all, conns[name]))
	}
	return infos
}

// Access implements [console.Proxy]. Without passwords, user names mean nothing.
func (a admin) Access(user string) console.Access {
	cfg := a.server.config()
	switch {
	case cfg.Users == nil, slices.Contains(cfg.AdminUsers, user):
		return console.MayControl
	case slices.Contains(cfg.StatsUsers, user):
		return console.MayShow
	}
	return console.NoAccess
}

// Users implements [console.Proxy].
func (a admin) Users() []string {
	users := a.server.config().Users
	if users == nil {
		return nil
	}
	return slices.Collect(maps.Keys(users.verifiers))
}

// Route implements [console.Proxy].
func (a admin) Route(name string) (snapshot.Database, error) {
	r, err := a.server.settings.Load().route(name)
	if err != nil {
		return snapshot.Database{}, err
	}
	return snapshot.Database{Target: r.target.name, Name: r.database}, nil
}

// Switched implements [console.Proxy].
func (a admin) Switched(db snapshot.Database) (paused, disabled bool) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.server.paused.on(db.Target, db.Name), a.server.disabled.on(db.Target, db.Name)
}

// The control methods implement [console.Proxy].

func (a admin) Pause(ctx context.Context, db snapshot.Database) error {
	return a.server.pause(ctx, db.Target, db.Name)
}

func (a admin) WaitClose(ctx context.Context, db snapshot.Database) error {
	return a.server.waitClose(ctx, db.Target, db.Name)
}

func (a admin) Resume(db snapshot.Database) error    { return a.server.resume(db.Target, db.Name) }
func (a admin) Reconnect(db snapshot.Database) error { return a.server.reconnect(db.Target, db.Name) }
func (a admin) Kill(db snapshot.Database) error      { return a.server.kill(db.Target, db.Name) }
func (a admin) KillClient(id uint64) error           { return a.server.killClient(id) }

func (a admin) Disable(db snapshot.Database) error {
	a.server.disable(db.Target, db.Name, true)
	return nil
}

func (a admin) Enable(db snapshot.Database) error {
	a.server.disable(db.Target, db.Name, false)
	return nil
}

func (a admin) Reload() error {
	reload := a.server.config().OnReload
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
		a.server.leave()
	}
}

// Settings implements [console.Proxy].
func (a admin) Settings() []console.Setting {
	cfg := a.server.config()
	period := strconv.Itoa(int(console.StatsPeriod / time.Second))
	rows := []console.Setting{
		{Key: "auth_type", Value: map[bool]string{true: "scram-sha-256", false: "any"}[cfg.Users != nil], Default: "any", Reloads: cfg.OnReload != nil},
		{Key: "max_user_connections", Value: "0", Default: "0"}, // for PgBouncer's exporter: there is no such limit
		{Key: "stats_period", Value: period, Default: period},
	}
	for _, s := range cfg.table() {
		rows = append(rows, console.Setting{Key: s.Name, Value: s.Text(), Default: s.Default, Reloads: !s.Restart && cfg.OnReload != nil})
	}
	slices.SortFunc(rows, func(a, b console.Setting) int { return strings.Compare(a.Key, b.Key) })
	return rows
}
