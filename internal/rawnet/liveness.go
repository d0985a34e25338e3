package rawnet

import (
	"net"
	"time"
)

// SetTimeout makes an idle connection fail when the peer's TCP has not answered
// probes for about d. If data is unacknowledged, the caller must check
// [Conn.Unresponsive] instead: TCP_USER_TIMEOUT would also end the connection of a
// healthy peer that has no room for more data, as a server has not while it runs
// earlier requests. SetTimeout does nothing on a Unix socket.
func (c *Conn) SetTimeout(d time.Duration) error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	probe := max(d/3, time.Second)
	return tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probe, Interval: probe, Count: 3})
}
