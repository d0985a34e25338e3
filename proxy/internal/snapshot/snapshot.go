// Package snapshot has the values by which a proxy describes itself at one
// moment. The console and the monitor present them.
package snapshot

import "time"

// Modes of a pool.
const (
	SessionMode     = "session"
	TransactionMode = "transaction"
)

// Proxy describes the whole proxy: its state, limits, counters and parts.
type Proxy struct {
	Product string // name and version
	Began   time.Time
	Closing bool // no new clients are accepted

	Mode                  string
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

	// Switched reports whether new clients of a database wait or are refused, as
	// of the call.
	Switched func(Database) (paused, disabled bool)

	Settings []Setting // ordered by key
	Users    []string  // that have a password
	Pools    []Pool    // ordered by target and database
	Clients  []Client  // ordered by the time they connected
	Servers  []Server  // ordered by target and database
	Targets  []Target  // ordered by name
}

// Setting is one line of SHOW CONFIG.
type Setting struct {
	Key, Value, Default string
	Reloads             bool // RELOAD can change it
}

// Databases adds up the pools of each database name.
func (p *Proxy) Databases() []Pool { return Merge(p.Pools, Pool.Name) }
