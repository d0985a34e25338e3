package proxy

import (
	"context"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

func (s *Server) Pools() []snapshot.Pool                  { return admin{s}.Pools() }
func (s *Server) Clients() []snapshot.Client              { return admin{s}.Clients() }
func (s *Server) Servers() []snapshot.Server              { return admin{s}.Servers() }
func (s *Server) Resume(target, database string) error    { return s.resume(target, database) }
func (s *Server) Reconnect(target, database string) error { return s.reconnect(target, database) }
func (s *Server) Kill(target, database string) error      { return s.kill(target, database) }
func (s *Server) KillClient(id uint64) error              { return s.killClient(id) }
func (s *Server) Pause(ctx context.Context, target, database string) error {
	return s.pause(ctx, target, database)
}

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
		p.statements.Catalog.Outdate()
	}
}

// Waiting is a client's wait in a queue.
type Waiting struct {
	client *pooled
	since  time.Time
}

// Queue is who waits for a server connection of the only pool, in its order,
// and how many of those idle at the same moment.
func (s *Server) Queue() (waiting []Waiting, idle int) {
	p := s.allPools()[0]
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := p.waiters.first(); w != nil; w = p.waiters.after(w) {
		waiting = append(waiting, Waiting{w.client, w.since})
	}
	return waiting, len(p.idle)
}

var (
	SASLPrep = saslPrep
	MAC      = mac // of auth_test.go
)
