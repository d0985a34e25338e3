package proxy

import (
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// info describes s.
func (s *serverConn) info() snapshot.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := s.conn.info()
	info.Connected, info.Used, info.State, info.Prepared = s.opened, s.usage.linked, snapshot.ServerResetting, s.session.Prepared()
	if s.usage.linked.IsZero() {
		info.Used = s.usage.released
	}
	if s.state == serverIdle {
		info.State = snapshot.ServerIdle
	}
	if c := s.client; c != nil {
		info.State, info.ClientID = snapshot.ServerActive, uint64(c.client.id.Load())
		if c.session.Pinned() != "" {
			info.State = snapshot.ServerPinned
		}
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	info.CloseNeeded = s.generation != s.pool.generation
	if s.isLinked() {
		s.usage.addTo(&s.pool.totals, s.session, time.Now()) // a pinned one is not released for long
	}
	return info
}
