package proxy

import (
	"context"
	"maps"
	"net"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"time"
)

func settingsCommands() []consoleCommand {
	return []consoleCommand{
		{words: "SHOW DATABASES", means: "what clients can connect to, with limits", run: showDatabases, columns: slices.Concat(
			text("name", "host"), number("port"), text("database", "force_user"),
			number("pool_size", "min_pool_size", "reserve_pool_size", "server_lifetime"), text("pool_mode", "load_balance_hosts"),
			number("max_connections", "current_connections", "max_client_connections", "current_client_connections", "paused", "disabled"),
			text("target"))},
		{words: "SHOW USERS", means: "who may log in, and who is connected", run: showUsers, columns: slices.Concat(
			text("name"), number("pool_size", "reserve_pool_size"), text("pool_mode"),
			number("max_user_connections", "current_connections", "max_user_client_connections", "current_client_connections"), text("console"))},
		{words: "SHOW LISTS", means: "how many there are of what", run: showLists, columns: append(text("list"), number("items")...)},
		{words: "SHOW CONFIG", means: "the settings, by PgBouncer's names; times in seconds", run: showConfig, columns: text("key", "value", "default", "changeable")},
		{words: "SHOW MEM", means: "memory, in bytes", run: showMemory, columns: append(text("name"), number("size", "used", "free", "memtotal")...)},
		{words: "SHOW STATE", means: "whether the proxy is active, paused, or ends", run: showState, columns: text("key", "value")},
	}
}

// showDatabases lists each target's own database and those that clients have
// named.
func showDatabases(_ context.Context, c *console, _ string) (rows []row, _ error) {
	s, cfg := c.server, c.server.config()
	pools := mergePools(s.Pools(), consoleName)
	for name := range s.settings.Load().targets {
		if !slices.ContainsFunc(pools, func(p PoolInfo) bool { return p.Target == name && p.Database == name }) {
			pools = append(pools, PoolInfo{Target: name, Database: name, Mode: cfg.Mode})
		}
	}
	for _, p := range pools {
		seen := s.settings.Load().targets[p.Target].seen()
		var port any
		if seen.port != 0 {
			port = int64(seen.port)
		}
		database := p.Database
		if database == p.Target {
			database = seen.database
		}
		size := cfg.PoolSize
		if p.Mode == SessionMode {
			size = cfg.MaxServerConns
		}
		s.mu.Lock()
		paused, disabled := s.paused.on(p.Target, p.Database), s.disabled.on(p.Target, p.Database)
		s.mu.Unlock()
		rows = append(rows, row{poolName(p.Target, p.Database), ifKnown(seen.host), port, ifKnown(database), ifKnown(seen.user),
			int64(size), int64(cfg.WarmConns), int64(0), seconds(cfg.ServerLifetime), string(p.Mode), nil,
			int64(cfg.MaxServerConns), int64(p.ServersActive + p.ServersIdle + p.ServersResting),
			int64(cfg.MaxClients), int64(p.ClientsActive + p.ClientsIdle + p.ClientsWaiting), flag(paused), flag(disabled), p.Target})
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return rows, nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// showUsers lists those who have a password, or else those who are connected.
func showUsers(_ context.Context, c *console, _ string) (rows []row, _ error) {
	clients, servers := map[string]int64{}, map[string]int64{}
	if users := c.server.config().Users; users != nil {
		for name := range users.verifiers {
			clients[name] = 0
		}
	}
	for _, info := range c.server.Clients() {
		if info.User != "" {
			clients[info.User]++
		}
		if info.User != "" && info.ServerPID != 0 {
			servers[info.User]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(clients)) {
		rows = append(rows, row{name, nil, nil, nil, int64(0), servers[name], int64(0), clients[name],
			map[access]any{mayLook: "stats", mayControl: "admin"}[c.server.consoleAccess(name)]})
	}
	return rows, nil
}

func showLists(ctx context.Context, c *console, _ string) (rows []row, _ error) {
	databases, _ := showDatabases(ctx, c, "")
	users, _ := showUsers(ctx, c, "")
	clients := c.server.Clients()
	login := 0
	for _, info := range clients {
		if info.State == clientLogin {
			login++
		}
	}
	for _, list := range []struct {
		name  string
		items int
	}{
		{"databases", len(databases)}, {"users", len(users)}, {"peers", 0}, {"pools", len(mergePools(c.server.poolInfos(), consoleName))}, {"peer_pools", 0},
		{"free_clients", 0}, {"used_clients", len(clients) - login}, {"login_clients", login},
		{"free_servers", 0}, {"used_servers", len(c.server.Servers())},
		{"dns_names", 0}, {"dns_zones", 0}, {"dns_queries", 0}, {"dns_pending", 0},
		{"targets", len(c.server.settings.Load().targets)},
	} {
		rows = append(rows, row{list.name, int64(list.items)})
	}
	return rows, nil
}

// setting is one of the configuration, under PgBouncer's name where it has
// one.
type setting struct {
	key, value string
	reloads    bool // it may differ after a RELOAD
}

func (cfg *Config) consoleSettings() []setting {
	host, port, _ := net.SplitHostPort(cfg.Listen)
	number := func(key string, n int) setting { return setting{key, strconv.Itoa(n), true} }
	duration := func(key string, d time.Duration) setting {
		return setting{key, strconv.FormatFloat(d.Seconds(), 'f', -1, 64), true}
	}
	return []setting{
		{"admin_users", strings.Join(cfg.Admins, ","), true},
		{"allow_set_role", yesNo(cfg.AllowSetRole), true},
		{"auth_type", map[bool]string{true: "scram-sha-256", false: "any"}[cfg.Users != nil], true},
		duration("client_idle_timeout", cfg.IdleTimeout),
		duration("client_login_timeout", cfg.LoginTimeout),
		number("default_pool_size", cfg.PoolSize),
		{"default_target", cfg.DefaultTarget, true},
		duration("drain_delay", cfg.DrainDelay),
		{"http_listen", cfg.HTTPListen, false},
		{"listen_addr", host, false},
		{"listen_port", port, false},
		number("max_client_conn", cfg.MaxClients),
		number("max_prepared_statements", cfg.MaxPrepared),
		number("max_server_conns", cfg.MaxServerConns),
		{"max_user_connections", "0", false}, // for PgBouncer's exporter: there is no such limit
		number("min_pool_size", cfg.WarmConns),
		duration("network_timeout", cfg.NetworkTimeout),
		{"pool_mode", string(cfg.Mode), false},
		duration("query_wait_timeout", cfg.WaitTimeout),
		duration("server_connect_timeout", cfg.ConnectTimeout),
		duration("server_idle_timeout", cfg.ServerIdleTimeout),
		duration("server_lifetime", cfg.ServerLifetime),
		duration("stats_period", statsPeriod),
		{"stats_users", strings.Join(cfg.StatsUsers, ","), true},
		{"trust_functions", yesNo(cfg.TrustFunctions), true},
		{"unix_socket_dir", cfg.UnixDir, false},
	}
}

// hasSetting reports whether SHOW CONFIG has the key.
func (s *Server) hasSetting(key string) bool {
	return slices.ContainsFunc(s.config().consoleSettings(), func(one setting) bool { return one.key == key })
}

func showConfig(_ context.Context, c *console, _ string) (rows []row, _ error) {
	cfg := c.server.config()
	defaults, _ := Config{}.withDefaults() // misses a target, which has no default
	otherwise := defaults.consoleSettings()
	for i, s := range cfg.consoleSettings() {
		rows = append(rows, row{s.key, s.value, otherwise[i].value, yesNo(s.reloads && cfg.OnReload != nil)})
	}
	return rows, nil
}

// memoryClasses are the runtime's own.
var memoryClasses = []struct{ name, used, free string }{
	{"heap", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes"},
	{"stacks", "/memory/classes/heap/stacks:bytes", "/memory/classes/heap/unused:bytes"},
	{"total", "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes"},
}

func showMemory(context.Context, *console, string) (rows []row, _ error) {
	for _, class := range memoryClasses {
		samples := []metrics.Sample{{Name: class.used}, {Name: class.free}}
		metrics.Read(samples)
		used, free := int64(samples[0].Value.Uint64()), int64(samples[1].Value.Uint64())
		rows = append(rows, row{class.name, int64(1), used, free, used + free})
	}
	return rows, nil
}

func showState(_ context.Context, c *console, _ string) ([]row, error) {
	s := c.server
	s.mu.Lock()
	paused := s.paused.on("", "")
	s.mu.Unlock()
	return []row{{"active", yesNo(!paused)}, {"paused", yesNo(paused)}, {"suspended", "no"}, {"stopping", yesNo(s.stopping.Load() || s.leaving.Load())}}, nil
}
