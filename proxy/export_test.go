package proxy

import "time"

// Resting is how many clients rest, having said nothing since they began to.
func (s *Server) Resting() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		c.mu.Lock()
		if t, ok := c.talker.(*pooled); ok && t.rested.Load() != 0 && t.rested.Load() == t.asked.Load() {
			n++
		}
		c.mu.Unlock()
	}
	return n
}

// Expiry is when a server connection that was opened at a time is too old.
func (s *Server) Expiry(born time.Time) time.Time { return newPool(s, nil, "").expiry(born) }

// Outdate has the functions of all databases looked at again.
func (s *Server) Outdate() {
	for _, p := range s.allPools() {
		p.statements.Outdate()
	}
}
