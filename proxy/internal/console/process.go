package console

import (
	"maps"
	"runtime/metrics"
	"slices"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

func showVersion(p Proxy) []row {
	return []row{{p.Overview().Product}}
}

// showUsers lists the users that have a password and those that are connected.
func showUsers(p Proxy) (rows []row) {
	clients, servers := map[string]int64{}, map[string]int64{}
	for _, name := range p.Users() {
		clients[name] = 0
	}
	for _, c := range p.Clients() {
		if c.User != "" {
			clients[c.User]++
		}
		if c.User != "" && c.ServerPID != 0 {
			servers[c.User]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(clients)) {
		rows = append(rows, row{name, nil, nil, nil, int64(0), servers[name], int64(0), clients[name],
			map[Access]any{MayShow: "stats", MayControl: "admin"}[p.Access(name)]})
	}
	return rows
}

func showLists(p Proxy) (rows []row) {
	databases := showDatabases(p)
	users := showUsers(p)
	clients := p.Clients()
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
		{"databases", len(databases)}, {"users", len(users)}, {"peers", 0}, {"pools", len(snapshot.Merge(p.Pools(), snapshot.Pool.Name))}, {"peer_pools", 0},
		{"free_clients", 0}, {"used_clients", len(clients) - login}, {"login_clients", login},
		{"free_servers", 0}, {"used_servers", len(p.Servers())},
		{"dns_names", 0}, {"dns_zones", 0}, {"dns_queries", 0}, {"dns_pending", 0},
		{"targets", len(p.Targets())},
	} {
		rows = append(rows, row{list.name, int64(list.items)})
	}
	return rows
}

func showConfig(p Proxy) (rows []row) {
	for _, one := range p.Settings() {
		rows = append(rows, row{one.Key, one.Value, one.Default, yesNo(one.Reloads)})
	}
	return rows
}

// memoryClasses are those of the Go runtime.
var memoryClasses = []struct{ name, used, free string }{
	{"heap", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes"},
	{"stacks", "/memory/classes/heap/stacks:bytes", "/memory/classes/heap/unused:bytes"},
	{"total", "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes"},
}

func showMemory(Proxy) (rows []row) {
	for _, class := range memoryClasses {
		samples := []metrics.Sample{{Name: class.used}, {Name: class.free}}
		metrics.Read(samples)
		used, free := int64(samples[0].Value.Uint64()), int64(samples[1].Value.Uint64())
		rows = append(rows, row{class.name, int64(1), used, free, used + free})
	}
	return rows
}

func showState(p Proxy) []row {
	paused, _ := p.Switched(snapshot.Database{})
	return []row{{"active", yesNo(!paused)}, {"paused", yesNo(paused)}, {"suspended", "no"}, {"stopping", yesNo(p.Overview().Closing)}}
}
