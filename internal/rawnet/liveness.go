package rawnet

import (
	"net"
	"time"
)

// SetTimeout makes c break after the other side's TCP has not answered for
// about d while there was nothing to acknowledge. Where something is, it takes
// somebody to ask [Conn.Unresponsive]: TCP_USER_TIMEOUT would also break a
// connection whose other side is well and has only no room for more, as a
// server has not that works on what it was asked before. On a Unix socket it
// does nothing.
func (c *Conn) SetTimeout(d time.Duration) error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	probe := max(d/3, time.Second)
	return tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probe, Interval: probe, Count: 3})
}
