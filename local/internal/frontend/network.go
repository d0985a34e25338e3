package frontend

import (
	"net"
	"sync/atomic"
	"time"
)

// Faults are the faults of one connection.
type Faults struct {
	Plaintext   bool          // answer N to SSLRequest
	ResetAt     string        // "accept", "tls", "startup", "auth", "ready" or "query"
	AfterBytes  int64         // of the server's answers, for "query"
	Latency     time.Duration // added to each chunk in each direction
	BytesPerSec int64         // limit from server to client; 0 means none
}

// throttleStep is the interval at which a throttled connection sends.
const throttleStep = 50 * time.Millisecond

// Blackhole stops the traffic of all connections while it is set. The zero
// value lets everything pass.
type Blackhole struct {
	lifted atomic.Pointer[chan struct{}] // closed when the black hole ends; nil if there is none
}

// Set begins or ends the black hole.
func (h *Blackhole) Set(on bool) {
	if !on {
		if lifted := h.lifted.Swap(nil); lifted != nil {
			close(*lifted)
		}
		return
	}
	lifted := make(chan struct{})
	h.lifted.CompareAndSwap(nil, &lifted)
}

// wait waits until there is no black hole, or until done.
func (h *Blackhole) wait(done <-chan struct{}) {
	if lifted := h.lifted.Load(); lifted != nil {
		select {
		case <-*lifted:
		case <-done:
		}
	}
}

// faultyConn is a client's connection with its network faults. A black hole
// delays data and the end of the connection, as lost packets that are
// retransmitted do.
type faultyConn struct {
	*net.TCPConn
	faults    Faults
	blackhole *Blackhole
	done      <-chan struct{} // ends all delays
}

func (c *faultyConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.blackhole.wait(c.done)
	c.sleep(c.faults.Latency)
	return n, err
}

func (c *faultyConn) CloseWrite() error {
	c.blackhole.wait(c.done)
	return c.TCPConn.CloseWrite()
}

func (c *faultyConn) Write(p []byte) (int, error) {
	c.blackhole.wait(c.done)
	c.sleep(c.faults.Latency)
	if c.faults.BytesPerSec <= 0 {
		return c.TCPConn.Write(p)
	}
	chunk := int(max(1, c.faults.BytesPerSec*int64(throttleStep)/int64(time.Second)))
	var written int
	for written < len(p) {
		n, err := c.TCPConn.Write(p[written:min(len(p), written+chunk)])
		written += n
		if err != nil {
			return written, err
		}
		c.sleep(time.Duration(int64(n) * int64(time.Second) / c.faults.BytesPerSec))
	}
	return written, nil
}

func (c *faultyConn) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-c.done:
	}
}
