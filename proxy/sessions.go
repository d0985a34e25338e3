package proxy

import (
	"slices"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// sessionSet has the sessions of session mode and of clients that replicate, and
// the totals of those that have ended.
type sessionSet struct {
	env     *env
	clients *clientSet

	mu   sync.Mutex // guards what follows and which sessions have ended; taken before the clientSet's
	past map[snapshot.Database]snapshot.Totals
}

func newSessionSet(e *env, clients *clientSet) *sessionSet {
	return &sessionSet{env: e, clients: clients, past: map[snapshot.Database]snapshot.Totals{}}
}

// archive keeps the totals of a session that has ended.
func (s *sessionSet) archive(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.archived = true
	db := one.up.database.label()
	t := s.past[db]
	t.Add(one.totals())
	s.past[db] = t
}

// list returns the sessions.
func (s *sessionSet) list() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open()
}

// open does the same for a caller that holds mu.
func (s *sessionSet) open() []*session {
	return slices.DeleteFunc(handlers[*session](s.clients), func(one *session) bool { return one.archived })
}

// kill disconnects the clients of the sessions that a pattern includes, and
// reports whether there are any.
func (s *sessionSet) kill(pattern snapshot.Database) (found bool) {
	for _, one := range s.list() {
		if pattern.Matches(one.up.database.label()) {
			found = true
			one.client.kill(errKilledByAdmin())
		}
	}
	return found
}

// rearm makes the sessions keep to a new idle timeout. Where there was none
// before, idle time counts from now on.
func (s *sessionSet) rearm(before time.Duration) {
	for _, one := range s.list() {
		if before == 0 {
			one.touch()
		}
		one.arm(sessionActive)
	}
}

// info describes the sessions as one pool for each database, and their server
// connections.
func (s *sessionSet) info() (pools []snapshot.Pool, servers []snapshot.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byDatabase := make(map[snapshot.Database]*snapshot.Pool, len(s.past))
	pool := func(db snapshot.Database) *snapshot.Pool {
		if byDatabase[db] == nil {
			byDatabase[db] = &snapshot.Pool{Target: db.Target, Database: db.Name, Mode: snapshot.SessionMode,
				Limit: s.env.config().MaxTargetConnections, Totals: s.past[db]}
		}
		return byDatabase[db]
	}
	for db := range s.past {
		pool(db)
	}
	for _, one := range s.open() {
		p := pool(one.up.database.label())
		p.ClientsActive++
		p.ServersActive++
		p.Totals.Add(one.totals())
		servers = append(servers, one.serverInfo())
	}
	for _, w := range handlers[*slotWait](s.clients) {
		p := pool(w.database.label())
		p.ClientsWaiting++
		p.OldestWait = max(p.OldestWait, time.Since(w.since))
	}
	for _, p := range byDatabase {
		pools = append(pools, *p)
	}
	return pools, servers
}
