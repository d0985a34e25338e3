package console

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// socketColumns are those of clients and server connections; ours come last.
var socketColumns = slices.Concat(
	text("type", "user", "database", "replication", "state", "addr"), number("port"),
	text("local_addr"), number("local_port"), text("connect_time", "request_time"),
	number("wait", "wait_us", "close_needed"), text("ptr", "link"), number("remote_pid"),
	text("tls", "application_name"), number("prepared_statements", "id"),
	text("target", "pinned"))

func showCommands() []command {
	return []command{
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

func showVersion(_ context.Context, s *Session, _ string) ([]row, error) {
	return []row{{s.console.proxy.Overview().Product}}, nil
}

// showPools has one row for each name, as PgBouncer does.
func showPools(_ context.Context, s *Session, _ string) (rows []row, _ error) {
	users := map[string]string{}
	for _, t := range s.console.proxy.Targets() {
		users[t.Name] = t.User
	}
	for _, p := range snapshot.Merge(s.console.proxy.Pools(), snapshot.Pool.Name) {
		rows = append(rows, row{p.Name(), users[p.Target],
			int64(p.ClientsActive + p.ClientsIdle), int64(p.ClientsWaiting), int64(0), int64(0),
			int64(p.ServersActive), int64(0), int64(p.ServersResting), int64(p.ServersIdle), int64(0), int64(0), int64(p.ServersConnecting),
			seconds(p.OldestWait), p.OldestWait.Microseconds() % 1e6, p.Mode, nil,
			p.Target, int64(p.ClientsIdle), int64(p.ServersPinned), int64(p.Limit), flag(p.Paused), ifKnown(p.LastError)})
	}
	return rows, nil
}

func showClients(_ context.Context, s *Session, _ string) (rows []row, _ error) {
	for _, c := range s.console.proxy.Clients() {
		database := Database
		switch {
		case c.State == snapshot.ClientLogin:
			database = "(nodb)"
		case c.Target != "":
			database = snapshot.DatabaseName(c.Target, c.Database)
		}
		var link any
		if c.ServerPID != 0 {
			link = serverPointer(c.Target, c.ServerPID)
		}
		addr, port := addressOf(c.Addr)
		localAddr, localPort := addressOf(c.LocalAddr)
		rows = append(rows, row{"C", cmp.Or(c.User, "(nouser)"), database, cmp.Or(c.Replication, "none"), c.State,
			addr, port, localAddr, localPort, moment(c.Connected), moment(c.Requested),
			seconds(c.Waiting), c.Waiting.Microseconds() % 1e6, int64(0), clientPointer(c.Target, c.ID), link, int64(0),
			c.TLS, c.ApplicationName, nil, int64(c.ID), ifKnown(c.Target), ifKnown(c.Pinned)})
	}
	return rows, nil
}

func showServers(_ context.Context, s *Session, _ string) (rows []row, _ error) {
	clients := map[string]snapshot.Client{}
	for _, c := range s.console.proxy.Clients() {
		clients[clientPointer(c.Target, c.ID)] = c
	}
	for _, server := range s.console.proxy.Servers() {
		var link any
		var client snapshot.Client
		if server.ClientID != 0 {
			pointer := clientPointer(server.Target, server.ClientID)
			link, client = pointer, clients[pointer]
		}
		addr, port := addressOf(server.Addr)
		localAddr, localPort := addressOf(server.LocalAddr)
		rows = append(rows, row{"S", server.User, snapshot.DatabaseName(server.Target, server.Database), cmp.Or(client.Replication, "none"), serverState(server.State),
			addr, port, localAddr, localPort, moment(server.Connected), moment(server.Used), int64(0), int64(0), flag(server.CloseNeeded),
			serverPointer(server.Target, server.PID), link, int64(server.PID), server.TLS, client.ApplicationName, int64(server.Prepared),
			int64(server.PID), server.Target, ifKnown(client.Pinned)})
	}
	return rows, nil
}

// serverState is PgBouncer's name of a state.
func serverState(state string) string {
	switch state {
	case snapshot.ServerPinned:
		return "active"
	case snapshot.ServerResting:
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
		return a.IP.String(), int64(a.Port)
	case nil:
		return nil, nil
	}
	return "unix", int64(0)
}

func showSockets(ctx context.Context, s *Session, _ string) ([]row, error) {
	clients, _ := showClients(ctx, s, "")
	servers, _ := showServers(ctx, s, "")
	for _, r := range clients {
		r[4] = fmt.Sprint("cl_", r[4])
	}
	for _, r := range servers {
		r[4] = fmt.Sprint("sv_", r[4])
	}
	return append(clients, servers...), nil
}

func showActiveSockets(ctx context.Context, s *Session, _ string) ([]row, error) {
	rows, _ := showSockets(ctx, s, "")
	return slices.DeleteFunc(rows, func(r row) bool { return r[4] != "cl_active" && r[4] != "sv_active" }), nil
}

func showTargets(_ context.Context, s *Session, _ string) (rows []row, _ error) {
	failures := map[string]string{}
	for _, p := range s.console.proxy.Pools() {
		failures[p.Target] = cmp.Or(failures[p.Target], p.LastError)
	}
	for _, t := range s.console.proxy.Targets() {
		var left any
		if !t.TokenExpiry.IsZero() {
			left = seconds(time.Until(t.TokenExpiry))
		}
		rows = append(rows, row{t.Name, flag(t.Default), ifKnown(t.Host), ifPort(t.Port), ifKnown(t.User), ifKnown(t.Database),
			t.Token(), moment(t.TokenExpiry), left, t.Tokens, t.CredentialCalls, t.CredentialFailures, t.Rejections,
			t.ServerConns, int64(t.MaxTargetConnections), ifKnown(failures[t.Name])})
	}
	return rows, nil
}

// showPrepared lists the pools of transaction mode.
func showPrepared(_ context.Context, s *Session, _ string) (rows []row, _ error) {
	maximum := int64(s.console.proxy.Overview().MaxPreparedStatements)
	for _, p := range s.console.proxy.Pools() {
		if p.Mode == snapshot.TransactionMode {
			rows = append(rows, row{p.Name(), int64(p.Statements), int64(p.Servers()), int64(p.Prepared), maximum})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return rows, nil
}
