package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/rawnet"
	"github.com/lakebase-go/lakebase/proxy/internal/monitor"
)

// acceptBackoff is the pause after a failed accept: out of file descriptors
// must neither spin nor end the listener.
const acceptBackoff = 10 * time.Millisecond

// defaultPort names the Unix socket where there is no TCP address.
const defaultPort = 5432

// Listen opens the addresses, so that clients can connect and [Server.Addr]
// is known; [Server.Serve] does so where it has not been done.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isDraining() {
		return ErrServerClosed
	}
	if s.opened {
		return nil
	}
	err := s.open()
	if err == nil && s.config().HTTPListen != "" {
		s.monitor, err = monitor.Listen(s.config().HTTPListen, admin{s}, s.log)
		if err != nil {
			err = fmt.Errorf("proxy: HTTP: %w", err)
		}
	}
	if err != nil {
		s.close()
		return err
	}
	s.opened = true
	return nil
}

// open opens the addresses. The caller holds the mutex.
func (s *Server) open() error {
	port := defaultPort
	if s.config().Listen != noTCP {
		l, err := rawnet.Listen(s.config().Listen, keepAlive)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("proxy: %s is in use by another program: stop it, or choose another port (0 means any)", s.config().Listen)
		}
		if err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
		s.listeners, s.addr = append(s.listeners, l), l.Addr()
		port = l.Addr().(*net.TCPAddr).Port
	}
	if s.config().UnixSocketDir == "" {
		return nil
	}
	l, err := listenUnix(s.config().UnixSocketDir, port)
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	s.listeners = append(s.listeners, l)
	if s.addr == nil {
		s.addr = l.Addr()
	}
	return nil
}

// close closes the listeners. The caller holds the mutex.
func (s *Server) close() {
	for _, l := range s.listeners {
		l.Close()
	}
	s.listeners = nil
}

// listenUnix opens the socket that libpq looks for in dir. Whoever can reach
// it needs no password, so dir must be its owner's alone.
func listenUnix(dir string, port int) (net.Listener, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, fmt.Errorf("directory %s is open to other users (mode %#o): make it 0700, or name another", dir, info.Mode().Perm())
	}
	path := filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d", port))
	if err := removeStale(path); err != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}

// removeStale removes a socket that a killed process left behind.
func removeStale(path string) error {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%s is in use by another program", path)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return nil
}

func (s *Server) accept(l net.Listener) {
	_, isTCP := l.(*net.TCPListener)
	needsTLS := isTCP && !isLoopback(l.Addr().(*net.TCPAddr).IP.String())
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Warn("cannot accept a client", "err", err)
			wait(s.admitting.Done(), acceptBackoff)
			continue
		}
		s.counts.accepted.Add(1)
		raw := rawnet.New(conn)
		s.begin(&client{server: s, Conn: raw, raw: raw, connected: time.Now(), local: !isTCP, needsTLS: needsTLS})
	}
}

func wait(end <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-end:
	case <-t.C:
	}
}

// begin serves c in goroutines of its own.
func (s *Server) begin(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.isDraining():
		c.refuseUnread(errShuttingDown())
		return
	case len(s.clients) >= s.config().MaxClientConn+spareConns:
		c.refuseUnread(tooManyClients(s.config().MaxClientConn))
		return
	}
	c.raw.SetDeadline(time.Now().Add(s.config().ClientLoginTimeout)) // before drain can set one
	s.clients[c] = true
	s.wg.Add(1)
	go s.live(c, func() stage { return c.serve(s.life) })
}

// live is a stage of c, and sees to what follows.
func (s *Server) live(c *client, now stage) {
	if next := now(); next != nil {
		go s.live(c, next)
		return
	}
	s.forget(c)
	s.wg.Done()
}

// forget is the end of a client.
func (s *Server) forget(c *client) {
	c.raw.Close()
	if c.counted {
		s.counts.clients.Add(-1)
	}
	if c.forgetKey != nil {
		c.forgetKey()
	}
	s.mu.Lock()
	delete(s.clients, c)
	s.mu.Unlock()
	if c.pool != nil {
		s.leavePool(c.pool)
	}
	if c.target != nil {
		s.exit(c.target)
	}
}

// refuseUnread answers a client that nobody has time to listen to. What it
// has not sent yet cannot delay this.
func (c *client) refuseUnread(e *pgwire.Error) {
	c.raw.SetWriteDeadline(time.Now().Add(time.Second))
	c.raw.Write(e.Append(nil))
	c.raw.Close()
}

// keepAlive notices within minutes that a client is gone without a word.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 6}
