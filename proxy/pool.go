package proxy

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/txpool"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

const (
	// maxLogins is how many logins upstream a pool has under way at once.
	maxLogins = 8

	// After a failed login the next one waits, longer each time, with jitter.
	minRetry = 100 * time.Millisecond
	maxRetry = 2 * time.Second
)

// pool lends the server connections to one database of a target to clients,
// in the order in which they ask. One that is wanted goes from client to
// client without becoming idle.
type pool struct {
	server     *Server
	target     *target
	database   string // empty means the target's own
	statements txpool.Statements
	surveyed   time.Time      // only maintain's
	clients    int            // guarded by the server's mutex
	readers    sync.WaitGroup // one for each server connection and login

	mu         sync.Mutex    // guards what follows; taken after a serverConn's
	idle       []*serverConn // the last one was used last
	live       map[*serverConn]bool
	waiters    waiters
	connecting int
	retry      time.Duration // the pause after the last failed login, 0 after a good one
	retryAt    time.Time
	lastError  string // of that login
	watching   bool   // a timer looks after the queue
	paused     bool
	closed     bool
	generation uint64 // server connections of former ones are not used again
	totals     snapshot.Totals
	welcomes   welcomes
	changed    chan struct{} // closed and made anew when there is a server connection less, or a login
}

func newPool(s *Server, t *target, database string) *pool {
	p := &pool{server: s, target: t, database: database, live: map[*serverConn]bool{}, surveyed: time.Now(), changed: make(chan struct{})}
	p.statements.Catalog.Trust(s.config().TrustFunctions)
	p.waiters.init()
	return p
}

// get returns a server connection that is linked to c, when its turn has come;
// neither that nor an error if c has gone meanwhile.
func (p *pool) get(c *pooled) (*serverConn, *pgwire.Error) {
	for {
		s, err := p.next(c)
		switch {
		case err != nil:
			return nil, err
		case s == nil:
			return p.await(c)
		case s.take(c):
			return s, nil
		}
	}
}

// next takes a server connection off the idle ones, or queues c.
func (p *pool) next(c *pooled) (*serverConn, *pgwire.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.server.isDraining() {
		return nil, errShuttingDown()
	}
	if !p.paused && p.waiters.n == 0 && len(p.idle) > 0 {
		return p.pop(c.state.Settings()), nil
	}
	p.enqueue(c)
	p.grow()
	p.watch()
	return nil, nil
}

// pop takes the server connection that was used last off the idle ones, of
// those that have the wanted settings if there are any.
func (p *pool) pop(want txpool.Settings) *serverConn {
	at := len(p.idle) - 1
	for i := at; i >= 0; i-- {
		if p.idle[i].settings == want {
			at = i
			break
		}
	}
	s := p.idle[at]
	p.idle = slices.Delete(p.idle, at, at+1)
	return s
}

// put takes a server connection that is at rest: for who has waited longest,
// or to be idle. The caller holds s.mu.
func (p *pool) put(s *serverConn) {
	now := time.Now()
	p.mu.Lock()
	p.account(s, now)
	s.used, s.linked = now, time.Time{}
	if p.isSurplus() || p.isUnwanted(s) {
		p.mu.Unlock()
		s.close()
		return
	}
	w := p.dequeue()
	if w == nil {
		s.place, s.settings = inPool, s.state.Settings()
		p.idle = append(p.idle, s)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	s.link(w.client, now)
	w.granted <- grant{server: s}
}

// isUnwanted reports whether s is not to be used again. One that is too old is
// replaced before it goes, so that an outage of logins takes none away.
func (p *pool) isUnwanted(s *serverConn) bool {
	if p.closed || s.generation != p.generation {
		return true
	}
	if time.Now().Before(s.expires) {
		return false
	}
	for other := range p.live {
		if s.expires.Before(other.expires) && time.Now().Before(other.expires) {
			return p.retry == 0
		}
	}
	p.replace()
	return false
}

// replace logs in once more, over the limit by one if need be.
func (p *pool) replace() {
	if p.connecting == 0 && !time.Now().Before(p.retryAt) && len(p.live) <= p.limit() && p.target.places.take(p.server.config().MaxTargetConnections) {
		p.login()
	}
}

// isReplacing reports whether a server connection is too old, so that another
// one is to take its place.
func (p *pool) isReplacing() bool {
	for s := range p.live {
		if !time.Now().Before(s.expires) {
			return true
		}
	}
	return false
}

// remove forgets a server connection that is closed.
func (p *pool) remove(s *serverConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.live[s] {
		return
	}
	p.account(s, time.Now())
	delete(p.live, s)
	p.lessened()
	if i := slices.Index(p.idle, s); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.grow()
}

// lessened tells those who wait for fewer server connections.
func (p *pool) lessened() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pool) limit() int { return p.server.config().DefaultPoolSize }

// pace is how many logins may be under way at once: a sleeping database has
// one waker, and one that is up does not get all logins in one moment.
func (p *pool) pace() int { return min(max(len(p.live), 1), maxLogins) }

// grow logs in as often as there are clients waiting and limits allow.
func (p *pool) grow() {
	for !p.paused && !p.closed &&
		p.connecting < min(p.waiters.n, p.pace()) &&
		len(p.live)+p.connecting < p.limit() &&
		!time.Now().Before(p.retryAt) &&
		p.target.places.take(p.server.config().MaxTargetConnections) {
		p.login()
	}
}

// login opens a server connection, for which there is room in the target.
func (p *pool) login() {
	p.connecting++
	generation := p.generation
	p.readers.Go(func() {
		ctx, cancel := context.WithTimeout(p.server.admitting, p.server.config().ServerConnectTimeout)
		defer cancel()
		up, err := p.target.open(ctx, p.server, p.database, nil)
		if err != nil {
			p.target.places.give()
			p.loginFailed(err)
			return
		}
		p.opened(newServerConn(p, up, generation))
	})
}

func (p *pool) opened(s *serverConn) {
	p.mu.Lock()
	p.connecting--
	p.retry, p.retryAt, p.lastError = 0, time.Time{}, ""
	p.live[s] = true
	p.totals.ServerLogins++
	p.mu.Unlock()
	p.readers.Go(s.serve)
	s.mu.Lock()
	if s.place != closed { // it may have ended as soon as it had begun
		p.put(s)
	}
	s.mu.Unlock()
	p.mu.Lock()
	p.grow() // the pace has risen
	p.mu.Unlock()
}

// loginFailed tells those who wait for nothing else.
func (p *pool) loginFailed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connecting--
	p.lessened()
	p.totals.ServerLoginFails++
	p.lastError = err.Error()
	p.retry = min(max(2*p.retry, minRetry), maxRetry)
	p.retryAt = time.Now().Add(p.retry/2 + rand.N(p.retry))
	if p.server.isDraining() {
		return
	}
	p.server.log.Warn("cannot log in to the database", "target", p.target.name, "database", p.database, "err", err)
	if len(p.live) == 0 && p.connecting == 0 {
		p.refuseAll(connectError(err))
	}
}

// closeIdle closes the idle server connections, so many at most, that have not
// been used for the longest time, those not used for age.
func (p *pool) closeIdle(n int, age time.Duration) (closed int) {
	for ; closed < n; closed++ {
		s := p.popOldest(age)
		if s == nil {
			return closed
		}
		s.mu.Lock()
		s.close()
		s.mu.Unlock()
	}
	return closed
}

func (p *pool) popOldest(age time.Duration) *serverConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 || time.Since(p.idle[0].used) < age {
		return nil
	}
	s := p.idle[0]
	p.idle = slices.Delete(p.idle, 0, 1)
	return s
}

// shut ends the pool: nobody is linked or waits any more, or has to.
func (p *pool) shut() {
	p.mu.Lock()
	p.closed = true
	p.refuseAll(errShuttingDown())
	p.mu.Unlock()
	for _, s := range p.conns() {
		s.mu.Lock()
		s.close()
		s.mu.Unlock()
	}
	p.readers.Wait()
}

// drain refuses those who wait: no transaction begins any more.
func (p *pool) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuseAll(errShuttingDown())
}

// oldest is when an idle server connection was last used, of those the longest
// ago; the distant future if there are none.
func (p *pool) oldest() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return time.Now().Add(time.Hour)
	}
	return p.idle[0].used
}
