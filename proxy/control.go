package proxy

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// covered are the pools of a target's database; an empty name means any.
func (s *Server) covered(target, database string) []*pool {
	return slices.DeleteFunc(s.allPools(), func(p *pool) bool {
		return !rule{target: target, database: database}.covers(p.target.name, p.name())
	})
}

// chosen are the covered pools, of which there must be one unless all are
// meant.
func (s *Server) chosen(target, database string) ([]*pool, error) {
	if err := s.hasPools(); err != nil {
		return nil, err
	}
	pools := s.covered(target, database)
	if len(pools) == 0 && (target != "" || database != "") {
		return nil, noSuchPool(target, database)
	}
	return pools, nil
}

func noSuchPool(target, database string) error {
	return &pgwire.Error{Code: "3D000", Message: fmt.Sprintf("no pool of target %q and database %q: SHOW POOLS lists them", target, database)}
}

func (s *Server) hasPools() error {
	if s.config().PoolMode != TransactionMode {
		return &pgwire.Error{Code: "55000", Message: fmt.Sprintf("there is no pool to control: the proxy is in %s mode", s.config().PoolMode)}
	}
	return nil
}

// pause lends no server connection any more, waits until those that are lent
// have been given back, and closes them; clients wait. Pinned clients keep
// theirs, so pause waits for those to leave. An empty target or database means
// any, those that no client has asked for yet included. When ctx ends first,
// the pools stay paused and the error is ctx's.
func (s *Server) pause(ctx context.Context, target, database string) error {
	if err := s.hasPools(); err != nil {
		return err
	}
	s.mu.Lock()
	s.paused.set(target, database, true)
	s.mu.Unlock()
	pools := s.covered(target, database)
	for _, p := range pools {
		p.pause()
	}
	for _, p := range pools {
		if err := p.empty(ctx); err != nil {
			return err
		}
	}
	return nil
}

// resume ends a pause.
func (s *Server) resume(target, database string) error {
	if err := s.hasPools(); err != nil {
		return err
	}
	s.mu.Lock()
	s.paused.set(target, database, false)
	s.mu.Unlock()
	for _, p := range s.covered(target, database) {
		p.resume()
	}
	return nil
}

// reconnect replaces each server connection as soon as it is not lent.
func (s *Server) reconnect(target, database string) error {
	pools, err := s.chosen(target, database)
	for _, p := range pools {
		p.reconnect()
	}
	return err
}

// waitClose waits until each server connection is closed that was not to be
// used again, by RECONNECT for instance. When ctx ends first, the
// error is ctx's.
func (s *Server) waitClose(ctx context.Context, target, database string) error {
	pools, err := s.chosen(target, database)
	if err != nil {
		return err
	}
	for _, p := range pools {
		if err := p.runDown(ctx, p.outdated); err != nil {
			return err
		}
	}
	return nil
}

// kill closes all server connections at once and ends the clients that had
// one.
func (s *Server) kill(target, database string) error {
	which := rule{target: target, database: database}
	pools := s.covered(target, database)
	found := len(pools) > 0 || which == rule{}
	for _, one := range s.sessions() {
		if key := one.key(); which.covers(key[0], key[1]) {
			found = true
			one.client.kill()
		}
	}
	for _, p := range pools {
		p.reconnect()
		for _, conn := range p.conns() {
			conn.kill()
		}
	}
	if !found {
		return noSuchPool(target, database)
	}
	return nil
}

// killClient ends the client that was told this process ID. In session mode
// two of different targets may have the same: then none is ended.
func (s *Server) killClient(id uint64) error {
	s.mu.Lock()
	var victims []*client
	for c := range s.clients {
		if id != 0 && uint64(c.id.Load()) == id {
			victims = append(victims, c)
		}
	}
	s.mu.Unlock()
	switch len(victims) {
	case 0:
		return &pgwire.Error{Code: "42704", Message: fmt.Sprintf("no client has the id %d: SHOW CLIENTS lists them", id)}
	case 1:
		victims[0].kill()
		return nil
	}
	return &pgwire.Error{Code: "42725", Message: fmt.Sprintf("not one client: %d clients have the id %d: end it by pg_terminate_backend in its database", len(victims), id)}
}

// disable refuses new clients of the databases, or accepts them again. Clients
// that are connected stay.
func (s *Server) disable(target, database string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disabled.set(target, database, on)
}

// refuseDisabled refuses clients of a disabled database.
func (s *Server) refuseDisabled(r route) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.disabled.on(r.target.name, r.name()) {
		return nil
	}
	return &pgwire.Error{Code: "55000", Message: fmt.Sprintf("database %q is disabled in the proxy", r.name()),
		Hint: "ENABLE it in the proxy's console"}
}

// name is what the pool's database is called, whoever named it.
func (p *pool) name() string { return route{p.target, p.database}.name() }

func (r route) name() string { return cmp.Or(r.database, r.target.name) }

func (p *pool) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = true
	p.generation++
}

// resume lends again, first to those who wait.
func (p *pool) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = false
	p.grow()
}

// reconnect lets no server connection of now be lent again.
func (p *pool) reconnect() {
	p.mu.Lock()
	p.generation++
	p.mu.Unlock()
	p.closeIdle(len(p.conns()), 0)
}

// empty closes the server connections that are not lent, and waits until there
// is none.
func (p *pool) empty(ctx context.Context) error {
	p.closeIdle(len(p.conns()), 0)
	return p.runDown(ctx, func() int { return len(p.live) + p.connecting })
}

// outdated is how many server connections are not to be lent again. The
// caller holds the mutex.
func (p *pool) outdated() (n int) {
	for s := range p.live {
		if s.generation != p.generation {
			n++
		}
	}
	return n
}

// runDown waits until none is left of what count counts, under the mutex.
func (p *pool) runDown(ctx context.Context, count func() int) error {
	for {
		p.mu.Lock()
		n, changed := count(), p.changed
		p.mu.Unlock()
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

// conns are the server connections of now.
func (p *pool) conns() []*serverConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	conns := make([]*serverConn, 0, len(p.live))
	for s := range p.live {
		conns = append(conns, s)
	}
	return conns
}

// kill closes s as if the server had.
func (s *serverConn) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.telling && s.client != nil {
		s.client.raw.Close() // it may be slow, and does not count any more
	}
	s.lost(nil, errKilled)
}
