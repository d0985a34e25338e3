package proxy

import (
	"errors"
	"io"
	"iter"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// client is one connection to the proxy, from accept to close. Its own goroutine
// logs it in and then runs its handler; other goroutines end it by drain and
// kill.
type client struct {
	env           *env
	set           *clientSet
	conn          *clientConn
	version       pgwire.Version
	byEvents      bool // it has no goroutine of its own any more
	local         bool // by the Unix socket
	needsTLS      bool
	greeted       bool // AuthenticationOk has been sent
	counted       bool // as one of the clients that max_client_conn limits, until it is closed
	authenticated bool // as user, by a password

	user        string
	application string // application_name in the startup packet
	replication string // "none", "logical" or "physical"
	connected   time.Time
	id          atomic.Uint32 // the process ID in its cancel key, 0 before it has one

	target *target // counts the client, and so does its pool, until it is closed
	pool   *pool

	arrival atomic.Pointer[arrival] // until its login gets a goroutine or is complete

	state atomic.Int32 // a clientState; changed under mu by setState

	mu         sync.Mutex    // guards what follows; taken after a server connection's
	handler    handler       // nil in clientLogin
	reason     string        // for the last change of the state
	killReason *pgwire.Error // nil unless killed
}

// handler serves a client that has authenticated, or waits on its behalf. None
// of its methods is called with the client's mutex held.
type handler interface {
	drain() // disconnect as soon as no transaction is open
	kill()  // disconnect now
	describe(*snapshot.Client)
}

// runLoop is a part of a client's life that has a goroutine of its own: a later
// part should not keep the stack that an earlier one, such as the login, has
// needed. It returns the next part, nil if the client is finished.
type runLoop func() runLoop

func newClient(e *env, conn net.Conn) *client {
	return &client{env: e, conn: newClientConn(e, conn), connected: time.Now()}
}

// setState changes the state; see [clientState] for what is allowed. The reason
// is for the log. The caller holds mu.
func (c *client) setState(to clientState, reason string) {
	from := c.current()
	if !from.allows(to) {
		illegalTransition(c.env.log, "client", from, to, reason)
		c.conn.close()
		return
	}
	c.state.Store(int32(to))
	c.reason = reason
}

func (c *client) current() clientState { return clientState(c.state.Load()) }

// attach makes h the handler of c. It reports whether c may go on.
func (c *client) attach(h handler) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current() != clientLogin || c.env.isDraining() {
		return false
	}
	c.handler = h
	c.setState(clientActive, "login")
	return true
}

// detach goes on with the login after a handler that has only waited. It reports
// whether c may go on.
func (c *client) detach() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handler = nil
	if c.current() != clientActive || c.env.isDraining() {
		return false
	}
	c.setState(clientLogin, "wait is over")
	return true
}

// currentHandler returns the handler, nil during the login.
func (c *client) currentHandler() handler {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handler
}

// drain disconnects c once it has no transaction open, and at once during the
// login.
func (c *client) drain() {
	c.mu.Lock()
	if c.current() < clientDraining {
		c.setState(clientDraining, "shutdown")
	}
	h := c.handler
	c.interruptLogin()
	c.mu.Unlock()
	if h != nil {
		h.drain()
	}
}

// kill disconnects c now, with an error if it still reads.
func (c *client) kill(e *pgwire.Error) {
	c.mu.Lock()
	if c.current() < clientKilled {
		c.killReason = e
		c.setState(clientKilled, "killed")
	}
	h := c.handler
	c.interruptLogin()
	c.mu.Unlock()
	time.AfterFunc(lingerTimeout, c.conn.close)
	if h != nil {
		h.kill()
	}
}

// interruptLogin ends a read during the login: what it waits for will not come
// in time. A login to the database ends with admission. The caller holds mu.
func (c *client) interruptLogin() {
	if c.handler == nil && c.current() < clientDisconnected {
		c.conn.raw.Interrupt()
		c.wakeArrival()
	}
}

// wakeArrival makes a client that has not sent a packet yet find out about its deadline.
func (c *client) wakeArrival() {
	if a := c.arrival.Load(); a != nil {
		go a.wake(isInterrupted)
	}
}

// disconnecting returns the error for a client that must not go on.
func (c *client) disconnecting() *pgwire.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killReason != nil {
		return c.killReason
	}
	return errShuttingDown()
}

// interrupt ends what c reads now, unless its session is over.
func (c *client) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current() < clientDisconnected {
		c.interruptRead()
	}
}

// interruptRead ends what c reads now. The caller holds mu.
func (c *client) interruptRead() {
	if pooled, ok := c.handler.(*pooledClient); ok {
		pooled.interrupt()
		return
	}
	c.conn.raw.Interrupt()
}

// disconnect marks the end of the session: from here on, drain and kill do not
// interrupt what c still reads. c's own goroutine calls it.
func (c *client) disconnect(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current() < clientDisconnected {
		c.setState(clientDisconnected, reason)
	}
}

// disconnectAndInterrupt does the same for another goroutine, and makes c's own
// find out.
func (c *client) disconnectAndInterrupt(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current() < clientDisconnected {
		c.setState(clientDisconnected, reason)
		c.interruptRead()
	}
}

// close closes the connection for good.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setState(clientClosed, "closed")
	c.conn.close()
}

// count makes c one of the clients that max_client_conn limits. It reports
// whether there is room.
func (c *client) count() bool {
	clients := &c.env.counts.clients
	if c.counted = clients.Add(1) <= int64(c.env.config().MaxClientConn); !c.counted {
		clients.Add(-1) // it may take its time to read that it is refused
	}
	return c.counted
}

// fail ends a login: it sends the client the error and logs it. stage is what
// failed.
func (c *client) fail(stage string, err error) {
	c.env.counts.failed.Add(1)
	c.disconnect(stage)
	log := c.env.log.With("client", c.conn.raw.RemoteAddr(), "stage", stage)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		log.Debug("client disconnected during the login")
		return
	}
	var e *pgwire.Error
	switch {
	case errors.Is(err, errReported):
		return
	case errors.As(err, &e):
	case c.env.isDraining():
		e = errShuttingDown()
	case errors.Is(err, os.ErrDeadlineExceeded):
		e = &pgwire.Error{Code: "08006", Message: "the client did not log in within " + c.env.config().ClientLoginTimeout.String()}
	default:
		log.Warn("client failed", "error", err)
		return
	}
	log.Warn("client refused", "code", e.Code, "error", e.Message)
	c.env.errors.add(e)
	c.conn.out = e.Append(c.conn.out)
	if c.conn.flush() == nil {
		c.conn.linger()
	}
}

// notify sends a notice to a client that waits. libpq takes none before
// AuthenticationOk, so that is sent first; an error may still follow.
func (c *client) notify(text string) error {
	if !c.greeted {
		c.conn.out, _ = (&pgproto3.AuthenticationOk{}).Encode(c.conn.out)
		c.greeted = true
	}
	c.conn.out = pgwire.AppendNotice(c.conn.out, &pgwire.Error{Severity: "NOTICE", Code: "00000", Message: text})
	return c.conn.flush()
}

// welcomeSize is the size, in bytes, of most servers' answer to a login.
const welcomeSize = 512

// welcome gives c a cancel key for target, of the wanted process ID unless that
// is 0, and gathers a server's answer to a login, up to ReadyForQuery.
func (c *client) welcome(target canceler, pid uint32, parameters iter.Seq2[string, string]) {
	key := c.env.cancelKeys.add(c.version, target, pid)
	c.id.Store(key.pid)
	out := slices.Grow(c.conn.out, welcomeSize)
	if !c.greeted {
		out, _ = (&pgproto3.AuthenticationOk{}).Encode(out)
		c.greeted = true
	}
	for name, value := range parameters {
		out = pgwire.AppendParameterStatus(out, name, value)
	}
	c.conn.out, _ = (&pgproto3.BackendKeyData{ProcessID: key.pid, SecretKey: []byte(key.secret)}).Encode(out)
}

// info describes c.
func (c *client) info() snapshot.Client {
	info := snapshot.Client{ID: uint64(c.id.Load()), Addr: c.conn.raw.RemoteAddr(), State: snapshot.ClientLogin,
		Connected: c.connected, Requested: c.connected}
	h := c.currentHandler()
	if h == nil {
		return info // the other fields are its goroutine's
	}
	info.User, info.ApplicationName = c.user, c.application
	info.LocalAddr, info.Replication, info.TLS = c.conn.raw.LocalAddr(), c.replication, tlsInfo(c.conn.conn)
	h.describe(&info)
	return info
}

// spareConns are accepted beyond max_client_conn: cancel requests and console
// sessions must get through when the clients use all of those.
const spareConns = 256

// clientSet has the connections to the proxy, from accept to close, including
// those that turn out to be cancel requests.
type clientSet struct {
	env     *env
	targets *targetSet
	pools   *poolSet

	mu      sync.Mutex // guards what follows
	clients map[*client]struct{}
	closed  bool // the Server is shutting down: no client is added
}

func newClientSet(e *env, targets *targetSet, pools *poolSet) *clientSet {
	return &clientSet{env: e, targets: targets, pools: pools, clients: map[*client]struct{}{}}
}

// add adds a client that has connected, unless there is no room or the Server is shutting
// down.
func (s *clientSet) add(c *client) *pgwire.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.env.config().MaxClientConn
	switch {
	case s.closed:
		return errShuttingDown()
	case len(s.clients) >= limit+spareConns:
		return tooManyClients(limit)
	}
	c.conn.raw.SetDeadline(time.Now().Add(s.env.config().ClientLoginTimeout)) // before drain can interrupt
	c.set = s
	s.clients[c] = struct{}{}
	s.env.tasks.Add(1)
	return nil
}

// run runs one loop of c, and then the next in a goroutine of its own.
func (s *clientSet) run(c *client, loop runLoop) {
	switch next := loop(); {
	case next != nil:
		go s.run(c, next)
	case !c.byEvents:
		s.finish(c)
	}
}

// finish closes c and forgets it.
func (s *clientSet) finish(c *client) {
	c.close()
	s.mu.Lock()
	delete(s.clients, c)
	s.mu.Unlock()
	s.discount(c)
	s.env.tasks.Done()
}

// discount takes c from what it counts for.
func (s *clientSet) discount(c *client) {
	if id := c.id.Load(); id != 0 {
		s.env.cancelKeys.remove(id)
	}
	if c.pool != nil {
		s.pools.leave(c.pool)
	}
	if c.target != nil {
		s.targets.leave(c.target)
	}
	if c.counted {
		s.env.counts.clients.Add(-1)
	}
	c.pool, c.target, c.counted = nil, nil, false
}

// list returns the clients.
func (s *clientSet) list() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.clients))
}

// connected returns the clients whose sessions have not been ended.
func (s *clientSet) connected() []*client {
	return slices.DeleteFunc(s.list(), func(c *client) bool { return c.current() >= clientKilled })
}

// handlers returns the handlers of a kind.
func handlers[H handler](s *clientSet) (found []H) {
	for _, c := range s.list() {
		if h, ok := c.currentHandler().(H); ok {
			found = append(found, h)
		}
	}
	return found
}

// withID returns the clients that have a process ID. In session mode several
// can have the same, of different targets.
func (s *clientSet) withID(id uint64) []*client {
	return slices.DeleteFunc(s.connected(), func(c *client) bool { return id == 0 || uint64(c.id.Load()) != id })
}

// drain asks each client to disconnect when it has no transaction open, and
// refuses new ones.
func (s *clientSet) drain() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, c := range s.list() {
		c.drain()
	}
}

// kill disconnects each client now.
func (s *clientSet) kill() {
	for _, c := range s.list() {
		c.kill(errShuttingDown())
	}
}
