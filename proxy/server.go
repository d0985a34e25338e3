package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgurl"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy/internal/console"
	"github.com/lakebase-go/lakebase/proxy/internal/monitor"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// ErrServerClosed is the error of [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = errors.New("proxy: server is closed")

// spareConns are open to those who are not clients yet, over and above
// Config.MaxClientConn: cancel requests must get through when all are taken.
const spareConns = 256

// Server is a proxy. Its methods are safe for concurrent use.
type Server struct {
	settings     atomic.Pointer[configuration]
	reloading    sync.Mutex // one at a time; taken before all others
	log          *slog.Logger
	began        time.Time
	upstream     *pgx.ConnConfig // what every login starts from, never modified
	cancels      cancels
	life         context.Context // ends when no more waiting makes sense
	end          context.CancelFunc
	admitting    context.Context // ends when no new session may begin
	endAdmission context.CancelFunc
	stopped      chan struct{} // closed when Shutdown is through
	drainOnce    sync.Once
	stopOnce     sync.Once
	stopping     atomic.Bool // Shutdown has been called

	counts  counters
	console *console.Console
	monitor *monitor.Monitor // nil without HTTPListen
	serving atomic.Bool      // Serve has begun
	leaving atomic.Bool      // no client may come any more; those that are here may stay

	mu         sync.Mutex // guards what follows
	opened     bool
	refreshing bool // tokens are kept fresh
	listeners  []net.Listener
	addr       net.Addr
	clients    map[*client]bool
	pools      map[poolKey]*pool
	paused     switches
	disabled   switches
	past       map[[2]string]snapshot.Totals // of sessions that have ended, by target and database
	removed    map[*target]bool              // from the configuration, and not closed yet
	connectors map[*lakebase.Connector]int   // targets that use each
	wg         sync.WaitGroup                // one for each listener, client and target that is being closed
}

type counters struct {
	clients, accepted, sessions, failed, canceled, lost atomic.Int64
}

// Stats are a Server's gauges and counters.
type Stats struct {
	Clients     int64            // connected now, those in login included
	ServerConns map[string]int64 // open now, by target, those that are being removed included
	Accepted    int64            // connections accepted since New
	Sessions    int64            // sessions begun since New
	Failed      int64            // logins refused or failed since New
	Canceled    int64            // cancel requests passed on since New
	Lost        int64            // sessions whose server connection broke since New
}

// New returns a Server for cfg. It checks every setting and does no I/O.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	blank, err := pgurl.Blank()
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	s := &Server{
		log: cfg.Logger, upstream: blank.ConnConfig,
		clients:    make(map[*client]bool),
		pools:      make(map[poolKey]*pool),
		past:       make(map[[2]string]snapshot.Totals),
		removed:    make(map[*target]bool),
		connectors: make(map[*lakebase.Connector]int),
		stopped:    make(chan struct{}),
	}
	s.began = time.Now()
	s.console = console.New(admin{s}, cfg.Logger)
	all := &configuration{Config: cfg, targets: make(map[string]*target, len(cfg.Targets))}
	for name, connector := range cfg.Targets {
		all.targets[name] = &target{name: name, connector: connector}
		s.hold(connector)
	}
	s.settings.Store(all)
	s.life, s.end = context.WithCancel(context.Background())
	s.admitting, s.endAdmission = context.WithCancel(s.life)
	return s, nil
}

// Serve listens and serves clients until ctx ends, which ends them at once,
// or until [Server.Shutdown] has ended them, and then returns
// [ErrServerClosed]. Meanwhile it keeps the targets' tokens fresh.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	defer s.refresh()()
	s.mu.Lock()
	s.serving.Store(true)
	if s.monitor != nil {
		s.monitor.Serve()
	}
	s.wg.Go(func() { s.maintain(s.admitting) })
	for _, l := range s.listeners {
		s.wg.Go(func() { s.accept(l) })
	}
	s.mu.Unlock()
	select {
	case <-s.stopped:
	case <-ctx.Done():
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(now) // says only that clients had to be cut off
	}
	return ErrServerClosed
}

// Shutdown stops listening, after Config.DrainDelay, ends the sessions that
// have no transaction open, waits for the others until they have none or ctx
// ends, and then cuts those off. Clients are told why (57P01). The error is
// ctx's if any was cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.delayDrain(ctx)
	s.drain()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
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
		s.force()
		<-done
	}
	s.stopOnce.Do(func() {
		s.shutPools()
		s.end()
		if m := s.monitor; m != nil {
			m.Close()
		}
		close(s.stopped)
	})
	return err
}

// delayDrain goes on serving for as long as load balancers may take to see that
// the proxy is not ready any more, but not beyond ctx.
func (s *Server) delayDrain(ctx context.Context) {
	if s.leaving.Load() {
		return // nobody can come any more
	}
	delay := time.NewTimer(s.config().DrainDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-ctx.Done():
	case <-s.admitting.Done(): // somebody else would not wait
	}
}

// drain stops listening and asks every client to end when it can.
func (s *Server) drain() {
	s.drainOnce.Do(func() {
		s.mu.Lock()
		s.endAdmission()
		s.opened = true
		s.close()
		clients := slices.Collect(maps.Keys(s.clients))
		s.mu.Unlock()
		for _, p := range s.allPools() {
			p.drain()
		}
		for _, c := range clients {
			c.drain()
		}
	})
}

// force ends every client now.
func (s *Server) force() {
	s.end()
	s.mu.Lock()
	clients := slices.Collect(maps.Keys(s.clients))
	s.mu.Unlock()
	for _, c := range clients {
		c.force()
	}
}

// leave lets no more clients come, and ends the Server once those that are
// here have left.
func (s *Server) leave() {
	s.leaving.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close()
}

// isDraining reports whether no new session may begin.
func (s *Server) isDraining() bool { return s.admitting.Err() != nil }

// Addr is the TCP address that the Server listens on, or that of the Unix
// socket if there is no other; nil before [Server.Listen].
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// HTTPAddr is the address of the health checks, metrics and the status page;
// nil before [Server.Listen], and without Config.HTTPListen.
func (s *Server) HTTPAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.monitor == nil {
		return nil
	}
	return s.monitor.Addr()
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	targets := s.settings.Load().targets
	stats := Stats{
		Clients:     s.counts.clients.Load(),
		ServerConns: make(map[string]int64, len(targets)),
		Accepted:    s.counts.accepted.Load(),
		Sessions:    s.counts.sessions.Load(),
		Failed:      s.counts.failed.Load(),
		Canceled:    s.counts.canceled.Load(),
		Lost:        s.counts.lost.Load(),
	}
	for name, t := range targets {
		stats.ServerConns[name] = t.places.count()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.removed {
		stats.ServerConns[t.name] += t.places.count()
	}
	return stats
}
