//go:build !linux

package rawnet

import "time"

// Unresponsive cannot be told here: keepalive or the next retransmissions end
// the connection.
func (*Conn) Unresponsive(time.Duration) bool { return false }

// Gone cannot be told here before all is read.
func (*Conn) Gone() bool { return false }

// Broken cannot be told here before all is read.
func (*Conn) Broken() bool { return false }
