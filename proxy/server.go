package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lakebase-go/lakebase/internal/eventloop"
	"github.com/lakebase-go/lakebase/proxy/internal/console"
	"github.com/lakebase-go/lakebase/proxy/internal/monitor"
)

// Server is a proxy. Its methods are safe for concurrent use.
type Server struct {
	env       *env
	began     time.Time
	listeners listeners
	clients   *clientSet
	targets   *targetSet
	pools     *poolSet
	sessions  *sessionSet
	console   *console.Console

	reloading sync.Mutex // one Reload at a time; taken before all other mutexes
	serving   atomic.Bool
	stopping  atomic.Bool // Shutdown has been called
	drainOnce sync.Once
	stopOnce  sync.Once
	stopped   chan struct{} // closed when Shutdown is complete

	mu      sync.Mutex // guards what follows
	opened  bool
	monitor *monitor.Monitor // nil without HTTPListen
}

// Stats are a Server's gauges and counters. The counters begin with New.
type Stats struct {
	Clients     int64            // connected now, including those that log in
	ServerConns map[string]int64 // open now, by target, including targets that are being removed
	Accepted    int64            // connections accepted
	Sessions    int64            // sessions begun
	Failed      int64            // logins refused or failed
	Canceled    int64            // cancel requests forwarded
	Lost        int64            // sessions whose server connection broke
}

// New returns a Server for cfg. It checks every setting and does no I/O.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e, err := newEnv(cfg.Logger)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	pools := newPoolSet(e)
	targets := newTargetSet(e, pools, cfg)
	clients := newClientSet(e, targets, pools)
	s := &Server{
		env: e, began: time.Now(), listeners: listeners{env: e},
		clients: clients, targets: targets, pools: pools, sessions: newSessionSet(e, clients),
		stopped: make(chan struct{}),
	}
	s.console = console.New(s.admin(), product, e.log)
	return s, nil
}

// Listen opens the addresses, so that clients can connect and [Server.Addr] is
// known. [Server.Serve] does so where it has not been done.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.env.isDraining() {
		return ErrServerClosed
	}
	if s.opened {
		return nil
	}
	cfg := s.env.config()
	address, err := cfg.Listen, s.listeners.open()
	if err == nil {
		if s.env.loop, err = eventloop.New(eventLoops()); errors.Is(err, errors.ErrUnsupported) {
			err = nil
		}
	}
	if err == nil && cfg.HTTPListen != "" {
		address = cfg.HTTPListen
		s.monitor, err = monitor.Listen(address, s.admin(), s.env.log)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%s is in use by another program: stop it, or choose another port (0 means any)", address)
	}
	if err != nil {
		s.listeners.close()
		s.closeLoop()
		return fmt.Errorf("proxy: %w", err)
	}
	s.opened = true
	return nil
}

// Serve listens and serves clients until ctx ends, which disconnects them at
// once, or until [Server.Shutdown] has disconnected them, and then returns
// [ErrServerClosed]. Meanwhile it keeps the targets' tokens fresh.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	defer s.targets.startRefresh()()
	s.begin()
	select {
	case <-s.stopped:
	case <-ctx.Done():
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(now) // its error says that clients were disconnected
	}
	return ErrServerClosed
}

// begin starts what serves clients.
func (s *Server) begin() {
	j := &janitor{env: s.env, clients: s.clients, pools: s.pools, sessions: s.sessions, console: s.console,
		shutdown: func() { _ = s.Shutdown(context.Background()) }}
	s.mu.Lock() // drain comes before or after all of it
	defer s.mu.Unlock()
	s.serving.Store(true)
	if s.monitor != nil {
		s.monitor.Serve()
	}
	s.env.tasks.Go(j.run)
	s.listeners.serve(s.start)
}

// start serves a client that has connected.
func (s *Server) start(c *client) {
	l := &loginHandler{env: s.env, targets: s.targets, pools: s.pools, sessions: s.sessions, console: s.console, client: c}
	if e := s.clients.add(c); e != nil {
		c.conn.refuse(e)
	} else if conn := c.conn.loopConn(); conn != nil {
		(&arrival{login: l}).begin(conn)
	} else {
		go s.clients.run(c, l.run)
	}
}

// eventLoops is how many goroutines serve events. With one, two processors serve 64 clients
// a tenth more slowly, because the loop stops whenever a server that it has woken takes its
// processor; with two, one client has to wake the other loop now and then, for a twentieth.
// A loop keeps up with some 40,000 queries a second, which take about four processors in all.
func eventLoops() int {
	processors := runtime.GOMAXPROCS(0)
	return min(processors, max(2, processors/4))
}

func (s *Server) closeLoop() {
	if s.env.loop != nil {
		s.env.loop.Close()
	}
}

func (s *Server) openMonitor() *monitor.Monitor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.monitor
}

// Reload replaces the configuration of a running Server by cfg, all of it or,
// with an error, nothing. PoolMode, Listen, UnixSocketDir and HTTPListen must
// stay as they are: a change needs a restart, as the error says. Logger,
// OnReload and Listeners stay as they were.
//
// No client is disconnected. Users, access, TLS and limits of clients apply to
// later logins, MaxPreparedStatements and NetworkTimeout to later server
// connections, and timeouts to everyone at once. Where a pool has more server
// connections than it may, idle ones are closed at once and others when they are
// released.
//
// A target stays as it is if its name and its Connector do. One that is gone
// accepts no more clients; after the last one has disconnected, the Server
// closes its Connector, unless another target uses it too.
func (s *Server) Reload(cfg Config) error {
	cfg.Listeners = s.env.config().Listeners // the rules for them hold
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	old := s.env.config()
	if err := old.needsRestart(&cfg); err != nil {
		return err
	}
	cfg.Logger, cfg.OnReload = old.Logger, old.OnReload
	if err := s.targets.replace(cfg); err != nil {
		return err
	}
	s.pools.adjust(old.ServerLifetime != cfg.ServerLifetime)
	if old.ClientIdleTimeout != cfg.ClientIdleTimeout {
		s.sessions.rearm(old.ClientIdleTimeout)
	}
	return nil
}

// Shutdown stops listening, after Config.DrainDelay, ends the sessions that
// have no transaction open, waits for the others until they have none or ctx
// ends, and then ends those too. Clients are sent the reason (57P01). The error
// is ctx's if it has ended a session.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.delayDrain(ctx)
	s.drainOnce.Do(s.drain)
	done := make(chan struct{})
	go func() {
		s.env.tasks.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done:
		default:
			err = ctx.Err()
		}
		s.env.endLife()
		s.clients.kill()
		<-done
	}
	s.stopOnce.Do(s.stop)
	return err
}

// WaitForClients stops listening, after Config.DrainDelay, and waits until every client has
// disconnected by itself. The Server has then begun to end, as after [Server.Shutdown]. If
// ctx ends first, which its error reports, the clients that are left go on until Shutdown.
// [Server.Serve] must be running.
func (s *Server) WaitForClients(ctx context.Context) error {
	s.stopping.Store(true)
	s.delayDrain(ctx)
	s.closeWhenEmpty()
	select {
	case <-s.env.admission.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// delayDrain waits, while everything goes on, for as long as load balancers may
// take to see that the proxy is not ready any more, or until ctx ends.
func (s *Server) delayDrain(ctx context.Context) {
	if s.env.closing.Load() {
		return // no client is accepted any more
	}
	delay := time.NewTimer(s.env.config().DrainDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-ctx.Done():
	case <-s.env.admission.Done(): // another call of Shutdown has not waited
	}
}

// drain stops listening and asks every client to disconnect when it can.
func (s *Server) drain() {
	s.mu.Lock()
	s.env.endAdmission()
	s.opened = true
	s.mu.Unlock()
	s.targets.close()
	s.listeners.close()
	s.pools.drain()
	s.clients.drain()
}

// stop closes what no client needs any more.
func (s *Server) stop() {
	s.pools.close()
	s.env.endLife()
	s.closeLoop()
	if m := s.openMonitor(); m != nil {
		m.Close()
	}
	close(s.stopped)
}

// closeWhenEmpty stops listening. The Server ends when the clients that are
// connected have disconnected.
func (s *Server) closeWhenEmpty() {
	s.env.closing.Store(true)
	s.listeners.close()
}

// Addr is the TCP address that the Server listens on, or that of the Unix socket
// without a TCP address; nil before [Server.Listen].
func (s *Server) Addr() net.Addr { return s.listeners.address() }

// HTTPAddr is the address of the health checks, metrics and the status page; nil
// before [Server.Listen], and without Config.HTTPListen.
func (s *Server) HTTPAddr() net.Addr {
	if m := s.openMonitor(); m != nil {
		return m.Addr()
	}
	return nil
}

// Stats returns the gauges and counters.
func (s *Server) Stats() Stats {
	c := &s.env.counts
	return Stats{
		Clients:     c.clients.Load(),
		ServerConns: s.targets.serverConns(),
		Accepted:    c.accepted.Load(),
		Sessions:    c.sessions.Load(),
		Failed:      c.failed.Load(),
		Canceled:    c.canceled.Load(),
		Lost:        c.lost.Load(),
	}
}
