package local

import (
	"errors"
	"net"
	"time"
)

// errReset is the end of a connection that a fault has reset.
var errReset = errors.New("connection reset by a fault")

// strike resets the connection if a fault wants that at point.
func (c *client) strike(point string) bool {
	if c.faults.Network.ResetAt != point || !c.front.o.StrikeReset(point) {
		return false
	}
	c.reset()
	return true
}

// throttleStep is about how often a throttled connection gets a chunk.
const throttleStep = 50 * time.Millisecond

// faultyConn is a slow network.
type faultyConn struct {
	*net.TCPConn
	fault NetworkFault
	done  <-chan struct{} // ends all pauses
}

func newFaultyConn(c *net.TCPConn, fault NetworkFault, done <-chan struct{}) net.Conn {
	if fault.Latency <= 0 && fault.BytesPerS <= 0 {
		return c
	}
	return &faultyConn{c, fault, done}
}

func (c *faultyConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.pause(time.Duration(c.fault.Latency))
	return n, err
}

func (c *faultyConn) Write(p []byte) (int, error) {
	c.pause(time.Duration(c.fault.Latency))
	if c.fault.BytesPerS <= 0 {
		return c.TCPConn.Write(p)
	}
	chunk := int(max(1, c.fault.BytesPerS*int64(throttleStep)/int64(time.Second)))
	var written int
	for written < len(p) {
		n, err := c.TCPConn.Write(p[written:min(len(p), written+chunk)])
		written += n
		if err != nil {
			return written, err
		}
		c.pause(time.Duration(int64(n) * int64(time.Second) / c.fault.BytesPerS))
	}
	return written, nil
}

func (c *faultyConn) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-c.done:
	}
}
