package console

import (
	"maps"
	"runtime/metrics"
	"slices"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

func showVersion(s *snapshot.Proxy) []row { return []row{{s.Product}} }

// showUsers lists the users that have a password and those that are connected.
func showUsers(p Proxy) func(*snapshot.Proxy) []row {
	return func(s *snapshot.Proxy) (rows []row) {
		clients, servers := connectionsOfUsers(s)
		for _, name := range slices.Sorted(maps.Keys(clients)) {
			rows = append(rows, row{name, nil, nil, nil, 0, servers[name], 0, clients[name],
				map[Access]any{MayShow: "stats", MayControl: "admin"}[p.Access(name)]})
		}
		return rows
	}
}

func connectionsOfUsers(s *snapshot.Proxy) (clients, servers map[string]int) {
	clients, servers = map[string]int{}, map[string]int{}
	for _, name := range s.Users {
		clients[name] = 0
	}
	for _, c := range s.Clients {
		if c.User != "" {
			clients[c.User]++
		}
		if c.User != "" && c.ServerPID != 0 {
			servers[c.User]++
		}
	}
	return clients, servers
}

func showLists(s *snapshot.Proxy) []row {
	users, _ := connectionsOfUsers(s)
	login := 0
	for _, c := range s.Clients {
		if c.State == snapshot.ClientLogin {
			login++
		}
	}
	return []row{
		{"databases", len(databases(s))}, {"users", len(users)}, {"peers", 0}, {"pools", len(s.Databases())}, {"peer_pools", 0},
		{"free_clients", 0}, {"used_clients", len(s.Clients) - login}, {"login_clients", login},
		{"free_servers", 0}, {"used_servers", len(s.Servers)},
		{"dns_names", 0}, {"dns_zones", 0}, {"dns_queries", 0}, {"dns_pending", 0},
		{"targets", len(s.Targets)},
	}
}

func showConfig(s *snapshot.Proxy) (rows []row) {
	for _, one := range s.Settings {
		rows = append(rows, row{one.Key, one.Value, one.Default, yesNo(one.Reloads)})
	}
	return rows
}

// showMemory shows classes of memory of the Go runtime.
func showMemory(*snapshot.Proxy) (rows []row) {
	for _, class := range [][3]string{ // name, used, free
		{"heap", "heap/objects", "heap/free"}, {"stacks", "heap/stacks", "heap/unused"}, {"total", "total", "heap/released"},
	} {
		samples := []metrics.Sample{{Name: "/memory/classes/" + class[1] + ":bytes"}, {Name: "/memory/classes/" + class[2] + ":bytes"}}
		metrics.Read(samples)
		used, free := samples[0].Value.Uint64(), samples[1].Value.Uint64()
		rows = append(rows, row{class[0], 1, used, free, used + free})
	}
	return rows
}

func showState(s *snapshot.Proxy) []row {
	paused, _ := s.Switched(snapshot.Database{})
	return []row{{"active", yesNo(!paused)}, {"paused", yesNo(paused)}, {"suspended", "no"}, {"stopping", yesNo(s.Closing)}}
}
