package console

import (
	"context"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// Database is the database name that leads to the console.
const Database = "pgbouncer"

// Proxy is what the console shows and controls. Control methods take a pattern:
// an empty target or name stands for all. Their errors that are a
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
	Route(name string) (snapshot.Database, error)
	// Switched reports whether new clients of a database wait or are refused.
	Switched(snapshot.Database) (paused, disabled bool)

	Pause(context.Context, snapshot.Database) error
	Resume(snapshot.Database) error
	Reconnect(snapshot.Database) error
	WaitClose(context.Context, snapshot.Database) error
	Kill(snapshot.Database) error
	KillClient(id uint64) error
	Disable(snapshot.Database) error
	Enable(snapshot.Database) error
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
