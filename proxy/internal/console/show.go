package console

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// showPools has one row for each name, as PgBouncer does.
func showPools(s *snapshot.Proxy) (rows []row) {
	users := map[string]string{}
	for _, t := range s.Targets {
		users[t.Name] = t.User
	}
	for _, pool := range s.Databases() {
		rows = append(rows, row{pool.Name(), users[pool.Target],
			pool.ClientsActive + pool.ClientsIdle, pool.ClientsWaiting, 0, 0,
			pool.ServersActive, 0, pool.ServersResetting, pool.ServersIdle, 0, 0, pool.ServersConnecting,
			pool.OldestWait, pool.OldestWait.Microseconds() % 1e6, pool.Mode, nil,
			pool.Target, pool.ClientsIdle, pool.ServersPinned, pool.Limit, pool.Paused, orNull(pool.LastError)})
	}
	return rows
}

// databases returns the pools by name, and one for the own database of each
// target that has none.
func databases(s *snapshot.Proxy) []snapshot.Pool {
	pools := s.Databases()
	for _, t := range s.Targets {
		if !slices.ContainsFunc(pools, func(pool snapshot.Pool) bool { return pool.Target == t.Name && pool.Database == t.Name }) {
			pools = append(pools, snapshot.Pool{Target: t.Name, Database: t.Name, Mode: s.Mode})
		}
	}
	slices.SortStableFunc(pools, func(a, b snapshot.Pool) int { return strings.Compare(a.Name(), b.Name()) })
	return pools
}

// showDatabases lists the own database of each target and those that clients
// have named.
func showDatabases(s *snapshot.Proxy) (rows []row) {
	targets := map[string]snapshot.Target{}
	for _, t := range s.Targets {
		targets[t.Name] = t
	}
	for _, pool := range databases(s) {
		t := targets[pool.Target]
		database := pool.Database
		if database == pool.Target {
			database = t.Database
		}
		size := s.DefaultPoolSize
		if pool.Mode == snapshot.SessionMode {
			size = s.MaxTargetConnections
		}
		paused, disabled := s.Switched(snapshot.Database{Target: pool.Target, Name: pool.Database})
		rows = append(rows, row{pool.Name(), orNull(t.Host), t.Port, database, orNull(t.User),
			size, s.MinPoolSize, 0, s.ServerLifetime, pool.Mode, nil,
			s.MaxTargetConnections, pool.Servers(), s.MaxClientConn, pool.Clients(), paused, disabled, pool.Target})
	}
	return rows
}

func showTargets(s *snapshot.Proxy) (rows []row) {
	failures := map[string]string{}
	for _, pool := range s.Pools {
		failures[pool.Target] = cmp.Or(failures[pool.Target], pool.LastError)
	}
	for _, t := range s.Targets {
		var left any
		if !t.TokenExpiry.IsZero() {
			left = time.Until(t.TokenExpiry)
		}
		rows = append(rows, row{t.Name, t.Default, orNull(t.Host), orNull(t.Port), orNull(t.User), orNull(t.Database),
			t.Token(), t.TokenExpiry, left, t.Tokens, t.CredentialCalls, t.CredentialFailures, t.Rejections,
			t.ServerConns, t.MaxTargetConnections, orNull(failures[t.Name])})
	}
	return rows
}

// showPrepared lists the pools of transaction mode.
func showPrepared(s *snapshot.Proxy) (rows []row) {
	for _, pool := range s.Pools {
		if pool.Mode == snapshot.TransactionMode {
			rows = append(rows, row{pool.Name(), pool.Statements, pool.Servers(), pool.Prepared, s.MaxPreparedStatements})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return rows
}

func showClients(s *snapshot.Proxy) (rows []row) {
	for _, c := range s.Clients {
		database := Database
		switch {
		case c.State == snapshot.ClientLogin:
			database = "(nodb)"
		case c.Target != "":
			database = snapshot.Database{Target: c.Target, Name: c.Database}.String()
		}
		link := ""
		if c.ServerPID != 0 {
			link = serverPointer(c.Target, c.ServerPID)
		}
		addr, port := addressOf(c.Addr)
		localAddr, localPort := addressOf(c.LocalAddr)
		rows = append(rows, row{"C", cmp.Or(c.User, "(nouser)"), database, cmp.Or(c.Replication, "none"), c.State,
			addr, port, localAddr, localPort, c.Connected, c.Requested,
			c.Waiting, c.Waiting.Microseconds() % 1e6, 0, clientPointer(c.Target, c.ID), link, 0,
			c.TLS, c.ApplicationName, 0, int32(c.ID), orNull(c.Target), orNull(c.Pinned)})
	}
	return rows
}

func showServers(s *snapshot.Proxy) (rows []row) {
	clients := map[string]snapshot.Client{}
	for _, c := range s.Clients {
		clients[clientPointer(c.Target, c.ID)] = c
	}
	for _, server := range s.Servers {
		link := ""
		var client snapshot.Client
		if server.ClientID != 0 {
			pointer := clientPointer(server.Target, server.ClientID)
			link, client = pointer, clients[pointer]
		}
		addr, port := addressOf(server.Addr)
		localAddr, localPort := addressOf(server.LocalAddr)
		rows = append(rows, row{"S", server.User, snapshot.Database{Target: server.Target, Name: server.Database}.String(), cmp.Or(client.Replication, "none"), serverState(server.State),
			addr, port, localAddr, localPort, server.Connected, server.Used, 0, 0, server.CloseNeeded,
			serverPointer(server.Target, server.PID), link, int32(server.PID), server.TLS, client.ApplicationName, server.Prepared,
			int32(server.PID), server.Target, orNull(client.Pinned)})
	}
	return rows
}

func showSockets(s *snapshot.Proxy) (rows []row) {
	for _, r := range append(showClients(s), showServers(s)...) {
		r[4] = fmt.Sprint(map[any]string{"C": "cl_", "S": "sv_"}[r[0]], r[4])
		buffers := make(row, len(bufferColumns))
		for i := range buffers {
			buffers[i] = 0
		}
		rows = append(rows, slices.Insert(r, len(socketColumns), buffers...))
	}
	return rows
}

func showActiveSockets(s *snapshot.Proxy) []row {
	return slices.DeleteFunc(showSockets(s), func(r row) bool { return r[4] != "cl_active" && r[4] != "sv_active" })
}

// serverState is PgBouncer's name of a state.
func serverState(state string) string {
	switch state {
	case snapshot.ServerPinned:
		return "active"
	case snapshot.ServerResetting:
		return "being_canceled"
	}
	return state
}

// clientPointer and serverPointer identify one of them in the columns ptr and
// link.
func clientPointer(target string, id uint64) string { return fmt.Sprintf("%s:client:%d", target, id) }

func serverPointer(target string, pid uint32) string { return fmt.Sprintf("%s:server:%d", target, pid) }

// addressOf formats an address as PgBouncer does.
func addressOf(addr net.Addr) (host string, port int) {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP.String(), a.Port
	case nil:
		return "", 0
	}
	return "unix", 0
}

func showVersion(s *snapshot.Proxy) []row { return []row{{s.Product}} }

// showUsers lists the users that have a password and those that are connected.
func showUsers(p Proxy) func(*snapshot.Proxy) []row {
	return func(s *snapshot.Proxy) (rows []row) {
		clients, servers := connectionsOfUsers(s)
		for _, name := range slices.Sorted(maps.Keys(clients)) {
			rows = append(rows, row{name, "", "", nil, 0, servers[name], 0, clients[name],
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
