package proxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/txpool"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// poolSet has the pools of a proxy, and what an administrator has switched for
// databases, including those that have no pool yet.
type poolSet struct {
	env *env

	mu       sync.Mutex // guards what follows and the pools' count of clients; taken before a pool's
	pools    map[database]*pool
	paused   rules
	disabled rules
	closed   bool // the Server is shutting down: no pool is added
}

func newPoolSet(e *env) *poolSet {
	return &poolSet{env: e, pools: map[database]*pool{}}
}

// join returns the pool of a database for one more client; leave must follow.
func (s *poolSet) join(db database) (*pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errShuttingDown()
	}
	p := s.pools[db]
	if p == nil {
		p = newPool(s.env, db)
		p.makeRoom = func() { s.makeRoom(db.target, p) }
		p.vacate = func(databases []string) { s.vacate(db.target, databases) }
		p.paused = s.paused.on(db.label())
		s.pools[db] = p
	}
	p.clients++
	return p, nil
}

// leave is called when a client of p is gone.
func (s *poolSet) leave(p *pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.clients--
}

// list returns the pools.
func (s *poolSet) list() []*pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.pools))
}

// detach removes the pools of a target from the set and returns them.
func (s *poolSet) detach(t *target) (pools []*pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for db, p := range s.pools {
		if db.target == t {
			pools = append(pools, p)
			delete(s.pools, db)
		}
	}
	return pools
}

// drain refuses the clients that wait, and all that come.
func (s *poolSet) drain() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, p := range s.list() {
		p.drain()
	}
}

// close closes the pools. They have no clients any more.
func (s *poolSet) close() {
	for _, p := range s.list() {
		p.close()
	}
}

// maintain does the janitor's work on the pools.
func (s *poolSet) maintain() {
	for _, p := range s.list() {
		p.maintain()
	}
	s.dropUnreachable()
}

// dropUnreachable removes the pools of databases to which no login has ever
// succeeded: clients can name any database.
func (s *poolSet) dropUnreachable() {
	for _, p := range s.list() {
		if !p.isUnreachable() {
			continue
		}
		s.mu.Lock()
		if p.clients == 0 && s.pools[p.database] == p {
			delete(s.pools, p.database)
		}
		s.mu.Unlock()
	}
}

// makeRoom closes the idle server connection of a target that has been idle
// longest, but none of the pool that wants the room, which may be nil.
func (s *poolSet) makeRoom(t *target, wanting *pool) {
	pools := slices.DeleteFunc(s.list(), func(p *pool) bool { return p == wanting || p.database.target != t })
	slices.SortFunc(pools, func(a, b *pool) int { return a.idleSince().Compare(b.idleSince()) })
	for _, p := range pools {
		if p.closeIdle(1, 0) > 0 {
			return
		}
	}
}

// vacate closes the server connections of databases of a target that are idle, or as
// soon as they are released: a statement needs these databases for itself. Afterwards
// the name may stand for another database, or have other settings.
func (s *poolSet) vacate(t *target, databases []string) {
	for _, name := range databases {
		for _, p := range s.list() {
			if p.database == t.database(name) || name == txpool.AllDatabases && p.database.target == t {
				p.statements.Catalog.Outdate()
				p.reconnect()
			}
		}
	}
}

// adjust makes the pools keep to a new configuration.
func (s *poolSet) adjust(newLifetime bool) {
	for _, p := range s.list() {
		p.adjust(newLifetime)
	}
	for _, p := range s.list() {
		p.closeIdle(p.database.target.slots.excess(), 0)
	}
}

// matching returns the pools that a pattern includes.
func (s *poolSet) matching(pattern snapshot.Database) []*pool {
	return slices.DeleteFunc(s.list(), func(p *pool) bool { return !pattern.Matches(p.database.label()) })
}

// controlled returns the pools that a pattern includes: at least one, unless the
// pattern includes every database.
func (s *poolSet) controlled(pattern snapshot.Database) ([]*pool, error) {
	if err := s.checkMode(); err != nil {
		return nil, err
	}
	pools := s.matching(pattern)
	if len(pools) == 0 && pattern != (snapshot.Database{}) {
		return nil, errNoPool(pattern)
	}
	return pools, nil
}

func errNoPool(pattern snapshot.Database) error {
	return &pgwire.Error{Code: "3D000", Message: fmt.Sprintf("no pool of target %q and database %q: SHOW POOLS lists them", pattern.Target, pattern.Name)}
}

func (s *poolSet) checkMode() error {
	if mode := s.env.config().PoolMode; mode != TransactionMode {
		return &pgwire.Error{Code: "55000", Message: fmt.Sprintf("there is no pool to control: the proxy is in %s mode", mode)}
	}
	return nil
}

// Pause makes clients wait, and closes the server connections as they are
// released; it returns when all are closed. Pinned clients keep theirs until
// they disconnect. If ctx ends first, the pools stay paused and the error is
// ctx's.
func (s *poolSet) Pause(ctx context.Context, pattern snapshot.Database) error {
	if err := s.checkMode(); err != nil {
		return err
	}
	s.mu.Lock()
	s.paused.set(pattern, true)
	s.mu.Unlock()
	pools := s.matching(pattern)
	for _, p := range pools {
		p.pause()
	}
	for _, p := range pools {
		if err := waitForNone(ctx, p.remaining); err != nil {
			return err
		}
	}
	return nil
}

// waitForNone returns when count returns 0, which it asks again each time that
// the channel is closed.
func waitForNone(ctx context.Context, count func() (int, <-chan struct{})) error {
	for {
		n, changed := count()
		if n == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d server connections are still in use: %w", n, ctx.Err())
		}
	}
}

// Resume ends a pause.
func (s *poolSet) Resume(_ context.Context, pattern snapshot.Database) error {
	if err := s.checkMode(); err != nil {
		return err
	}
	s.mu.Lock()
	s.paused.set(pattern, false)
	s.mu.Unlock()
	for _, p := range s.matching(pattern) {
		p.resume()
	}
	return nil
}

// Reconnect replaces each server connection as soon as it is released.
func (s *poolSet) Reconnect(_ context.Context, pattern snapshot.Database) error {
	pools, err := s.controlled(pattern)
	for _, p := range pools {
		p.reconnect()
	}
	return err
}

// WaitClose returns when each server connection is closed that RECONNECT, for
// instance, has marked for it. If ctx ends first, the error is ctx's.
func (s *poolSet) WaitClose(ctx context.Context, pattern snapshot.Database) error {
	pools, err := s.controlled(pattern)
	for _, p := range pools {
		if err := waitForNone(ctx, p.outdated); err != nil {
			return err
		}
	}
	return err
}

// kill closes the server connections at once, and disconnects their clients.
func (s *poolSet) kill(pattern snapshot.Database) (found bool) {
	pools := s.matching(pattern)
	for _, p := range pools {
		p.kill()
	}
	return len(pools) > 0
}

// SetDisabled makes the proxy refuse new clients of databases, or accept them again.
// Connected clients stay.
func (s *poolSet) SetDisabled(pattern snapshot.Database, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disabled.set(pattern, on)
}

// switched reports how a database is switched.
func (s *poolSet) switched(db snapshot.Database) (paused, disabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused.on(db), s.disabled.on(db)
}

// rules turn something on or off for databases, including those that no client
// has named yet. The zero value is off for all. A later rule overrides the
// earlier ones.
type rules []rule

type rule struct {
	pattern snapshot.Database
	on      bool
}

// set adds a rule. It drops those that the new one overrides altogether.
func (r *rules) set(pattern snapshot.Database, on bool) {
	kept := slices.DeleteFunc(*r, func(old rule) bool { return pattern.Matches(old.pattern) })
	*r = append(kept, rule{pattern, on})
}

// on reports what the last rule for a database says.
func (r rules) on(db snapshot.Database) bool {
	for _, one := range slices.Backward(r) {
		if one.pattern.Matches(db) {
			return one.on
		}
	}
	return false
}
