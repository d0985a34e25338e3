package proxy

import (
	"context"
	"fmt"
	"slices"
)

// chosen are the pools of a target's database; an empty name means any.
func (s *Server) chosen(target, database string) ([]*pool, error) {
	if s.config().Mode != TransactionMode {
		return nil, fmt.Errorf("the proxy is in %s mode: there is no pool to control", s.config().Mode)
	}
	pools := s.allPools()
	if target == "" && database == "" {
		return pools, nil
	}
	pools = slices.DeleteFunc(pools, func(p *pool) bool {
		return target != "" && p.target.name != target || database != "" && p.name() != database
	})
	if len(pools) == 0 {
		return nil, fmt.Errorf("no pool of target %q and database %q: SHOW POOLS lists them", target, database)
	}
	return pools, nil
}

// Pause lends no server connection any more, waits until those that are lent
// have been given back, and closes them; clients wait. Pinned clients keep
// theirs, so Pause waits for those to leave. An empty target or database means
// any. When ctx ends first, the pools stay paused and the error is ctx's.
func (s *Server) Pause(ctx context.Context, target, database string) error {
	pools, err := s.chosen(target, database)
	if err != nil {
		return err
	}
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

// Resume ends a pause.
func (s *Server) Resume(target, database string) error {
	return s.each(target, database, (*pool).resume)
}

// Reconnect replaces each server connection as soon as it is not lent.
func (s *Server) Reconnect(target, database string) error {
	return s.each(target, database, (*pool).reconnect)
}

// Kill closes all server connections at once and ends the clients that had
// one.
func (s *Server) Kill(target, database string) error {
	return s.each(target, database, func(p *pool) {
		p.reconnect()
		for _, conn := range p.conns() {
			conn.kill()
		}
	})
}

// KillClient ends the client that was told this process ID.
func (s *Server) KillClient(id uint64) error {
	s.mu.Lock()
	var victim *client
	for c := range s.clients {
		if uint64(c.id.Load()) == id {
			victim = c
		}
	}
	s.mu.Unlock()
	if victim == nil || id == 0 {
		return fmt.Errorf("no client has the id %d: SHOW CLIENTS lists them", id)
	}
	victim.force()
	return nil
}

func (s *Server) each(target, database string, do func(*pool)) error {
	pools, err := s.chosen(target, database)
	for _, p := range pools {
		do(p)
	}
	return err
}

// name is what the pool's database is called, whoever named it.
func (p *pool) name() string {
	if p.database == "" {
		return p.target.name
	}
	return p.database
}

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

// empty waits until there is no server connection.
func (p *pool) empty(ctx context.Context) error {
	p.closeIdle(len(p.conns()), 0)
	for {
		p.mu.Lock()
		n, changed := len(p.live)+p.connecting, p.changed
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
