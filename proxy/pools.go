package proxy

import "slices"

// poolKey names a pool.
type poolKey struct {
	target   *target
	database string
}

// pool returns the pool that r leads to, for a client to be one of its own.
func (s *Server) pool(r route) (*pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isDraining() {
		return nil, errShuttingDown()
	}
	key := poolKey{r.target, r.database}
	p := s.pools[key]
	if p == nil {
		p = newPool(s, r.target, r.database)
		p.paused = s.paused.on(r.target.name, r.name())
		s.pools[key] = p
	}
	p.clients++
	return p, nil
}

// leavePool is for when a client of p has gone.
func (s *Server) leavePool(p *pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.clients--
}

// dropPointless forgets pools of databases that nobody could be logged in to:
// clients may name any. Called by who maintains pools only.
func (s *Server) dropPointless() {
	for _, p := range s.allPools() {
		p.mu.Lock()
		pointless := p.totals.ServerLogins == 0 && p.totals.ServerLoginFails > 0 && p.connecting == 0 && !p.paused
		p.mu.Unlock()
		if !pointless || p.warm() > 0 {
			continue
		}
		s.mu.Lock()
		if key := (poolKey{p.target, p.database}); p.clients == 0 && s.pools[key] == p {
			delete(s.pools, key)
		}
		s.mu.Unlock()
	}
}

// allPools are the pools of now.
func (s *Server) allPools() []*pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	pools := make([]*pool, 0, len(s.pools))
	for _, p := range s.pools {
		pools = append(pools, p)
	}
	return pools
}

// shutPools ends all pools. There are no clients any more.
func (s *Server) shutPools() {
	for _, p := range s.allPools() {
		p.shut()
	}
}

// makeRoom closes an idle server connection of a pool of t other than wanting,
// the one that has not been used for the longest time.
func (s *Server) makeRoom(t *target, wanting *pool) {
	pools := slices.DeleteFunc(s.allPools(), func(p *pool) bool { return p == wanting || p.target != t })
	slices.SortFunc(pools, func(a, b *pool) int { return a.oldest().Compare(b.oldest()) })
	for _, p := range pools {
		if p.closeIdle(1, 0) > 0 {
			return
		}
	}
}
