package console

import (
	"maps"
	"slices"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

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
		rows = append(rows, row{name, nil, nil, nil, 0, servers[name], 0, clients[name],
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
		rows = append(rows, row{list.name, list.items})
	}
	return rows
}
