// Package console answers PgBouncer's administration commands: SHOW, PAUSE,
// RESUME and so on, which clients send as SQL to the database named pgbouncer.
//
// It knows a proxy by an interface, and a client as a network connection that
// has logged in. Names of columns, lists and settings are PgBouncer's, so that
// programs written for it work: what this proxy has beyond PgBouncer follows
// after its columns.
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

// Database is the database name that leads to the console.
const Database = "pgbouncer"

// maxSessions are open at once. They use the connections that the proxy keeps
// beyond its clients, some of which cancel requests need.
const maxSessions = 64

// Proxy is what the console shows and controls. An empty target means every
// target, an empty database every database of the target. Errors that are a
// [pgwire.Error] reach the client with their SQLSTATE.
type Proxy interface {
	snapshot.Source

	// Access reports what a user may do.
	Access(user string) Access
	// Users returns the names that have a password.
	Users() []string
	// Settings returns the configuration under the names of SHOW CONFIG.
	Settings() []Setting
	// Route finds the database that a client would reach by a database name.
	Route(name string) (target, database string, err error)
	// Switched reports whether new clients of a database wait or are refused.
	Switched(target, database string) (paused, disabled bool)

	Pause(ctx context.Context, target, database string) error
	Resume(target, database string) error
	Reconnect(target, database string) error
	WaitClose(ctx context.Context, target, database string) error
	Kill(target, database string) error
	KillClient(id uint64) error
	Disable(target, database string) error
	Enable(target, database string) error
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

// Setting is one line of SHOW CONFIG.
type Setting struct {
	Key, Value, Default string
	Reloads             bool // RELOAD can change it
}

// Wait is what SHUTDOWN waits for.
type Wait uint8

// What SHUTDOWN can wait for.
const (
	WaitForNothing Wait = iota
	WaitForServers      // until no server connection is in a transaction
	WaitForClients      // until the clients have disconnected
)

// Console is the console of one proxy. Its methods are safe for concurrent
// use.
type Console struct {
	proxy    Proxy
	log      *slog.Logger
	sessions atomic.Int64
	averages averages
}

// New returns the console of a proxy that has just begun.
func New(proxy Proxy, log *slog.Logger) *Console {
	c := &Console{proxy: proxy, log: log}
	c.averages.older.at = time.Now()
	c.averages.newer.at = c.averages.older.at
	return c
}

// Sessions returns the number of open sessions.
func (c *Console) Sessions() int64 { return c.sessions.Load() }

// admit counts one more session, if the user may have one.
func (c *Console) admit(user string) error {
	if c.proxy.Access(user) == NoAccess {
		return &pgwire.Error{Code: "42501", Message: fmt.Sprintf("user %q may not use the proxy's console", user),
			Hint: "name it among the admins or the stats users of the proxy"}
	}
	if c.sessions.Add(1) > maxSessions {
		c.sessions.Add(-1)
		return &pgwire.Error{Code: "53300", Message: fmt.Sprintf("the console has its %d clients already", maxSessions), Hint: "close some"}
	}
	return nil
}
