//go:build !linux

package rawnet

import (
	"net"
	"time"
)

// socket has no raw side here.
type socket struct{ impatient bool }

func (*socket) open(net.Conn)                     {}
func (*socket) isRaw() bool                       { return false }
func (*socket) readBuffer() (*Buffer, int, error) { return nil, 0, errWouldBlock }
func (*socket) wait() error                       { return nil }

// Quiet cannot be told here: the next read will.
func (*Conn) Quiet() bool { return true }

// SetTimeout makes c break some time after the other side has stopped
// answering, in about d if there is nothing to acknowledge.
func (c *Conn) SetTimeout(d time.Duration) error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	probe := max(d/3, time.Second)
	return tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probe, Interval: probe, Count: 3})
}
