package snapshot

import (
	"net"
	"time"
)

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
