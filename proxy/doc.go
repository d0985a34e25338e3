// Package proxy is a Postgres server that logs in to Lakebase on behalf of its
// clients. Any program that speaks Postgres connects to it as to a local
// server; the proxy opens a connection of its own with a token that is valid
// at that moment, over verified TLS, and carries bytes between the two.
//
//	connector, err := lakebase.New(cfg)
//	server, err := proxy.New(proxy.Config{Targets: map[string]*lakebase.Connector{"shop": connector}})
//	err = server.Serve(ctx) // until ctx ends, or Shutdown
//
// # Who may connect
//
// Each client of the proxy acts as its Postgres role. On loopback and on its
// Unix socket it asks for no password unless [Config.Users] is set; on loopback
// that lets in every user of the machine. Any other address is refused without
// both Users and TLS.
//
// # Where a connection leads
//
// The database name of the client decides: TARGET is that target's own
// database, TARGET/DATABASE another one there, and any other name is a database
// of the default target. The user name only counts for [Config.Users]:
// upstream, the role is always the Connector's.
//
// # The console, and HTTP
//
// The database name pgbouncer leads to the proxy itself, which answers
// PgBouncer's commands: SHOW POOLS, PAUSE and so on; see [Config.AdminUsers]. At
// [Config.HTTPListen] it has health checks, metrics and a status page.
//
// # Transaction mode
//
// By default a client has a server connection for a transaction only, and
// many clients share few. Settings, prepared statements and the like follow a
// client from one to the next; what can only exist in one session pins it there.
//
// # Session mode
//
// A server connection belongs to one client from login to logout, so
// everything that Postgres can do works. Only the client's idea of its process
// ID differs from pg_backend_pid().
package proxy
