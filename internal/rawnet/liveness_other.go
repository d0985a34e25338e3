//go:build !linux

package rawnet

import "time"

// Unresponsive is not supported on this system: keepalive probes or retransmissions
// end the connection.
func (*Conn) Unresponsive(time.Duration) bool { return false }

// Gone is not supported on this system.
func (*Conn) Gone() bool { return false }

// Broken is not supported on this system.
func (*Conn) Broken() bool { return false }
