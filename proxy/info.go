package proxy

import (
	"net"
	"time"
)

// PoolInfo is what one pool, the server connections to one database of a
// target, looks like at a moment. In session mode each client counts as linked
// to its server connection, or as waiting until it has one.
type PoolInfo struct {
	Target, Database string
	Mode             Mode
	Paused           bool

	ClientsActive     int // linked to a server connection
	ClientsWaiting    int // for one
	ClientsIdle       int
	ServersActive     int // linked to a client
	ServersPinned     int // of these, kept beyond the transaction
	ServersIdle       int
	ServersResting    int // being cancelled or brought to rest before reuse
	ServersConnecting int
	Limit             int           // of server connections
	OldestWait        time.Duration // of the client that has waited longest
	LastError         string        // of the last login upstream, "" if it went well

	Totals Totals
}

// Totals count since the pool, or the proxy, began. In session mode no times
// are taken.
type Totals struct {
	Sessions                       uint64 // of clients, begun
	Assignments                    uint64 // of a server connection to a client
	Transactions, Queries          uint64
	Received, Sent                 uint64        // bytes from clients, and to them
	TransactionTime, QueryTime     time.Duration // with a server connection; of that, until the answer was complete
	WaitTime                       time.Duration // of clients for a server connection
	ServerLogins, ServerLoginFails uint64
	Canceled                       uint64 // requests passed on
	Lost                           uint64 // server connections that broke in use
	LostIdle                       uint64 // and others
}

// ClientInfo is one client at a moment.
type ClientInfo struct {
	ID                     uint64 // the process ID that it was told
	User, Target, Database string
	ApplicationName        string
	Addr                   net.Addr
	TLS                    bool
	State                  string // "active", "waiting", "idle" or "login"
	Pinned                 string // why it keeps its server connection, "" if it does not
	Connected              time.Time
	Requested              time.Time     // when it last said something
	Waiting                time.Duration // for a server connection
	ServerPID              uint32        // of the linked server connection, 0 for none
	LocalAddr              net.Addr      // the proxy's end
	Replication            string        // "none", "logical" or "physical"
	TLSInfo                string        // version and cipher suite, "" without TLS
}

// ServerInfo is one server connection at a moment.
type ServerInfo struct {
	PID              uint32
	Target, Database string
	Addr             net.Addr
	State            string // "active", "pinned", "idle", "resting"
	Connected        time.Time
	Used             time.Time // last
	Prepared         int       // statements
	ClientID         uint64    // of the linked client, 0 for none
	LocalAddr        net.Addr  // the proxy's end
	User             string    // the role that logged in
	TLSInfo          string    // version and cipher suite, "" without TLS
	CloseNeeded      bool      // it is closed as soon as it is not lent
}
