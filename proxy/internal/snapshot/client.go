package snapshot

import (
	"net"
	"time"
)

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
