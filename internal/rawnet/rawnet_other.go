//go:build !linux

package rawnet

import (
	"errors"
	"net"
	"time"
)

// socket has no raw side here.
type socket struct{ impatient bool }

func (*socket) open(net.Conn)                           {}
func (*socket) isRaw() bool                             { return false }
func (*socket) readBuffer([]byte) (*Buffer, int, error) { return nil, 0, errWouldBlock }
func (*socket) wait() error                             { return nil }

// KeepWrites has no effect here: writes wait.
func (*Conn) KeepWrites() {}

// Kept returns false.
func (*Conn) Kept() bool { return false }

// Flush has nothing to do.
func (*Conn) Flush() error { return nil }

// Quiet cannot be known here: the next read shows it.
func (*Conn) Quiet() bool { return true }

// Unresponsive is not supported on this system: keepalive probes or retransmissions
// end the connection.
func (*Conn) Unresponsive(time.Duration) bool { return false }

// Gone is not supported on this system.
func (*Conn) Gone() bool { return false }

// Broken is not supported on this system.
func (*Conn) Broken() bool { return false }

func listenConfig(keepAlive net.KeepAliveConfig, reuse bool) (net.ListenConfig, error) {
	if reuse {
		return net.ListenConfig{}, errors.New("so_reuseport is supported on Linux alone")
	}
	return net.ListenConfig{KeepAliveConfig: keepAlive}, nil
}

// Unread is never called, since no read happens before it is known who reads.
func (*Conn) Unread([]byte) {}
