package proxy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
)

// socketColumns are those of clients and server connections; ours come last.
var socketColumns = slices.Concat(
	text("type", "user", "database", "replication", "state", "addr"), number("port"),
	text("local_addr"), number("local_port"), text("connect_time", "request_time"),
	number("wait", "wait_us", "close_needed"), text("ptr", "link"), number("remote_pid"),
	text("tls", "application_name"), number("prepared_statements", "id"),
	text("target", "pinned"))

func showCommands() []consoleCommand {
	return []consoleCommand{
		{words: "SHOW HELP", means: "these commands", run: showHelp, columns: text("command", "meaning")},
		{words: "SHOW VERSION", means: "the version of the proxy", run: showVersion, columns: text("version")},
		{words: "SHOW POOLS", means: "clients and server connections of each database", run: showPools, columns: slices.Concat(
			text("database", "user"),
			number("cl_active", "cl_waiting", "cl_active_cancel_req", "cl_waiting_cancel_req",
				"sv_active", "sv_active_cancel", "sv_being_canceled", "sv_idle", "sv_used", "sv_tested", "sv_login",
				"maxwait", "maxwait_us"), text("pool_mode", "load_balance_hosts"),
			text("target"), number("cl_idle", "sv_pinned", "pool_size", "paused"), text("last_error"))},
		{words: "SHOW CLIENTS", means: "the clients", run: showClients, columns: socketColumns},
		{words: "SHOW SERVERS", means: "the server connections", run: showServers, columns: socketColumns},
		{words: "SHOW SOCKETS", means: "clients and server connections", run: showSockets, columns: socketColumns},
		{words: "SHOW ACTIVE_SOCKETS", means: "those of them that are active", run: showActiveSockets, columns: socketColumns},
		{words: "SHOW TARGETS", means: "the targets, their tokens and limits", run: showTargets, columns: slices.Concat(
			text("target"), number("is_default"), text("host"), number("port"), text("user", "database", "token", "token_expiry"),
			number("token_seconds_left", "tokens", "credential_calls", "credential_failures", "token_rejections",
				"server_connections", "max_server_connections"), text("last_error"))},
		{words: "SHOW PREPARED", means: "prepared statements of each database", run: showPrepared, columns: slices.Concat(
			text("database"), number("statements", "server_connections", "prepared", "max_prepared"))},
	}
}

func showHelp(context.Context, *console, string) (rows []row, _ error) {
	for _, k := range consoleCommands() {
		rows = append(rows, row{k.usage(), k.means})
	}
	return rows, nil
}

func showVersion(context.Context, *console, string) ([]row, error) {
	return []row{{productVersion()}}, nil
}

// showPools has one row for each name, as those who read it expect.
func showPools(_ context.Context, c *console, _ string) (rows []row, _ error) {
	for _, p := range mergePools(c.server.Pools(), consoleName) {
		rows = append(rows, row{poolName(p.Target, p.Database), c.server.settings.Load().targets[p.Target].seen().user,
			int64(p.ClientsActive + p.ClientsIdle), int64(p.ClientsWaiting), int64(0), int64(0),
			int64(p.ServersActive), int64(0), int64(p.ServersResting), int64(p.ServersIdle), int64(0), int64(0), int64(p.ServersConnecting),
			int64(p.OldestWait / time.Second), p.OldestWait.Microseconds() % 1e6, string(p.Mode), nil,
			p.Target, int64(p.ClientsIdle), int64(p.ServersPinned), int64(p.Limit), flag(p.Paused), ifKnown(p.LastError)})
	}
	return rows, nil
}

func showClients(_ context.Context, c *console, _ string) (rows []row, _ error) {
	for _, info := range c.server.Clients() {
		database := consoleDatabase
		switch {
		case info.State == clientLogin:
			database = "(nodb)"
		case info.Target != "":
			database = poolName(info.Target, info.Database)
		}
		var link any
		if info.ServerPID != 0 {
			link = serverPointer(info.Target, info.ServerPID)
		}
		addr, port := addressOf(info.Addr)
		localAddr, localPort := addressOf(info.LocalAddr)
		rows = append(rows, row{"C", cmp.Or(info.User, "(nouser)"), database, cmp.Or(info.Replication, replicationNone), info.State,
			addr, port, localAddr, localPort, moment(info.Connected), moment(info.Requested),
			int64(info.Waiting / time.Second), info.Waiting.Microseconds() % 1e6, int64(0), clientPointer(info.Target, info.ID), link, int64(0),
			info.TLSInfo, info.ApplicationName, nil, int64(info.ID), ifKnown(info.Target), ifKnown(info.Pinned)})
	}
	return rows, nil
}

func showServers(_ context.Context, c *console, _ string) (rows []row, _ error) {
	clients := map[string]ClientInfo{}
	for _, info := range c.server.Clients() {
		clients[clientPointer(info.Target, info.ID)] = info
	}
	for _, info := range c.server.Servers() {
		var link any
		var client ClientInfo
		if info.ClientID != 0 {
			pointer := clientPointer(info.Target, info.ClientID)
			link, client = pointer, clients[pointer]
		}
		addr, port := addressOf(info.Addr)
		localAddr, localPort := addressOf(info.LocalAddr)
		rows = append(rows, row{"S", info.User, poolName(info.Target, info.Database), cmp.Or(client.Replication, replicationNone), serverState(info.State),
			addr, port, localAddr, localPort, moment(info.Connected), moment(info.Used), int64(0), int64(0), flag(info.CloseNeeded),
			serverPointer(info.Target, info.PID), link, int64(info.PID), info.TLSInfo, client.ApplicationName, int64(info.Prepared),
			int64(info.PID), info.Target, ifKnown(client.Pinned)})
	}
	return rows, nil
}

// serverState is what PgBouncer calls a state.
func serverState(state string) string {
	switch state {
	case serverPinned:
		return "active"
	case serverResting:
		return "being_canceled"
	}
	return state
}

// clientPointer and serverPointer name one of them where another is linked to
// it.
func clientPointer(target string, id uint64) string { return fmt.Sprintf("%s:client:%d", target, id) }

func serverPointer(target string, pid uint32) string { return fmt.Sprintf("%s:server:%d", target, pid) }

// addressOf is an address as PgBouncer shows it.
func addressOf(addr net.Addr) (host, port any) {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP.String(), int64(a.Port)
	case nil:
		return nil, nil
	}
	return "unix", int64(0)
}

func showSockets(ctx context.Context, c *console, _ string) ([]row, error) {
	clients, _ := showClients(ctx, c, "")
	servers, _ := showServers(ctx, c, "")
	for _, r := range clients {
		r[4] = fmt.Sprint("cl_", r[4])
	}
	for _, r := range servers {
		r[4] = fmt.Sprint("sv_", r[4])
	}
	return append(clients, servers...), nil
}

func showActiveSockets(ctx context.Context, c *console, _ string) ([]row, error) {
	rows, _ := showSockets(ctx, c, "")
	return slices.DeleteFunc(rows, func(r row) bool { return r[4] != "cl_active" && r[4] != "sv_active" }), nil
}

// States of a target's token.
const (
	tokenNone    = "none" // not needed yet, or never
	tokenValid   = "valid"
	tokenExpired = "expired"
)

func tokenState(stats lakebase.Stats) string {
	switch {
	case stats.TokenExpiry.IsZero():
		return tokenNone
	case time.Now().After(stats.TokenExpiry):
		return tokenExpired
	}
	return tokenValid
}

func showTargets(_ context.Context, c *console, _ string) (rows []row, _ error) {
	failures := map[string]string{}
	for _, p := range c.server.Pools() {
		failures[p.Target] = cmp.Or(failures[p.Target], p.LastError)
	}
	cfg := c.server.settings.Load()
	for _, name := range slices.Sorted(maps.Keys(cfg.targets)) {
		t := cfg.targets[name]
		seen, stats := t.seen(), t.connector.Stats()
		var left, port any
		if !stats.TokenExpiry.IsZero() {
			left = int64(time.Until(stats.TokenExpiry) / time.Second)
		}
		if seen.port != 0 {
			port = int64(seen.port)
		}
		rows = append(rows, row{name, flag(name == cfg.DefaultTarget), ifKnown(seen.host), port, ifKnown(seen.user), ifKnown(seen.database),
			tokenState(stats), moment(stats.TokenExpiry), left, stats.Tokens, stats.CredentialCalls, stats.CredentialFailures, stats.Rejections,
			t.places.count(), int64(cfg.MaxServerConns), ifKnown(failures[name])})
	}
	return rows, nil
}

func showPrepared(_ context.Context, c *console, _ string) (rows []row, _ error) {
	for _, p := range c.server.allPools() {
		prepared := 0
		conns := p.conns()
		for _, s := range conns {
			prepared += s.info().Prepared
		}
		rows = append(rows, row{poolName(p.target.name, p.name()), int64(p.statements.Len()), int64(len(conns)), int64(prepared), int64(c.server.config().MaxPrepared)})
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return rows, nil
}
