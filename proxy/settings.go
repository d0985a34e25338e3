package proxy

import (
	"sync/atomic"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// configuration is a Config together with the targets that it leads to.
// It is not modified, only replaced: see [Server.Reload].
type configuration struct {
	Config
	targets map[string]*target
}

// config is the configuration as it stands. What must not change between two
// looks is looked at once.
func (s *Server) config() *Config { return &s.settings.Load().Config }

// target is a Connector and what the proxy counts about it.
type target struct {
	name      string
	connector *lakebase.Connector
	places    places
	last      atomic.Pointer[login] // nil before the first

	// Guarded by the Server's mutex.
	clients int  // that are past their login, or in the midst of it
	removed bool // from the configuration: those are the last
}

// login is where a login upstream led.
type login struct {
	host           string
	port           uint16
	user, database string
}

// seen is where the last login to t led, nowhere before there was one. t may
// be nil.
func (t *target) seen() login {
	if t == nil {
		return login{}
	}
	last := t.last.Load()
	if last == nil {
		return login{}
	}
	return *last
}

// enter counts one more client of t. It reports whether t still takes any.
func (s *Server) enter(t *target) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.removed {
		return false
	}
	t.clients++
	return true
}

// exit counts one client less. The last one of a removed target closes it.
func (s *Server) exit(t *target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.clients--
	if t.removed && t.clients == 0 {
		s.dismantle(t)
	}
}

// remove lets nobody enter t any more. The caller holds the mutex.
func (s *Server) remove(t *target) {
	t.removed = true
	s.removed[t] = true
	if t.clients == 0 {
		s.dismantle(t)
	}
}

// dismantle closes what a removed target without clients has. The caller holds
// the mutex, and keeps the Server's wait group from being at zero.
func (s *Server) dismantle(t *target) {
	var pools []*pool
	for key, p := range s.pools {
		if key.target == t {
			pools = append(pools, p)
			delete(s.pools, key)
		}
	}
	s.wg.Go(func() {
		for _, p := range pools {
			p.shut()
		}
		s.mu.Lock()
		delete(s.removed, t)
		unused := s.release(t.connector)
		s.mu.Unlock()
		if unused {
			t.connector.StopRefresh()
			t.connector.Close()
		}
		s.log.Info("a target has been removed", "target", t.name)
	})
}

// hold counts one more target that uses c. The caller holds the mutex.
func (s *Server) hold(c *lakebase.Connector) { s.connectors[c]++ }

// release counts one less, and reports whether that was the last one. The
// caller holds the mutex.
func (s *Server) release(c *lakebase.Connector) (unused bool) {
	s.connectors[c]--
	if s.connectors[c] > 0 {
		return false
	}
	delete(s.connectors, c)
	return true
}

// refresh keeps the tokens of all targets fresh until stop is called.
func (s *Server) refresh() (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshing = true
	for c := range s.connectors {
		c.StartRefresh()
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.refreshing = false
		for c := range s.connectors {
			c.StopRefresh()
		}
	}
}

// info describes t, which has so many server connections. all is the
// configuration that t belongs to.
func (t *target) info(all *configuration, conns int64) snapshot.Target {
	seen, stats := t.seen(), t.connector.Stats()
	return snapshot.Target{
		Name: t.name, Default: t.name == all.DefaultTarget,
		Host: seen.host, Port: seen.port, User: seen.user, Database: seen.database,
		ServerConns: conns, MaxTargetConnections: all.MaxTargetConnections,
		TokenExpiry: stats.TokenExpiry, Tokens: stats.Tokens, CredentialCalls: stats.CredentialCalls,
		CredentialFailures: stats.CredentialFailures, Rejections: stats.Rejections,
	}
}
