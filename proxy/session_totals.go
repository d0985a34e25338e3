package proxy

import (
	"cmp"
	"context"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// key names the pool that s would belong to.
func (s *session) key() [2]string {
	return [2]string{s.up.target.name, cmp.Or(s.up.database, s.up.target.name)}
}

// totals are those of one session, which has one server connection.
func (s *session) totals() snapshot.Totals {
	s.tracker.mu.Lock()
	t := s.tracker.totals
	s.tracker.mu.Unlock()
	t.Sessions, t.Assignments, t.ServerLogins = 1, 1, 1
	t.Canceled = s.canceled.Load()
	if s.lost.Load() {
		t.Lost = 1
	}
	return t
}

// cancel asks the server to cancel what the session waits for.
func (s *session) cancel(ctx context.Context) error {
	err := s.up.cancel(ctx)
	if err == nil {
		s.canceled.Add(1)
	}
	return err
}

// account keeps the totals of a session that has ended.
func (s *Server) account(ended *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended.accounted = true
	t := s.past[ended.key()]
	t.Add(ended.totals())
	s.past[ended.key()] = t
}

// sessionPools are the sessions as if they had pools.
func (s *Server) sessionPools() []snapshot.Pool {
	sessions, seekers := s.sessions(), talkers[*seeker](s)
	s.mu.Lock()
	defer s.mu.Unlock()
	byName := make(map[[2]string]*snapshot.Pool, len(s.past))
	info := func(key [2]string) *snapshot.Pool {
		if byName[key] == nil {
			byName[key] = &snapshot.Pool{Target: key[0], Database: key[1], Mode: snapshot.SessionMode,
				Limit: s.config().MaxTargetConnections, Totals: s.past[key]}
		}
		return byName[key]
	}
	for key := range s.past {
		info(key)
	}
	for _, one := range sessions {
		if !one.accounted {
			pool := info(one.key())
			pool.ClientsActive++
			pool.ServersActive++
			pool.Totals.Add(one.totals())
		}
	}
	for _, one := range seekers {
		pool := info([2]string{one.route.target.name, one.route.name()})
		pool.ClientsWaiting++
		pool.OldestWait = max(pool.OldestWait, time.Since(one.since))
	}
	infos := make([]snapshot.Pool, 0, len(byName))
	for _, info := range byName {
		infos = append(infos, *info)
	}
	return infos
}
