package proxy

import (
	"sync"
	"time"
)

// statsPeriod is over how much time averages are taken, or up to twice that:
// PgBouncer's stats_period.
const statsPeriod = time.Minute

// statistics remember what the totals were, to tell averages by.
type statistics struct {
	mu           sync.Mutex
	older, newer snapshot
}

// snapshot are the totals of a moment, by what the console calls the database.
type snapshot struct {
	at     time.Time
	totals map[string]Totals
}

// snapshot takes the totals of now.
func (s *Server) snapshot() snapshot {
	now := snapshot{at: time.Now(), totals: map[string]Totals{}}
	for _, info := range s.poolInfos() {
		name := poolName(info.Target, info.Database)
		t := now.totals[name]
		t.add(info.Totals)
		now.totals[name] = t
	}
	return now
}

// keepStatistics lets a period end when it is over.
func (s *Server) keepStatistics() {
	s.statistics.mu.Lock()
	defer s.statistics.mu.Unlock()
	if time.Since(s.statistics.newer.at) >= statsPeriod {
		s.statistics.older, s.statistics.newer = s.statistics.newer, s.snapshot()
	}
}

// base is what averages are taken from: the beginning of the last period that
// is over.
func (s *Server) base() snapshot {
	s.statistics.mu.Lock()
	defer s.statistics.mu.Unlock()
	return s.statistics.older
}
