package rest

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// tlsRecord is the first byte of every TLS connection, and of no HTTP request.
const tlsRecord = 0x16

// peekTimeout limits how long a connection may send nothing.
const peekTimeout = time.Minute

// Listener accepts TLS and plain connections on one port. The first byte of a
// connection decides. It is read in a goroutine of its own, so that a silent
// connection does not delay others.
type Listener struct {
	net.Listener
	config *tls.Config
	ready  chan net.Conn
	closed chan struct{}
	err    error // why accepting ended; set before closed is closed

	mu      sync.Mutex
	silent  map[net.Conn]struct{}
	peeking sync.WaitGroup
}

// NewListener returns a listener that accepts connections of l, those with TLS
// as config says.
func NewListener(l net.Listener, config *tls.Config) *Listener {
	m := &Listener{
		Listener: l, config: config,
		ready: make(chan net.Conn), closed: make(chan struct{}), silent: map[net.Conn]struct{}{},
	}
	m.peeking.Go(m.acceptAll)
	return m
}

func (m *Listener) acceptAll() {
	defer close(m.closed)
	for {
		conn, err := m.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			m.err = err
			return
		}
		if err != nil {
			time.Sleep(5 * time.Millisecond) // no file descriptors: other connections have to end first
			continue
		}
		m.mu.Lock()
		m.silent[conn] = struct{}{}
		m.mu.Unlock()
		m.peeking.Go(func() { m.peek(conn) })
	}
}

// peek reads the first byte of conn and makes it ready to be accepted.
func (m *Listener) peek(conn net.Conn) {
	var first [1]byte
	_ = conn.SetReadDeadline(time.Now().Add(peekTimeout))
	n, err := conn.Read(first[:])
	_ = conn.SetReadDeadline(time.Time{})
	m.mu.Lock()
	delete(m.silent, conn)
	m.mu.Unlock()
	if n == 0 || err != nil {
		conn.Close()
		return
	}
	var peeked net.Conn = &peekedConn{Conn: conn, first: first[:]}
	if first[0] == tlsRecord {
		peeked = tls.Server(peeked, m.config)
	}
	select {
	case m.ready <- peeked:
	case <-m.closed:
		conn.Close()
	}
}

// Accept returns the next connection that has sent something.
func (m *Listener) Accept() (net.Conn, error) {
	select {
	case conn := <-m.ready:
		return conn, nil
	case <-m.closed:
		return nil, m.err
	}
}

// Close stops accepting, closes the connections that have sent nothing yet, and
// waits.
func (m *Listener) Close() error {
	err := m.Listener.Close()
	<-m.closed
	m.mu.Lock()
	for conn := range m.silent {
		conn.Close()
	}
	m.mu.Unlock()
	m.peeking.Wait()
	return err
}

// peekedConn returns the byte that was read ahead before the others.
type peekedConn struct {
	net.Conn
	first []byte
}

func (c *peekedConn) Read(b []byte) (int, error) {
	if len(c.first) > 0 && len(b) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// NetConn is the underlying connection, like that of tls.Conn.
func (c *peekedConn) NetConn() net.Conn { return c.Conn }
