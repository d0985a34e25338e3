package console

import (
	"context"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

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
