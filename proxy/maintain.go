package proxy

import (
	"context"
	"slices"
	"time"
)

const (
	// maintainEvery is how often those are looked after who say nothing.
	maintainEvery = time.Second

	// surveyEvery is how often a database's functions are looked at: they may
	// have been changed by others than the pool's clients.
	surveyEvery = time.Minute
)

// maintain looks after idle server connections, silent clients and silent
// networks until ctx ends.
func (s *Server) maintain(ctx context.Context) {
	ticker := time.NewTicker(maintainEvery)
	defer ticker.Stop()
	var rest rest
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, p := range s.allPools() {
			p.maintain()
		}
		s.dropPointless()
		for _, one := range s.sessions() {
			one.look(s.config().NetworkTimeout)
		}
		s.console.KeepAverages()
		if s.leaving.Load() && s.counts.clients.Load() == 0 {
			go s.Shutdown(context.Background())
			return
		}
		rest.free()
		resting := s.restSilent(s.config().ClientIdleTimeout)
		rest.clients, rest.more = rest.clients+resting, resting > 0
	}
}

// maintain closes server connections that have been idle for too long or are
// too old, and opens those that are to be warm.
func (p *pool) maintain() {
	cfg := p.server.config()
	for _, s := range p.conns() {
		s.look(cfg.NetworkTimeout)
	}
	p.retire()
	p.outdate()
	warm := p.warm()
	p.mu.Lock()
	spare := len(p.live) - warm
	p.mu.Unlock()
	p.closeIdle(max(spare, 0), cfg.ServerIdleTimeout)
	p.mu.Lock()
	defer p.mu.Unlock()
	for wanted := min(warm, p.limit()) - len(p.live) - p.connecting; wanted > 0 && p.connecting < p.pace() &&
		!p.paused && !p.closed && !time.Now().Before(p.retryAt) && p.target.places.take(cfg.MaxTargetConnections); wanted-- {
		p.login()
	}
}

// outdate has the functions looked at again when it is time for that.
func (p *pool) outdate() {
	p.statements.Catalog.Trust(p.server.config().TrustFunctions)
	now := time.Now()
	if now.Sub(p.surveyed) < surveyEvery {
		return
	}
	p.surveyed = now
	if err := p.statements.Catalog.Err(); err != nil {
		p.server.log.Warn("cannot read the functions of a database: what they leave in a session is not seen",
			"target", p.target.name, "database", p.database, "err", err)
	}
	p.statements.Catalog.Outdate()
}

// warm is how many server connections are kept open without being asked for.
func (p *pool) warm() int {
	settings := p.server.settings.Load()
	if !settings.isOpen(p.target, p.database) {
		return 0
	}
	return settings.MinPoolSize
}

// retire closes idle server connections that are not to be used again.
func (p *pool) retire() {
	p.mu.Lock()
	var old []*serverConn
	p.idle = slices.DeleteFunc(p.idle, func(s *serverConn) bool {
		unwanted := p.isUnwanted(s)
		if unwanted {
			old = append(old, s)
		}
		return unwanted
	})
	p.mu.Unlock()
	for _, s := range old {
		s.mu.Lock()
		s.close()
		s.mu.Unlock()
	}
}

// look ends s if it waits for somebody who is gone without a word.
func (s *session) look(limit time.Duration) {
	if s.up.raw.Unresponsive(limit) {
		s.client.server.log.Warn("the network to a server is silent", "target", s.up.target.name, "for", limit)
		s.up.raw.Close() // who reads from it sees that
	}
	if s.client.raw.Unresponsive(limit) {
		s.client.raw.Close()
	}
}
