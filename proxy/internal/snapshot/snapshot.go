// Package snapshot has the values by which a proxy describes itself at one
// moment. The console and the monitor present them.
package snapshot

import (
	"net"
	"time"
)

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
	Errors   []Error   // ordered by SQLSTATE
}

// Error counts the errors of one SQLSTATE that the proxy itself has sent to clients.
type Error struct {
	Code          string
	Count         int64
	Last          time.Time
	Message, Hint string // of the last
}

// Setting is one line of SHOW CONFIG.
type Setting struct {
	Key, Value, Default string
	Reloads             bool // RELOAD can change it
}

// Databases adds up the pools of each database name.
func (p *Proxy) Databases() []Pool { return Merge(p.Pools, Pool.Name) }

// Database names one database of a target. As a pattern, an empty field stands
// for every name.
type Database struct{ Target, Name string }

// Matches reports whether d, as a pattern, includes other.
func (d Database) Matches(other Database) bool {
	return (d.Target == "" || d.Target == other.Target) && (d.Name == "" || d.Name == other.Name)
}

// String returns the database name by which clients reach the database.
func (d Database) String() string {
	if d.Name == d.Target {
		return d.Target
	}
	return d.Target + "/" + d.Name
}

// Pool describes the server connections to one database of a target and their
// clients. In session mode a client counts as linked to its server connection,
// and as waiting until it has one.
type Pool struct {
	Target, Database string
	Mode             string
	Paused           bool

	ClientsActive     int // linked to a server connection
	ClientsWaiting    int // for one
	ClientsIdle       int
	ServersActive     int // linked to a client
	ServersPinned     int // of these, kept beyond the transaction
	ServersIdle       int
	ServersResetting  int // being canceled or reset before reuse
	ServersConnecting int
	Limit             int           // of server connections
	OldestWait        time.Duration // of the client that has waited longest
	LastError         string        // of the last login to the database, empty if it succeeded
	Statements        int           // different prepared statements of all clients
	Prepared          int           // prepared statements on all server connections

	Totals Totals
}

// Name is the database name by which clients reach the pool.
func (p Pool) Name() string { return Database{p.Target, p.Database}.String() }

// Clients is the number of clients.
func (p Pool) Clients() int { return p.ClientsActive + p.ClientsWaiting + p.ClientsIdle }

// Servers is the number of server connections that have logged in.
func (p Pool) Servers() int { return p.ServersActive + p.ServersIdle + p.ServersResetting }

// AddServer counts a server connection.
func (p *Pool) AddServer(s Server) {
	p.Prepared += s.Prepared
	switch s.State {
	case ServerPinned:
		p.ServersPinned++
		p.ServersActive++
	case ServerActive:
		p.ServersActive++
	case ServerIdle:
		p.ServersIdle++
	case ServerResetting:
		p.ServersResetting++
	}
}

// AddClient counts a client.
func (p *Pool) AddClient(c Client) {
	switch c.State {
	case ClientActive:
		p.ClientsActive++
	case ClientWaiting:
		p.ClientsWaiting++
	case ClientIdle:
		p.ClientsIdle++
	}
}

// Merge adds up pools that have the same key, in the order of the first of
// each. Clients that replicate have sessions beside the pool of their database,
// and a database can be named like its target.
func Merge(pools []Pool, key func(Pool) string) (merged []Pool) {
	at := map[string]int{}
	for _, p := range pools {
		i, ok := at[key(p)]
		if !ok {
			at[key(p)] = len(merged)
			merged = append(merged, p)
			continue
		}
		m := &merged[i]
		if p.Mode == TransactionMode {
			m.Mode, m.Limit, m.Paused, m.OldestWait, m.LastError = p.Mode, p.Limit, p.Paused, p.OldestWait, p.LastError
		}
		m.ClientsActive += p.ClientsActive
		m.ClientsIdle += p.ClientsIdle
		m.ClientsWaiting += p.ClientsWaiting
		m.ServersActive += p.ServersActive
		m.ServersPinned += p.ServersPinned
		m.ServersIdle += p.ServersIdle
		m.ServersResetting += p.ServersResetting
		m.ServersConnecting += p.ServersConnecting
		m.Totals.Add(p.Totals)
	}
	return merged
}

// Totals are the counters of one pool since it or the proxy began. In session
// mode the times stay zero.
type Totals struct {
	Sessions         uint64 // of clients, begun
	Assignments      uint64 // of a server connection to a client
	Transactions     uint64
	Queries          uint64
	Received         uint64        // bytes from clients
	Sent             uint64        // bytes to clients
	TransactionTime  time.Duration // clients were linked to a server connection
	QueryTime        time.Duration // of that, until each answer was complete
	WaitTime         time.Duration // clients waited for a server connection
	ServerLogins     uint64
	ServerLoginFails uint64
	Canceled         uint64 // cancel requests forwarded
	Lost             uint64 // server connections that broke while linked
	LostIdle         uint64 // server connections that broke while idle
}

// Add adds the counters of o.
func (t *Totals) Add(o Totals) {
	t.Sessions += o.Sessions
	t.Assignments += o.Assignments
	t.Transactions += o.Transactions
	t.Queries += o.Queries
	t.Received += o.Received
	t.Sent += o.Sent
	t.TransactionTime += o.TransactionTime
	t.QueryTime += o.QueryTime
	t.WaitTime += o.WaitTime
	t.ServerLogins += o.ServerLogins
	t.ServerLoginFails += o.ServerLoginFails
	t.Canceled += o.Canceled
	t.Lost += o.Lost
	t.LostIdle += o.LostIdle
}

// States of a client.
const (
	ClientLogin   = "login"
	ClientActive  = "active"
	ClientWaiting = "waiting"
	ClientIdle    = "idle"
)

// Client describes one client.
type Client struct {
	ID              uint64 // the process ID in its cancel key, 0 before login
	User            string
	Target          string // empty during login and for the console
	Database        string
	ApplicationName string
	Addr            net.Addr
	LocalAddr       net.Addr // the proxy's end
	TLS             string   // version and cipher suite, empty without TLS
	Replication     string   // "none", "logical" or "physical"
	State           string
	Pinned          string // why it keeps its server connection, empty if it does not
	Connected       time.Time
	Requested       time.Time     // its last request
	Waiting         time.Duration // for a server connection
	ServerPID       uint32        // of the linked server connection, 0 for none
}

// States of a server connection.
const (
	ServerActive    = "active"
	ServerPinned    = "pinned"
	ServerIdle      = "idle"
	ServerResetting = "resetting"
)

// Server describes one server connection.
type Server struct {
	PID              uint32
	User             string // the role that logged in
	Target, Database string
	Addr             net.Addr
	LocalAddr        net.Addr // the proxy's end
	TLS              string   // version and cipher suite, empty without TLS
	State            string
	Connected        time.Time
	Used             time.Time // last
	Prepared         int       // prepared statements
	ClientID         uint64    // of the linked client, 0 for none
	CloseNeeded      bool      // it is closed when it is released
}

// States of a target's token.
const (
	TokenNone    = "none" // not needed yet, or never
	TokenValid   = "valid"
	TokenExpired = "expired"
)

// Target describes one target. The zero value of each field that the last
// login determines means that there was no login.
type Target struct {
	Name     string
	Default  bool   // it receives the databases that name no target
	Host     string // of the last login, like the fields below
	Port     uint16
	User     string
	Database string

	ServerConns          int64 // including those that log in, and those that a reload removes
	MaxTargetConnections int

	Trouble, Hint      string    // why the workspace gives no location or token, and what to do; empty if it does
	TokenExpiry        time.Time // zero without a token
	Tokens             int64     // received from the workspace
	CredentialCalls    int64     // requests to the workspace for a token
	CredentialFailures int64     // of those, failed
	Rejections         int64     // tokens that the database refused
}

// Token is the state of the target's token.
func (t Target) Token() string {
	switch {
	case t.TokenExpiry.IsZero():
		return TokenNone
	case time.Now().After(t.TokenExpiry):
		return TokenExpired
	}
	return TokenValid
}
