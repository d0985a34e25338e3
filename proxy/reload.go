package proxy

import (
	"fmt"
	"slices"
	"strings"
)

// Reload replaces the configuration of a running Server by cfg, all of it or,
// with an error, nothing. PoolMode, Listen, UnixSocketDir and HTTPListen must stay as
// they are: they need a restart, as the error says. Logger and OnReload stay
// as they were.
//
// No client is lost. What decides about logins counts for those from now on:
// users, access, TLS, limits of clients. So do the timeouts for everyone, while
// MaxPreparedStatements and NetworkTimeout count for new server connections. Where a pool
// has more server connections than it may, idle ones are closed at once and
// lent ones when they are given back.
//
// A target stays as it is where its name and its Connector do. One that is gone
// takes no more clients; after its last one has left, the Server closes its
// Connector, unless another target uses it too.
func (s *Server) Reload(cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	old := s.settings.Load()
	if err := old.needsRestart(&cfg); err != nil {
		return err
	}
	cfg.Logger, cfg.OnReload = old.Logger, old.OnReload
	added, removed, err := s.exchangeTargets(old, cfg)
	if err != nil {
		return err
	}
	for _, p := range s.allPools() {
		p.adjust(old.ServerLifetime != cfg.ServerLifetime)
	}
	s.trim()
	if old.ClientIdleTimeout != cfg.ClientIdleTimeout {
		for _, one := range s.sessions() {
			one.rearm(old.ClientIdleTimeout > 0)
		}
	}
	s.log.Debug("configuration reloaded", "targets_added", added, "targets_removed", removed)
	return nil
}

// needsRestart refuses changes that cannot be made while the proxy runs.
func (c *Config) needsRestart(next *Config) error {
	var changed []string
	future := next.table()
	for i, s := range c.table() {
		if was, will := s.Text(), future[i].Text(); s.Restart && was != will {
			changed = append(changed, fmt.Sprintf("%s from %q to %q", s.Name, was, will))
		}
	}
	if changed != nil {
		return fmt.Errorf("proxy: to change %s needs a restart; nothing was changed", strings.Join(changed, ", "))
	}
	return nil
}

// exchangeTargets makes cfg the configuration. Targets that stay keep what they
// have.
func (s *Server) exchangeTargets(old *configuration, cfg Config) (added, removed []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isDraining() {
		return nil, nil, ErrServerClosed
	}
	next := &configuration{Config: cfg, targets: make(map[string]*target, len(cfg.Targets))}
	for name, connector := range cfg.Targets {
		t := old.targets[name]
		if t == nil || t.connector != connector {
			t = &target{name: name, connector: connector}
			s.hold(connector)
			if s.refreshing {
				connector.StartRefresh()
			}
			added = append(added, name)
		}
		next.targets[name] = t
	}
	s.settings.Store(next)
	for name, t := range old.targets {
		if next.targets[name] != t {
			s.remove(t)
			removed = append(removed, name)
		}
	}
	slices.Sort(added)
	slices.Sort(removed)
	return added, removed, nil
}

// adjust makes the pool keep to a new configuration.
func (p *pool) adjust(lifetime bool) {
	p.mu.Lock()
	if lifetime {
		for s := range p.live {
			s.expires = p.expiry(s.born)
		}
	}
	over := len(p.live) - p.limit()
	p.grow()
	p.mu.Unlock()
	p.closeIdle(over, 0)
}

// trim closes idle server connections of targets that have more than they may.
func (s *Server) trim() {
	for _, p := range s.allPools() {
		p.closeIdle(int(p.target.places.count())-s.config().MaxTargetConnections, 0)
	}
}

// isSurplus reports whether the pool or its target has more server connections
// than it may, but for one that replaces another that is too old.
func (p *pool) isSurplus() bool {
	if p.target.places.count() > int64(p.server.config().MaxTargetConnections) {
		return true
	}
	over := len(p.live) - p.limit()
	return over > 1 || over == 1 && !p.isReplacing()
}
