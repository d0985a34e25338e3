package console

import (
	"context"
	"maps"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

func settingsCommands() []command {
	return []command{
		{words: "SHOW DATABASES", means: "databases that clients can connect to, with their limits", run: showDatabases, columns: slices.Concat(
			text("name", "host"), number("port"), text("database", "force_user"),
			number("pool_size", "min_pool_size", "reserve_pool_size", "server_lifetime"), text("pool_mode", "load_balance_hosts"),
			number("max_connections", "current_connections", "max_client_connections", "current_client_connections", "paused", "disabled"),
			text("target"))},
		{words: "SHOW USERS", means: "users that have a password, and users that are connected", run: showUsers, columns: slices.Concat(
			text("name"), number("pool_size", "reserve_pool_size"), text("pool_mode"),
			number("max_user_connections", "current_connections", "max_user_client_connections", "current_client_connections"), text("console"))},
		{words: "SHOW LISTS", means: "the sizes of internal lists", run: showLists, columns: append(text("list"), number("items")...)},
		{words: "SHOW CONFIG", means: "the settings; times in seconds", run: showConfig, columns: text("key", "value", "default", "changeable")},
		{words: "SHOW MEM", means: "memory, in bytes", run: showMemory, columns: append(text("name"), number("size", "used", "free", "memtotal")...)},
		{words: "SHOW STATE", means: "whether the proxy is active, paused or shutting down", run: showState, columns: text("key", "value")},
	}
}

// showDatabases lists the own database of each target and those that clients
// have named.
func showDatabases(_ context.Context, s *Session, _ string) (rows []row, _ error) {
	proxy, all := s.console.proxy, s.console.proxy.Overview()
	pools := snapshot.Merge(proxy.Pools(), snapshot.Pool.Name)
	targets := map[string]snapshot.Target{}
	for _, t := range proxy.Targets() {
		targets[t.Name] = t
		if !slices.ContainsFunc(pools, func(p snapshot.Pool) bool { return p.Target == t.Name && p.Database == t.Name }) {
			pools = append(pools, snapshot.Pool{Target: t.Name, Database: t.Name, Mode: all.Mode})
		}
	}
	for _, p := range pools {
		t := targets[p.Target]
		database := p.Database
		if database == p.Target {
			database = t.Database
		}
		size := all.DefaultPoolSize
		if p.Mode == snapshot.SessionMode {
			size = all.MaxTargetConnections
		}
		paused, disabled := proxy.Switched(p.Target, p.Database)
		rows = append(rows, row{p.Name(), ifKnown(t.Host), ifPort(t.Port), ifKnown(database), ifKnown(t.User),
			int64(size), int64(all.MinPoolSize), int64(0), seconds(all.ServerLifetime), p.Mode, nil,
			int64(all.MaxTargetConnections), int64(p.Servers()), int64(all.MaxClientConn), int64(p.Clients()), flag(paused), flag(disabled), p.Target})
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return rows, nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// showUsers lists the users that have a password and those that are connected.
func showUsers(_ context.Context, s *Session, _ string) (rows []row, _ error) {
	clients, servers := map[string]int64{}, map[string]int64{}
	for _, name := range s.console.proxy.Users() {
		clients[name] = 0
	}
	for _, c := range s.console.proxy.Clients() {
		if c.User != "" {
			clients[c.User]++
		}
		if c.User != "" && c.ServerPID != 0 {
			servers[c.User]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(clients)) {
		rows = append(rows, row{name, nil, nil, nil, int64(0), servers[name], int64(0), clients[name],
			map[Access]any{MayShow: "stats", MayControl: "admin"}[s.console.proxy.Access(name)]})
	}
	return rows, nil
}

func showLists(ctx context.Context, s *Session, _ string) (rows []row, _ error) {
	proxy := s.console.proxy
	databases, _ := showDatabases(ctx, s, "")
	users, _ := showUsers(ctx, s, "")
	clients := proxy.Clients()
	login := 0
	for _, c := range clients {
		if c.State == snapshot.ClientLogin {
			login++
		}
	}
	for _, list := range []struct {
		name  string
		items int
	}{
		{"databases", len(databases)}, {"users", len(users)}, {"peers", 0}, {"pools", len(snapshot.Merge(proxy.Pools(), snapshot.Pool.Name))}, {"peer_pools", 0},
		{"free_clients", 0}, {"used_clients", len(clients) - login}, {"login_clients", login},
		{"free_servers", 0}, {"used_servers", len(proxy.Servers())},
		{"dns_names", 0}, {"dns_zones", 0}, {"dns_queries", 0}, {"dns_pending", 0},
		{"targets", len(proxy.Targets())},
	} {
		rows = append(rows, row{list.name, int64(list.items)})
	}
	return rows, nil
}

func showConfig(_ context.Context, s *Session, _ string) (rows []row, _ error) {
	for _, one := range s.console.proxy.Settings() {
		rows = append(rows, row{one.Key, one.Value, one.Default, yesNo(one.Reloads)})
	}
	return rows, nil
}

// memoryClasses are those of the Go runtime.
var memoryClasses = []struct{ name, used, free string }{
	{"heap", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes"},
	{"stacks", "/memory/classes/heap/stacks:bytes", "/memory/classes/heap/unused:bytes"},
	{"total", "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes"},
}

func showMemory(context.Context, *Session, string) (rows []row, _ error) {
	for _, class := range memoryClasses {
		samples := []metrics.Sample{{Name: class.used}, {Name: class.free}}
		metrics.Read(samples)
		used, free := int64(samples[0].Value.Uint64()), int64(samples[1].Value.Uint64())
		rows = append(rows, row{class.name, int64(1), used, free, used + free})
	}
	return rows, nil
}

func showState(_ context.Context, s *Session, _ string) ([]row, error) {
	paused, _ := s.console.proxy.Switched("", "")
	return []row{{"active", yesNo(!paused)}, {"paused", yesNo(paused)}, {"suspended", "no"}, {"stopping", yesNo(s.console.proxy.Overview().Closing)}}, nil
}
