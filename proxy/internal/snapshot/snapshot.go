// Package snapshot has the values by which a proxy describes itself at one
// moment. The console and the monitor present them.
package snapshot

import "time"

// Modes of a pool.
const (
	SessionMode     = "session"
	TransactionMode = "transaction"
)

// Source takes snapshots of a proxy. Its methods are safe for concurrent use.
type Source interface {
	Overview() Overview
	Pools() []Pool     // ordered by target and database
	Clients() []Client // ordered by the time they connected
	Servers() []Server // ordered by target and database
	Targets() []Target // ordered by name
}

// Overview describes the whole proxy: its state, limits and counters.
type Overview struct {
	Product string // name and version
	Began   time.Time
	Closing bool // no new clients are accepted

	Mode                  string
	DefaultTarget         string // empty without one
	DefaultPoolSize       int
	MinPoolSize           int
	MaxClientConn         int
	MaxTargetConnections  int // for each target
	MaxPreparedStatements int // for each server connection
	ServerLifetime        time.Duration

	Connected int64 // clients now, including those that log in
	Consoles  int64 // console sessions now
	Accepted  int64 // connections since the start, like the counters below
	Sessions  int64
	Failed    int64 // logins refused or failed
	Canceled  int64 // cancel requests forwarded
	Lost      int64 // sessions whose server connection broke
}
