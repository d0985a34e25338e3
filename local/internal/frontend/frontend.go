// Package frontend is what Postgres clients of a local Lakebase connect to: it
// terminates TLS, authenticates clients as the service does, and relays their
// sessions to the computes.
package frontend

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/local/internal/compute"
)

// Route is where a connection goes.
type Route struct {
	Target      string // key of the endpoint, for Connections and Reset
	Compute     *compute.Compute
	Provisioned bool     // refuse logins in the words of that product
	External    bool     // the server may not have the extension databricks_auth
	Native      bool     // roles with a password of their own may log in
	Pooled      bool     // a pooled host
	Refuse      *Refusal // if not nil, the answer to every login
}

// unknownRole is the kind of refusal of a role that no identity can log in as.
func (r *Route) unknownRole() string {
	if r.Provisioned {
		return "role_missing"
	}
	return "password"
}

// Options connect the frontend to the workspace behind it. All functions but
// Logger are required, and are called concurrently.
type Options struct {
	// Certificate returns the certificate for a connection to the address
	// local whose ClientHello has serverName, which may be empty.
	Certificate func(serverName string, local netip.AddrPort) (*tls.Certificate, error)
	// Route finds the route of a connection, or a refusal if there is none.
	// endpoint is the id in the startup options, for clients without SNI.
	Route func(serverName, endpoint string, local netip.AddrPort) (*Route, *Refusal)
	// Authenticate checks the token of an OAuth role. It returns nil if the
	// token is valid.
	Authenticate func(r *Route, user, token string) *Refusal

	// Faults returns the faults of a new connection.
	Faults func() Faults
	// LoginFault returns the refusal that a login gets, see LoginRefusal, and
	// ResetFault whether a connection is reset at a point. Both count.
	LoginFault func() (kind string, ok bool)
	ResetFault func(point string) bool
	// Blackhole stops all traffic while it is set.
	Blackhole *Blackhole

	// OnLogin, OnPassword and OnRefused are called for statistics.
	OnLogin    func(native bool, token string)
	OnPassword func(bytes int)
	OnRefused  func()

	Logger *slog.Logger // nil means discard
}

// Server accepts Postgres clients on any number of addresses. It is safe for
// concurrent use.
type Server struct {
	o       Options
	log     *slog.Logger
	ctx     context.Context // ends with Close
	end     context.CancelFunc
	cancels sync.Map // the *compute.Compute that issued a cancel key, by the body of its BackendKeyData
	wg      sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	clients   map[*client]bool
}

// New returns a server that does not listen yet.
func New(o Options) *Server {
	s := &Server{o: o, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), clients: map[*client]bool{}}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// Listen starts to accept clients on addr and returns the address in use.
func (s *Server) Listen(addr string) (net.Addr, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for Postgres clients: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		l.Close()
		return nil, net.ErrClosed
	}
	s.listeners = append(s.listeners, l)
	s.wg.Go(func() { s.accept(l.(*net.TCPListener)) })
	return l.Addr(), nil
}

// acceptBackoff is the pause after a failed accept: a lack of file descriptors
// must neither busy-loop nor end the listener.
const acceptBackoff = 10 * time.Millisecond

func (s *Server) accept(l *net.TCPListener) {
	for {
		conn, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			s.serve(conn)
			continue
		}
		s.log.Warn("cannot accept a Postgres client", "error", err)
		select {
		case <-time.After(acceptBackoff):
		case <-s.ctx.Done():
			return
		}
	}
}

// serve starts to serve a client.
func (s *Server) serve(conn *net.TCPConn) {
	c := newClient(s, conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return
	}
	s.clients[c] = true
	s.wg.Go(func() {
		c.serve(s.ctx)
		c.close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.clients, c)
	})
}

// setRoute records the route of a client; nil if it will not log in.
func (s *Server) setRoute(c *client, r *Route) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.route = r
}

// Connections returns the number of open connections to target, or to all
// targets for "". A connection counts once its route is known.
func (s *Server) Connections(target string) int { return len(s.connectedTo(target)) }

// Reset closes the connections to target, or to all targets for "", with a TCP
// reset. It returns how many there were.
func (s *Server) Reset(target string) int {
	clients := s.connectedTo(target)
	for _, c := range clients {
		c.reset()
	}
	return len(clients)
}

func (s *Server) connectedTo(target string) []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*client
	for c := range s.clients {
		if c.route != nil && (target == "" || c.route.Target == target) {
			found = append(found, c)
		}
	}
	return found
}

// Close stops listening, closes all connections and waits for their end.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	s.listeners = nil
	for c := range s.clients {
		c.tcp.Close()
	}
	s.mu.Unlock()
	s.end()
	s.wg.Wait()
	return errors.Join(errs...)
}

// cancelTimeout limits the delivery of a cancel request.
const cancelTimeout = 10 * time.Second

// cancel delivers req and returns when the server has handled it. As always with
// cancel requests, an unknown key is ignored.
func (s *Server) cancel(ctx context.Context, req *pgwire.CancelRequest) error {
	c := s.issuer(req)
	if c == nil || c.State() != compute.Active {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cancelTimeout)
	defer cancel()
	conn, err := c.Dial(ctx)
	if err != nil {
		return fmt.Errorf("cannot deliver a cancel request: %w", err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	packet, err := req.Encode(nil)
	if err != nil {
		return err
	}
	if _, err := conn.Write(packet); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn) // the server closes once it has sent the signal
	return err
}

// issuer returns the compute that issued the key of req, or nil.
func (s *Server) issuer(req *pgwire.CancelRequest) *compute.Compute {
	key := append(binary.BigEndian.AppendUint32(nil, req.ProcessID), req.SecretKey...)
	c, _ := s.cancels.Load(string(key))
	issuer, _ := c.(*compute.Compute)
	return issuer
}
