package proxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/txpool"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// pool has the server connections to one database. It links them to clients in
// the order in which those ask: a server connection that is wanted goes from
// client to client without becoming idle.
type pool struct {
	env           *env
	database      database
	makeRoom      func()         // closes an idle server connection of another pool of the target
	vacate        func([]string) // closes the idle ones of these databases of the target
	statements    txpool.Statements
	welcomes      welcomes
	functionsRead time.Time      // the janitor's
	clients       int            // guarded by the poolSet's mutex
	tasks         sync.WaitGroup // logins, readers and cancel requests of server connections

	mu         sync.Mutex // guards what follows; taken after a serverConn's
	idle       idleList
	live       map[*serverConn]bool
	waiters    waitQueue
	logins     loginPacer
	checking   bool // a timer is set to check the queue
	paused     bool
	closed     bool
	generation uint64 // server connections of earlier generations are not used again
	totals     snapshot.Totals
	shrunk     chan struct{} // closed and replaced when a server connection or a login has ended
}

func newPool(e *env, db database) *pool {
	p := &pool{env: e, database: db, live: map[*serverConn]bool{}, shrunk: make(chan struct{}), functionsRead: time.Now()}
	p.statements.Catalog.Trust(e.config().TrustFunctions)
	p.statements.AlwaysReset.Store(e.config().ServerResetQueryAlways)
	p.waiters.init()
	return p
}

// acquire links a server connection to c, which may have to wait for one. It
// returns neither that nor an error if c has disconnected.
func (p *pool) acquire(c *pooledClient) (*serverConn, *pgwire.Error) {
	s, err := p.acquireIdle(c, false)
	if s == nil && err == nil {
		return c.await()
	}
	return s, err
}

// acquireIdle links an idle server connection to c. Without one, it queues c: byEvents
// says how it waits.
func (p *pool) acquireIdle(c *pooledClient, byEvents bool) (*serverConn, *pgwire.Error) {
	for {
		s, err := p.next(c, byEvents)
		if s == nil || err != nil || s.acquire(c) {
			return s, err
		}
	}
}

// next takes an idle server connection off the list, or queues c.
func (p *pool) next(c *pooledClient, byEvents bool) (*serverConn, *pgwire.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.env.isDraining() {
		return nil, errShuttingDown()
	}
	if !p.paused && p.waiters.n == 0 && p.idle.n() > 0 {
		return p.idle.pop(c.session.Settings()), nil
	}
	p.waiters.push(c, time.Now(), byEvents)
	p.grow()
	p.scheduleCheck()
	return nil, nil
}

// release takes a server connection that is ready for another client: for the
// waiter that has waited longest, or else for the idle list. The caller holds
// s.mu.
func (p *pool) release(s *serverConn) {
	now := time.Now()
	p.mu.Lock()
	s.usage.addTo(&p.totals, s.session, now)
	s.usage.unlinked(now)
	if p.isSurplus() || p.isUnwanted(s) {
		p.mu.Unlock()
		s.close("not wanted any more")
		return
	}
	var w *waiter
	if !p.paused {
		w = p.waiters.dequeue(now)
	}
	if w == nil {
		s.setState(serverIdle, "released")
		p.idle.push(s)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	s.link(w.client, now)
	if w.byEvents {
		w.grant = grant{server: s}
		s.resume(w.client)
		return
	}
	w.granted <- grant{server: s}
}

// isSurplus reports whether the pool or its target has more server connections
// than it may. One in excess may replace another that is too old. The caller
// holds mu.
func (p *pool) isSurplus() bool {
	if p.database.target.slots.excess() > 0 {
		return true
	}
	excess := len(p.live) - p.limit()
	return excess > 1 || excess == 1 && !p.isReplacementPending()
}

// isReplacementPending reports whether a server connection is too old, so that
// another one replaces it. The caller holds mu.
func (p *pool) isReplacementPending() bool {
	for s := range p.live {
		if s.isExpired() {
			return true
		}
	}
	return false
}

// isUnwanted reports whether s must not be used again. One that is too old is
// replaced before it is closed, so that an outage of logins takes none away. The
// caller holds mu.
func (p *pool) isUnwanted(s *serverConn) bool {
	if p.closed || s.generation != p.generation {
		return true
	}
	if !s.isExpired() {
		return false
	}
	for other := range p.live {
		if s.expires.Before(other.expires) && !other.isExpired() {
			return !p.logins.areFailing()
		}
	}
	p.replace()
	return false
}

// replace logs in to replace a server connection, beyond the limit by one if
// need be. The caller holds mu.
func (p *pool) replace() {
	if p.logins.inFlight == 0 && !p.logins.isPausing() && len(p.live) <= p.limit() && p.database.target.slots.take() {
		p.logIn()
	}
}

// remove forgets a server connection that has been closed.
func (p *pool) remove(s *serverConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.live[s] {
		return
	}
	s.usage.addTo(&p.totals, s.session, time.Now())
	delete(p.live, s)
	p.signalShrunk()
	p.idle.remove(s)
	p.grow()
}

// signalShrunk wakes those that wait for fewer server connections. The caller
// holds mu.
func (p *pool) signalShrunk() {
	close(p.shrunk)
	p.shrunk = make(chan struct{})
}

func (p *pool) limit() int { return p.env.config().DefaultPoolSize }

// grow logs in for the clients that wait, as often as the limits allow. The
// caller holds mu.
func (p *pool) grow() { p.growTo(len(p.live) + p.waiters.n) }

// growTo logs in as long as fewer server connections than wanted are there or
// about to be, and the limits allow it. The caller holds mu.
func (p *pool) growTo(wanted int) {
	wanted = min(wanted, p.limit())
	for !p.paused && !p.closed && len(p.live)+p.logins.inFlight < wanted &&
		p.logins.room(len(p.live)) > 0 && p.database.target.slots.take() {
		p.logIn()
	}
}

// logIn opens a server connection in a slot that has been taken. The caller
// holds mu.
func (p *pool) logIn() {
	p.logins.inFlight++
	generation := p.generation
	p.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(p.env.admission, p.env.config().ServerConnectTimeout)
		defer cancel()
		up, err := openUpstream(ctx, p.env, p.database, nil)
		if err != nil {
			p.database.target.slots.release()
			p.loginFailed(err)
			return
		}
		up.moveTo(p.env.loop)
		p.loggedIn(newServerConn(p, up, generation))
	})
}

func (p *pool) loggedIn(s *serverConn) {
	p.mu.Lock()
	p.logins.succeeded()
	p.live[s] = true
	p.totals.ServerLogins++
	p.mu.Unlock()
	s.start()
	s.begin()
	p.mu.Lock()
	p.grow() // more logins may be in flight now
	p.mu.Unlock()
}

// loginFailed refuses the clients that wait if they have nothing else to wait
// for.
func (p *pool) loginFailed(err error) {
	draining := p.env.isDraining()
	if !draining {
		db := p.database.label()
		p.env.log.Warn("cannot log in to the database", "target", db.Target, "database", db.Name, "error", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logins.failed(err)
	p.signalShrunk()
	p.totals.ServerLoginFails++
	if !draining && len(p.live) == 0 && p.logins.inFlight == 0 {
		p.waiters.refuseAll(connectError(err))
	}
}

// refuseClient removes c from the queue with an error. It reports whether c was
// there.
func (p *pool) refuseClient(c *pooledClient, e *pgwire.Error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	queued := c.waiter.queued
	if queued {
		p.waiters.refuse(&c.waiter, e)
	}
	return queued
}

// scheduleCheck makes checkQueue run soon, and again as long as there is a
// queue. The caller holds mu.
func (p *pool) scheduleCheck() {
	if !p.checking {
		p.checking = true
		time.AfterFunc(min(max(p.env.config().QueryWaitTimeout/8, 10*time.Millisecond), queueCheckInterval), p.checkQueue)
	}
}

// checkQueue refuses clients that have waited too long, dismisses those that
// have disconnected, and makes room in the target.
func (p *pool) checkQueue() {
	if p.isShortOfSlots() {
		p.makeRoom()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now, timeout := time.Now(), p.env.config().QueryWaitTimeout
	for w := p.waiters.first(); w != nil && now.Sub(w.since) > timeout; w = p.waiters.first() {
		p.waiters.refuse(w, p.waitTimeoutError(timeout))
	}
	p.waiters.check(now, len(p.live) == 0 && !p.paused)
	p.grow()
	p.checking = false
	if p.waiters.n > 0 {
		p.scheduleCheck()
	}
}

// isShortOfSlots reports whether clients wait because other pools use the slots
// of the target.
func (p *pool) isShortOfSlots() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiters.n > 0 && p.logins.inFlight == 0 && len(p.live) < p.limit() && p.database.target.slots.full()
}

// waitTimeoutError says what the client has waited for. The caller holds mu.
func (p *pool) waitTimeoutError(timeout time.Duration) *pgwire.Error {
	t := p.database.target
	e := noServerConn(t.name, timeout)
	switch {
	case p.paused:
		e.Code, e.Detail, e.Hint = "57P03", "The pool is paused.", "resume it from the proxy's console"
	case len(p.live) >= p.limit():
		e.Detail = fmt.Sprintf("All %d server connections of the pool are in use, and %d more clients wait.", len(p.live), p.waiters.n-1)
		e.Hint = "raise its default_pool_size, or end transactions that idle"
	case p.logins.lastError != "":
		e.Code, e.Detail, e.Hint = "57P03", "The last login failed: "+p.logins.lastError, "see that, or raise query_wait_timeout"
	case t.slots.full():
		return tooManyServerConns(t, timeout)
	default:
		e.Detail = "The database did not answer."
	}
	return e
}

// closeIdle closes up to n idle server connections that have been idle for age,
// the ones that have been idle longest. It returns how many it has closed.
func (p *pool) closeIdle(n int, age time.Duration) int {
	p.mu.Lock()
	idle := p.idle.popOldest(n, age)
	p.mu.Unlock()
	shutAll(idle, "idle")
	return len(idle)
}

// idleSince is the time since when a server connection has been idle, the
// distant future if none is.
func (p *pool) idleSince() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle.n() == 0 {
		return time.Now().Add(time.Hour)
	}
	return p.idle[0].usage.released
}

// conns returns the server connections.
func (p *pool) conns() []*serverConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.live))
}

// drain refuses the clients that wait: no transaction begins any more.
func (p *pool) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiters.refuseAll(errShuttingDown())
}

// close closes the pool, which has no clients any more.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.waiters.refuseAll(errShuttingDown())
	p.mu.Unlock()
	shutAll(p.conns(), "the pool is closed")
	p.tasks.Wait()
}

// pause stops linking server connections. Those in use are closed when they are
// released.
func (p *pool) pause() {
	p.mu.Lock()
	p.paused = true
	p.mu.Unlock()
	p.reconnect()
}

// resume ends a pause. The clients that wait come first.
func (p *pool) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = false
	p.grow()
}

// reconnect closes the server connections as they are released.
func (p *pool) reconnect() {
	p.mu.Lock()
	p.generation++
	p.mu.Unlock()
	p.closeIdle(len(p.conns()), 0)
}

// kill closes the server connections at once, and disconnects their clients.
func (p *pool) kill() {
	p.reconnect()
	for _, s := range p.conns() {
		s.kill()
	}
}

// outdated returns how many server connections of earlier generations there are,
// and a channel like remaining's.
func (p *pool) outdated() (n int, shrunk <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.live {
		if s.generation != p.generation {
			n++
		}
	}
	return n, p.shrunk
}

// remaining returns how many server connections there are or will be, and a
// channel that is closed when that changes.
func (p *pool) remaining() (int, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.live) + p.logins.inFlight, p.shrunk
}

// countLoss counts and logs the loss of a server connection.
func (p *pool) countLoss(inUse bool, pid uint32, attributes []any) {
	log := p.env.log.With(attributes...).With("target", p.database.target.name, "pid", pid)
	if !inUse {
		p.count(&p.totals.LostIdle)
		log.Info("idle server connection lost")
		return
	}
	p.count(&p.totals.Lost)
	p.env.counts.lost.Add(1)
	log.Warn("server connection lost")
}

// count adds one to a counter of the totals.
func (p *pool) count(counter *uint64) {
	p.mu.Lock()
	*counter++
	p.mu.Unlock()
}

// info describes the pool, without its clients, and its server connections.
func (p *pool) info() (info snapshot.Pool, servers []snapshot.Server) {
	db := p.database.label()
	info = snapshot.Pool{Target: db.Target, Database: db.Name, Mode: snapshot.TransactionMode, Statements: p.statements.Len()}
	// Each server connection counts once, even if it changes its state now.
	p.mu.Lock()
	conns := slices.Collect(maps.Keys(p.live))
	info.ServersConnecting = p.logins.inFlight
	p.mu.Unlock()
	for _, s := range conns {
		server := s.info()
		info.AddServer(server)
		servers = append(servers, server)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	info.Paused, info.Limit, info.LastError, info.Totals = p.paused, p.limit(), p.logins.lastError, p.totals
	info.Totals.WaitTime = p.waiters.waited
	if w := p.waiters.first(); w != nil {
		info.OldestWait = time.Since(w.since)
	}
	return info, servers
}
