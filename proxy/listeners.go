package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/lakebase-go/lakebase/internal/eventloop"
	"github.com/lakebase-go/lakebase/internal/rawnet"
)

const (
	// acceptBackoff is the pause after a failed accept: a lack of file
	// descriptors must neither spin nor end a listener.
	acceptBackoff = 10 * time.Millisecond

	// defaultPort names the Unix socket of a proxy without a TCP address.
	defaultPort = 5432
)

// keepAlive finds within minutes that the network to a client is dead.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 6}

// listeners are the addresses on which a proxy accepts clients.
type listeners struct {
	env *env

	mu   sync.Mutex // guards what follows
	all  []net.Listener
	stop []func() // ends what accepts
	addr net.Addr // TCP, or the Unix socket without TCP; stays when all are closed
}

// open opens the addresses of the configuration.
func (l *listeners) open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	cfg := l.env.config()
	if len(cfg.Listeners) > 0 {
		return l.adopt(cfg.Listeners)
	}
	port := defaultPort
	if cfg.Listen != noTCP {
		tcp, err := rawnet.Listen(cfg.Listen, keepAlive, cfg.SoReuseport)
		if err != nil {
			return err
		}
		l.all, l.addr = append(l.all, tcp), tcp.Addr()
		port = tcp.Addr().(*net.TCPAddr).Port
	}
	if cfg.UnixSocketDir == "" {
		return nil
	}
	unix, err := listenUnix(cfg.UnixSocketDir, port)
	if err != nil {
		return err
	}
	l.all = append(l.all, unix)
	if l.addr == nil {
		l.addr = unix.Addr()
	}
	return nil
}

// adopt takes over open sockets.
func (l *listeners) adopt(open []net.Listener) error {
	for _, one := range open {
		l.all = append(l.all, one)
		tcp, isTCP := one.(*net.TCPListener)
		if isTCP {
			if err := rawnet.Configure(tcp, keepAlive); err != nil {
				return err
			}
		}
		if _, already := l.addr.(*net.TCPAddr); l.addr == nil || isTCP && !already {
			l.addr = one.Addr()
		}
	}
	return nil
}

// listenUnix opens the socket that libpq looks for in dir. Without a password,
// access to the socket is enough to connect, so dir must be its owner's alone.
func listenUnix(dir string, port int) (net.Listener, error) {
	if runtime.GOOS == "windows" { // modes do not say who has access to a directory
		return nil, errors.New("unix_socket_dir is not supported on Windows")
	}
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

// close closes the addresses.
func (l *listeners) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		one.Close()
	}
	for _, stop := range l.stop {
		stop()
	}
	l.all, l.stop = nil, nil
}

// address returns the main address, nil before open.
func (l *listeners) address() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addr
}

// isOpen reports whether clients can connect.
func (l *listeners) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all) > 0
}

// serve accepts clients in the background until close.
func (l *listeners) serve(accepted func(*client)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		tcp, isTCP := one.Addr().(*net.TCPAddr)
		needsTLS := isTCP && !isLoopback(tcp.IP.String())
		start := func(conn net.Conn) {
			l.env.counts.accepted.Add(1)
			c := newClient(l.env, conn)
			c.local, c.needsTLS = !isTCP, needsTLS
			accepted(c)
		}
		if l.env.loop != nil {
			stop, err := l.env.loop.Accept(one, func(conn *eventloop.Conn) { start(conn) }, l.failed)
			if err == nil {
				l.stop = append(l.stop, stop)
				continue
			}
			l.env.log.Warn("cannot accept clients in the event loop", "error", err)
		}
		l.env.tasks.Go(func() { l.accept(one, start) })
	}
}

// accept accepts clients where there is no event loop.
func (l *listeners) accept(from net.Listener, start func(net.Conn)) {
	for {
		conn, err := from.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			l.failed(err)
			continue
		}
		start(conn)
	}
}

// failed logs that a client could not be accepted, and waits.
func (l *listeners) failed(err error) {
	l.env.log.Warn("cannot accept a client", "error", err)
	select {
	case <-time.After(acceptBackoff):
	case <-l.env.admission.Done():
	}
}
