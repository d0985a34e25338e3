package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/rawnet"
	"github.com/lakebase-go/lakebase/internal/txpool"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

func init() {
	illegalTransition = func(_ *slog.Logger, what string, from, to fmt.Stringer, reason string) {
		panic(fmt.Sprintf("illegal change of the state of a %s from %s to %s: %s", what, from, to, reason))
	}
}

func ReadUsers(file string) (*Users, error) {
	passwords, err := ReadPasswords(file)
	if err != nil {
		return nil, err
	}
	return NewUsers(passwords)
}

// What the console and the monitor show and control, for all databases.

func (s *Server) Pools() []snapshot.Pool          { return s.admin().Snapshot().Pools }
func (s *Server) Clients() []snapshot.Client      { return s.admin().Snapshot().Clients }
func (s *Server) Servers() []snapshot.Server      { return s.admin().Snapshot().Servers }
func (s *Server) Pause(ctx context.Context) error { return s.admin().Pause(ctx, snapshot.Database{}) }
func (s *Server) Resume() error                   { return s.admin().Resume(context.Background(), snapshot.Database{}) }
func (s *Server) Reconnect() error {
	return s.admin().Reconnect(context.Background(), snapshot.Database{})
}
func (s *Server) Kill() error                { return s.admin().Kill(context.Background(), snapshot.Database{}) }
func (s *Server) KillClient(id uint64) error { return s.admin().KillClient(id) }

// Shrunk is how many clients have shrunk their stacks since their last request.
func (s *Server) Shrunk() (n int) {
	for _, c := range s.clients.list() {
		if pooled, ok := c.currentHandler().(*pooledClient); ok && pooled.isShrunk() {
			n++
		}
	}
	return n
}

// Expiry is when a server connection that was opened at a time is too old.
func (s *Server) Expiry(opened time.Time) time.Time {
	return expiry(opened, s.env.config().ServerLifetime)
}

// RereadFunctions makes the functions of all databases be read again.
func (s *Server) RereadFunctions() {
	for _, p := range s.pools.list() {
		p.statements.Catalog.Outdate()
	}
}

// Waiting is a client's wait in a queue.
type Waiting struct {
	client *pooledClient
	since  time.Time
}

// Queue returns the clients that wait for a server connection of the only pool,
// in its order, and the number of idle server connections at the same moment.
func (s *Server) Queue() (waiting []Waiting, idle int) {
	p := s.pools.list()[0]
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := p.waiters.first(); w != nil; w = p.waiters.after(w) {
		waiting = append(waiting, Waiting{w.client, w.since})
	}
	return waiting, len(p.idle)
}

var (
	SASLPrep = saslPrep
	MAC      = mac // of auth_test.go
)

// Expire makes all server connections too old, and does what the janitor does about
// those that are idle.
func (s *Server) Expire() {
	for _, p := range s.pools.list() {
		p.mu.Lock()
		for c := range p.live {
			c.expires = time.Now()
		}
		p.mu.Unlock()
		p.closeUnwanted()
	}
}

// AddServerConn gives the pool of a target a server connection over conn, which counts as
// logged in and reports these parameters.
func (s *Server) AddServerConn(target string, conn net.Conn, reported map[string]string) error {
	db := s.env.configuration.Load().targets[target].database("")
	p, err := s.pools.join(db)
	if err != nil {
		return err
	}
	defer s.pools.leave(p)
	login := &pgconn.HijackedConn{Conn: rawnet.New(conn), PID: 7, ParameterStatuses: reported, TxStatus: 'I', Config: &pgconn.Config{}}
	up, err := newUpstream(login, s.env.life, db, nil)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.logins.inFlight++
	db.target.slots.take()
	p.mu.Unlock()
	up.moveTo(s.env.loop)
	p.loggedIn(newServerConn(p, up, 0))
	return nil
}

// Unread reports about the only client that has a server connection: whether its requests
// are answered, whether it has not read the answers, and whether its session waits for that.
func (s *Server) Unread() (answered, unread, waits bool) {
	for _, c := range handlers[*pooledClient](s.clients) {
		if sc := c.server.Load(); sc != nil {
			sc.mu.Lock()
			answered, unread, waits = !sc.relay.Busy(), c.conn.raw.Kept(), c.answered != nil
			sc.mu.Unlock()
		}
	}
	return answered, unread, waits
}

// linkTo links the only server connection, which is idle, to a client of this network
// connection.
func (s *Server) linkTo(conn net.Conn) (link, bool) {
	p := s.pools.list()[0]
	client := &client{env: s.env, conn: newClientConn(s.env, conn)}
	c := newPooledClient(client, p, txpool.Settings{})
	client.handler = c
	sc, err := p.acquireIdle(c, true)
	return link{sc, c}, sc != nil && err == nil
}

// SendError sends an error to a client of the only server connection.
func (s *Server) SendError(conn net.Conn) (ended bool) {
	l, ok := s.linkTo(conn)
	if ok {
		ended, _ = l.sendError(errShuttingDown(), true)
		l.disconnect(true)
	}
	return ended
}

// AcquireAfter has the only server connection, which is idle, send something. It reports
// whether a client of this network connection gets it then.
func (s *Server) AcquireAfter(chunk []byte, conn net.Conn) bool {
	sc := s.pools.list()[0].conns()[0]
	if !sc.turn.take(isReadable) {
		return true
	}
	sc.handleRead(chunk, nil, false)
	l, ok := s.linkTo(conn)
	if ok {
		l.disconnect(true)
	}
	return ok
}
