package console

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// command is one of PgBouncer's or ours. It has either show or do.
type command struct {
	words    string // in capitals; the first one is the command tag
	argument string // as the help shows it, empty for none; in brackets if optional
	means    string
	columns  []column // PgBouncer's, where it has the command, in its order and with its types
	own      []column // ours, which follow them with the argument EXTENDED
	show     func(*snapshot.Proxy) []row
	do       func(ctx context.Context, argument string) error // needs an admin
	after    func(argument string)                            // runs when the client has its answer; may be nil
}

func (k command) usage() string { return strings.TrimSpace(k.words + " " + k.argument) }

// extended is the argument of SHOW for our own columns. PgBouncer knows no command of three
// words.
const extended = "EXTENDED"

// argumentOf returns the argument in what follows the words of k.
func (k command) argumentOf(tokens []token) (string, error) {
	optional := k.argument == "" || k.argument[0] == '['
	switch {
	case len(tokens) == 0 && optional:
		return "", nil
	case len(tokens) != 1 || k.argument == "" || tokens[0].kind == symbol || tokens[0].text == "",
		k.own != nil && !tokens[0].is(extended):
		return "", syntaxError("wrong arguments: want " + k.usage())
	}
	return tokens[0].text, nil
}

// socketColumns are those of clients and server connections.
var socketColumns = slices.Concat(
	text("type", "user", "database", "replication", "state", "addr"), integer("port"),
	text("local_addr"), integer("local_port"), text("connect_time", "request_time"),
	integer("wait", "wait_us", "close_needed"), text("ptr", "link"), integer("remote_pid"),
	text("tls", "application_name"), integer("prepared_statements", "id"))

// bufferColumns describe PgBouncer's buffers. They follow the socketColumns where it shows
// both kinds, and are 0.
var bufferColumns = integer("recv_pos", "pkt_pos", "pkt_remain", "send_pos", "send_remain", "pkt_avail", "send_avail")

// ownSocketColumns are ours of clients and server connections.
var ownSocketColumns = text("target", "pinned")

// commands are all of them, in the order of the help.
type commands struct {
	proxy Proxy
	all   []command
}

func newCommands(p Proxy, a *averages) *commands {
	c := &commands{proxy: p}
	help := func(*snapshot.Proxy) (rows []row) {
		for _, k := range c.all {
			rows = append(rows, row{k.usage(), k.means})
		}
		return rows
	}
	c.all = []command{
		{words: "SHOW HELP", means: "these commands", show: help, columns: text("command", "meaning")},
		{words: "SHOW VERSION", means: "the version of the proxy", show: showVersion, columns: text("version")},
		{words: "SHOW POOLS", means: "clients and server connections of each database", show: showPools, columns: slices.Concat(
			text("database", "user"),
			integer("cl_active", "cl_waiting", "cl_active_cancel_req", "cl_waiting_cancel_req",
				"sv_active", "sv_active_cancel", "sv_being_canceled", "sv_idle", "sv_used", "sv_tested", "sv_login",
				"maxwait", "maxwait_us"), text("pool_mode", "load_balance_hosts")),
			own: slices.Concat(text("target"), integer("cl_idle", "sv_pinned", "pool_size", "paused"), text("last_error"))},
		{words: "SHOW CLIENTS", means: "the clients", show: showClients, columns: socketColumns, own: ownSocketColumns},
		{words: "SHOW SERVERS", means: "the server connections", show: showServers, columns: socketColumns, own: ownSocketColumns},
		{words: "SHOW SOCKETS", means: "clients and server connections", show: showSockets, columns: slices.Concat(socketColumns, bufferColumns), own: ownSocketColumns},
		{words: "SHOW ACTIVE_SOCKETS", means: "those of them that are active", show: showActiveSockets, columns: slices.Concat(socketColumns, bufferColumns), own: ownSocketColumns},
		{words: "SHOW TARGETS", means: "the targets, their tokens and limits", show: showTargets, columns: slices.Concat(
			text("target"), bigint("is_default"), text("host"), bigint("port"), text("user", "database", "token", "token_expiry"),
			bigint("token_seconds_left", "tokens", "credential_calls", "credential_failures", "token_rejections",
				"server_connections", "max_server_connections"), text("last_error"))},
		{words: "SHOW PREPARED", means: "prepared statements of each database", show: showPrepared, columns: slices.Concat(
			text("database"), bigint("statements", "server_connections", "prepared", "max_prepared"))},
		{words: "SHOW STATS", means: "what each database has served, and averages of the last minute or two", show: showStats(a, true, true),
			columns: append(text("database"), statColumns(stats, inTotal, inAverage)...), own: statColumns(ownStats, inTotal, inAverage)},
		{words: "SHOW STATS_TOTALS", means: "what each database has served", show: showStats(a, true, false),
			columns: append(text("database"), statColumns(stats, alone)...), own: statColumns(ownStats, alone)},
		{words: "SHOW STATS_AVERAGES", means: "averages of the last minute or two, per second, and of times per transaction, query or wait", show: showStats(a, false, true),
			columns: append(text("database"), statColumns(stats, aloneAverage)...), own: statColumns(ownStats, aloneAverage)},
		{words: "SHOW TOTALS", means: "what all databases together have served", show: showTotals(a),
			columns: append(text("name"), numeric("value")...)},
		{words: "SHOW DATABASES", means: "databases that clients can connect to, with their limits", show: showDatabases, columns: slices.Concat(
			text("name", "host"), integer("port"), text("database", "force_user"),
			integer("pool_size", "min_pool_size", "reserve_pool_size", "server_lifetime"), text("pool_mode", "load_balance_hosts"),
			integer("max_connections", "current_connections", "max_client_connections", "current_client_connections", "paused", "disabled")),
			own: text("target")},
		{words: "SHOW USERS", means: "users that have a password, and users that are connected", show: showUsers(p), columns: slices.Concat(
			text("name", "pool_size", "reserve_pool_size", "pool_mode"),
			integer("max_user_connections", "current_connections", "max_user_client_connections", "current_client_connections")),
			own: text("console")},
		{words: "SHOW LISTS", means: "the sizes of internal lists", show: showLists, columns: append(text("list"), integer("items")...)},
		{words: "SHOW CONFIG", means: "the settings; times in seconds", show: showConfig, columns: text("key", "value", "default", "changeable")},
		{words: "SHOW MEM", means: "memory, in bytes", show: showMemory, columns: append(text("name"), integer("size", "used", "free", "memtotal")...)},
		{words: "SHOW STATE", means: "whether the proxy is active, paused or shutting down", show: showState, columns: text("key", "value")},
		{words: "PAUSE", argument: "[db]", means: "stop handing out server connections, wait for transactions to end, close the server connections", do: onDatabase(p, pause(p))},
		{words: "RESUME", argument: "[db]", means: "end a pause", do: onDatabase(p, p.Resume)},
		{words: "RECONNECT", argument: "[db]", means: "replace each server connection when its transaction has ended", do: onDatabase(p, p.Reconnect)},
		{words: "WAIT_CLOSE", argument: "[db]", means: "wait until RECONNECT has replaced them", do: onDatabase(p, p.WaitClose)},
		{words: "KILL", argument: "[db]", means: "close server connections now, and disconnect the clients that have one", do: onDatabase(p, p.Kill)},
		{words: "KILL_CLIENT", argument: "id", means: "disconnect the client with this id of SHOW CLIENTS", do: killClient(p)},
		{words: "DISABLE", argument: "db", means: "refuse new clients", do: onDatabase(p, disable(p, true))},
		{words: "ENABLE", argument: "db", means: "accept them again", do: onDatabase(p, disable(p, false))},
		{words: "RELOAD", means: "read the configuration again", do: func(context.Context, string) error { return p.Reload() }},
		{words: "SHUTDOWN", argument: "[WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]", means: "end the proxy: now, when transactions have ended, or when clients have disconnected",
			do: checkShutdown, after: func(argument string) { p.Shutdown(waits[strings.ToUpper(argument)]) }},
	}
	for i, k := range c.all {
		if k.own != nil {
			c.all[i].argument = "[" + extended + "]"
		}
	}
	return c
}

// prepare parses one statement that is a command, or returns nil.
func (c *commands) prepare(tokens []token) (*statement, error) {
	for _, k := range c.all {
		words := strings.Fields(k.words)
		if len(tokens) < len(words) || !slices.EqualFunc(tokens[:len(words)], words, token.is) {
			continue
		}
		argument, err := k.argumentOf(tokens[len(words):])
		if err != nil {
			return nil, err
		}
		st := &statement{tag: words[0], argument: argument, columns: k.columns, admin: k.do != nil}
		if k.own != nil && argument != "" {
			st.columns = slices.Concat(k.columns, k.own)
		}
		st.run = func(ctx context.Context) ([]row, error) {
			if k.do != nil {
				return nil, k.do(ctx, argument)
			}
			rows := k.show(c.proxy.Snapshot())
			for i := range rows {
				rows[i] = rows[i][:len(st.columns)]
			}
			return rows, nil
		}
		if k.after != nil {
			st.after = func() { k.after(argument) }
		}
		return st, nil
	}
	return nil, nil
}

// unknown is the error for a statement that is no command.
func (c *commands) unknown(tokens []token) error {
	var first, usages []string
	for _, t := range tokens[:min(len(tokens), 4)] {
		first = append(first, t.text)
	}
	for _, k := range c.all {
		usages = append(usages, k.usage())
	}
	return &pgwire.Error{Code: "42601", Message: fmt.Sprintf("unknown command %q in the proxy's console", strings.Join(first, " ")),
		Hint: strings.Join(usages, "; ")}
}

// onDatabase makes a command of what is done to the databases that its argument
// names: a target with all its databases, one database of a target, or one of
// the default target. Without an argument, it is done to all.
func onDatabase(p Proxy, do func(context.Context, snapshot.Database) error) func(context.Context, string) error {
	return func(ctx context.Context, argument string) (err error) {
		var db snapshot.Database
		switch argument {
		case "":
		case Database:
			return &pgwire.Error{Code: "42809", Message: "the console's own database cannot be controlled"}
		default:
			if db, err = p.Route(argument); err != nil {
				return err
			}
		}
		return do(ctx, db)
	}
}

// pause resumes if it is canceled before the server connections are closed.
func pause(p Proxy) func(context.Context, snapshot.Database) error {
	return func(ctx context.Context, db snapshot.Database) error {
		err := p.Pause(ctx, db)
		if err != nil && ctx.Err() != nil {
			_ = p.Resume(ctx, db) // fails only where Pause does at once
		}
		return err
	}
}

func disable(p Proxy, on bool) func(context.Context, snapshot.Database) error {
	return func(_ context.Context, db snapshot.Database) error {
		p.SetDisabled(db, on)
		return nil
	}
}

func killClient(p Proxy) func(context.Context, string) error {
	return func(_ context.Context, argument string) error {
		id, err := strconv.ParseInt(argument, 10, 33) // negative in SHOW CLIENTS if it is 1<<31 or more
		if err != nil {
			return &pgwire.Error{Code: "22P02", Message: fmt.Sprintf("%q is no client's id", argument), Hint: "take one from SHOW CLIENTS"}
		}
		return p.KillClient(uint64(uint32(id)))
	}
}

// waits are the arguments of SHUTDOWN.
var waits = map[string]Wait{"": WaitForNothing, "WAIT_FOR_SERVERS": WaitForServers, "WAIT_FOR_CLIENTS": WaitForClients}

func checkShutdown(_ context.Context, argument string) error {
	if _, ok := waits[strings.ToUpper(argument)]; !ok {
		return &pgwire.Error{Code: "42601", Message: fmt.Sprintf("cannot wait for %q", argument), Hint: "SHUTDOWN, SHUTDOWN WAIT_FOR_SERVERS or SHUTDOWN WAIT_FOR_CLIENTS"}
	}
	return nil
}
