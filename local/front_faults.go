package local

import (
	"errors"
	"net"
	"sync/atomic"
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

// blackhole is what all connections to a front go through. The zero value lets
// everything pass.
type blackhole struct {
	filled atomic.Pointer[chan struct{}] // closed when it is one no more; nil if it is none
}

// set makes it one, or none.
func (h *blackhole) set(is bool) {
	if !is {
		if filled := h.filled.Swap(nil); filled != nil {
			close(*filled)
		}
		return
	}
	filled := make(chan struct{})
	h.filled.CompareAndSwap(nil, &filled)
}

// pass waits until it is no black hole, or done.
func (h *blackhole) pass(done <-chan struct{}) {
	if filled := h.filled.Load(); filled != nil {
		select {
		case <-*filled:
		case <-done:
		}
	}
}

// faultyConn is the network between the front and a client. A black hole keeps
// what is sent, and the end of the connection, as the retransmissions of a real
// network do.
type faultyConn struct {
	*net.TCPConn
	fault NetworkFault
	hole  *blackhole
	done  <-chan struct{} // ends all pauses
}

func (c *faultyConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.hole.pass(c.done)
	c.pause(time.Duration(c.fault.Latency))
	return n, err
}

func (c *faultyConn) CloseWrite() error {
	c.hole.pass(c.done)
	return c.TCPConn.CloseWrite()
}

func (c *faultyConn) Write(p []byte) (int, error) {
	c.hole.pass(c.done)
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
