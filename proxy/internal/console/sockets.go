package console

import (
	"cmp"
	"fmt"
	"net"
	"slices"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

func showClients(s *snapshot.Proxy) (rows []row) {
	for _, c := range s.Clients {
		database := Database
		switch {
		case c.State == snapshot.ClientLogin:
			database = "(nodb)"
		case c.Target != "":
			database = snapshot.Database{Target: c.Target, Name: c.Database}.String()
		}
		var link any
		if c.ServerPID != 0 {
			link = serverPointer(c.Target, c.ServerPID)
		}
		addr, port := addressOf(c.Addr)
		localAddr, localPort := addressOf(c.LocalAddr)
		rows = append(rows, row{"C", cmp.Or(c.User, "(nouser)"), database, cmp.Or(c.Replication, "none"), c.State,
			addr, port, localAddr, localPort, c.Connected, c.Requested,
			c.Waiting, c.Waiting.Microseconds() % 1e6, 0, clientPointer(c.Target, c.ID), link, 0,
			c.TLS, c.ApplicationName, nil, c.ID, orNull(c.Target), orNull(c.Pinned)})
	}
	return rows
}

func showServers(s *snapshot.Proxy) (rows []row) {
	clients := map[string]snapshot.Client{}
	for _, c := range s.Clients {
		clients[clientPointer(c.Target, c.ID)] = c
	}
	for _, server := range s.Servers {
		var link any
		var client snapshot.Client
		if server.ClientID != 0 {
			pointer := clientPointer(server.Target, server.ClientID)
			link, client = pointer, clients[pointer]
		}
		addr, port := addressOf(server.Addr)
		localAddr, localPort := addressOf(server.LocalAddr)
		rows = append(rows, row{"S", server.User, snapshot.Database{Target: server.Target, Name: server.Database}.String(), cmp.Or(client.Replication, "none"), serverState(server.State),
			addr, port, localAddr, localPort, server.Connected, server.Used, 0, 0, server.CloseNeeded,
			serverPointer(server.Target, server.PID), link, server.PID, server.TLS, client.ApplicationName, server.Prepared,
			server.PID, server.Target, orNull(client.Pinned)})
	}
	return rows
}

func showSockets(s *snapshot.Proxy) []row {
	clients, servers := showClients(s), showServers(s)
	for _, r := range clients {
		r[4] = fmt.Sprint("cl_", r[4])
	}
	for _, r := range servers {
		r[4] = fmt.Sprint("sv_", r[4])
	}
	return append(clients, servers...)
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
func addressOf(addr net.Addr) (host, port any) {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP.String(), a.Port
	case nil:
		return nil, nil
	}
	return "unix", 0
}
