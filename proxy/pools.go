package proxy

import "slices"

// poolKey names a pool.
type poolKey struct {
	target   *target
	database string
}

// pool returns the pool that r leads to.
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
	return p, nil
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

// makeRoom closes an idle server connection of another pool of the target than
// wanting, the one that has not been used for the longest time.
func (s *Server) makeRoom(wanting *pool) {
	pools := slices.DeleteFunc(s.allPools(), func(p *pool) bool { return p == wanting || p.target != wanting.target })
	slices.SortFunc(pools, func(a, b *pool) int { return a.oldest().Compare(b.oldest()) })
	for _, p := range pools {
		if p.closeIdle(1, 0) > 0 {
			return
		}
	}
}
