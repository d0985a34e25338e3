package local

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// tlsRecord is the first byte of every TLS connection; no HTTP method has it.
const tlsRecord = 0x16

// peekTimeout bounds how long a connection may say nothing at all.
const peekTimeout = time.Minute

// mixedListener serves TLS and plain connections on one port, told apart by
// their first byte. Looking at it happens aside, so that a silent connection
// holds up no other.
type mixedListener struct {
	net.Listener
	config *tls.Config
	ready  chan net.Conn
	closed chan struct{}
	err    error // why accepting ended; set before closed is closed

	mu      sync.Mutex
	silent  map[net.Conn]struct{}
	peeking sync.WaitGroup
}

func newMixedListener(l net.Listener, config *tls.Config) *mixedListener {
	m := &mixedListener{
		Listener: l, config: config,
		ready: make(chan net.Conn), closed: make(chan struct{}), silent: map[net.Conn]struct{}{},
	}
	m.peeking.Go(m.acceptAll)
	return m
}

func (m *mixedListener) acceptAll() {
	defer close(m.closed)
	for {
		conn, err := m.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			m.err = err
			return
		}
		if err != nil {
			time.Sleep(5 * time.Millisecond) // out of descriptors: others have to go first
			continue
		}
		m.mu.Lock()
		m.silent[conn] = struct{}{}
		m.mu.Unlock()
		m.peeking.Go(func() { m.sort(conn) })
	}
}

// sort hands conn on as what its first byte says it is.
func (m *mixedListener) sort(conn net.Conn) {
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
	var sorted net.Conn = &peekedConn{Conn: conn, first: first[:]}
	if first[0] == tlsRecord {
		sorted = tls.Server(sorted, m.config)
	}
	select {
	case m.ready <- sorted:
	case <-m.closed:
		conn.Close()
	}
}

func (m *mixedListener) Accept() (net.Conn, error) {
	select {
	case conn := <-m.ready:
		return conn, nil
	case <-m.closed:
		return nil, m.err
	}
}

// Close stops accepting, drops the connections that have said nothing yet
// and waits.
func (m *mixedListener) Close() error {
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

// peekedConn gives back the byte that was read ahead.
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

// NetConn is the connection below, as tls.Conn has it.
func (c *peekedConn) NetConn() net.Conn { return c.Conn }
