package local

import (
	"errors"
	"net"
	"time"
)

// acceptBackoff is the pause after a failed accept: out of file descriptors
// must neither spin nor end the listener.
const acceptBackoff = 10 * time.Millisecond

func (f *front) accept(l *net.TCPListener) {
	for {
		conn, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			f.log.Warn("cannot accept a Postgres client", "error", err)
			select {
			case <-time.After(acceptBackoff):
			case <-f.life.Done():
				return
			}
			continue
		}
		f.begin(newClient(f, conn))
	}
}

// begin serves c until it ends.
func (f *front) begin(c *client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		c.tcp.Close()
		return
	}
	f.clients[c] = true
	f.wg.Go(func() {
		defer f.forget(c)
		defer c.close()
		c.serve(f.life)
	})
}

func (f *front) forget(c *client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.clients, c)
}

// settle records where c goes.
func (f *front) settle(c *client, r *route) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.route = r
}
