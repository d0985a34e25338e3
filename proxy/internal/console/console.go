// Package console answers PgBouncer's administration commands: SHOW, PAUSE,
// RESUME and so on, which clients send as SQL to the database named pgbouncer.
//
// It knows a proxy by an interface, and a client as a network connection that
// has logged in. Columns are exactly PgBouncer's, names of lists and settings too, so that
// programs written for it work. Columns that this proxy has beyond them have to be
// requested: SHOW POOLS EXTENDED.
package console

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// maxSessions are open at once. They use the connections that the proxy keeps
// beyond its clients, some of which cancel requests need.
const maxSessions = 64

// Console is the console of one proxy. Its methods are safe for concurrent
// use.
type Console struct {
	proxy    Proxy
	product  string // name and version
	log      *slog.Logger
	averages *averages
	commands *commands
	sessions atomic.Int64
}

// New returns the console of a proxy that has just begun.
func New(proxy Proxy, product string, log *slog.Logger) *Console {
	averages := newAverages(time.Now())
	return &Console{proxy: proxy, product: product, log: log, averages: averages, commands: newCommands(proxy, averages)}
}

// KeepAverages begins a new period of the averages if the last one is over. The
// proxy calls it every second or so.
func (c *Console) KeepAverages() { c.averages.keep(c.proxy) }

// Sessions returns the number of open sessions.
func (c *Console) Sessions() int64 { return c.sessions.Load() }

// Open begins a session, which the caller must [Session.Close]. The error, a
// [pgwire.Error], is for the client.
func (c *Console) Open(client Client) (*Session, error) {
	if c.proxy.Access(client.User) == NoAccess {
		return nil, &pgwire.Error{Code: "42501", Message: fmt.Sprintf("user %q may not use the proxy's console", client.User),
			Hint: "add it to admin_users or stats_users"}
	}
	if c.sessions.Add(1) > maxSessions {
		c.sessions.Add(-1)
		return nil, &pgwire.Error{Code: "53300", Message: fmt.Sprintf("the console already has its maximum of %d clients", maxSessions), Hint: "close some"}
	}
	return newSession(client, c), nil
}

// Database is the database name that leads to the console.
const Database = "pgbouncer"

// Proxy is what the console shows and controls. Its methods are safe for
// concurrent use. Control methods take a pattern: an empty target or name stands
// for all. Their errors that are a [pgwire.Error] reach the client with their
// SQLSTATE.
type Proxy interface {
	Snapshot() *snapshot.Proxy
	// Access reports what a user may do.
	Access(user string) Access
	// Route finds the database that a client would reach by a database name.
	Route(name string) (snapshot.Database, error)

	// Pause and WaitClose wait until ctx ends, the others do not.
	Pause(ctx context.Context, db snapshot.Database) error
	Resume(ctx context.Context, db snapshot.Database) error
	Reconnect(ctx context.Context, db snapshot.Database) error
	WaitClose(ctx context.Context, db snapshot.Database) error
	Kill(ctx context.Context, db snapshot.Database) error
	// SetDisabled makes the proxy refuse new clients, or accept them again.
	SetDisabled(db snapshot.Database, on bool)
	KillClient(id uint64) error
	Reload() error
	// Shutdown begins to end the proxy and returns at once.
	Shutdown(Wait)
}

// Access is what a user may do in the console.
type Access uint8

// Each includes the ones before it.
const (
	NoAccess Access = iota
	MayShow
	MayControl
)

// Wait is what SHUTDOWN waits for.
type Wait uint8

// What SHUTDOWN can wait for.
const (
	WaitForNothing Wait = iota
	WaitForServers      // until no server connection is in a transaction
	WaitForClients      // until the clients have disconnected
)
