package proxy

import (
	"math/rand/v2"
	"time"
)

// functionsInterval is how often the catalog of a database is scanned again: others
// than the pool's clients may have changed it.
const functionsInterval = time.Minute

// maintain closes server connections that have been idle for too long or are too
// old, and opens those that min_pool_size asks for.
func (p *pool) maintain() {
	cfg := p.env.config()
	for _, s := range p.conns() {
		s.check(cfg.NetworkTimeout)
	}
	p.closeUnwanted()
	p.maintainFunctions()
	minimum := p.minimum()
	p.mu.Lock()
	spare := len(p.live) - minimum
	p.mu.Unlock()
	p.closeIdle(spare, cfg.ServerIdleTimeout)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.growTo(minimum)
}

// minimum is how many server connections stay open while idle.
func (p *pool) minimum() int {
	if settings := p.env.configuration.Load(); settings.accepts(p.database) {
		return settings.MinPoolSize
	}
	return 0
}

// closeUnwanted closes idle server connections that must not be used again. Those
// that are too old are replaced only if min_pool_size asks for it: otherwise a pool
// that no client uses would log in again and again. While a login is under way, or the
// last one has failed, they are kept.
func (p *pool) closeUnwanted() {
	minimum := p.minimum()
	p.mu.Lock()
	live, keep := len(p.live), p.logins.inFlight > 0 || p.logins.areFailing()
	unwanted := p.idle.popAll(func(s *serverConn) (unwanted bool) {
		if live > minimum && s.isExpired() {
			unwanted = !keep
		} else {
			unwanted = p.isUnwanted(s)
		}
		if unwanted {
			live--
		}
		return unwanted
	})
	p.mu.Unlock()
	shutAll(unwanted, "not wanted any more")
}

// maintainFunctions makes a scan of the catalog due when it is time. The janitor alone
// calls it.
func (p *pool) maintainFunctions() {
	catalog := &p.statements.Catalog
	catalog.Trust(p.env.config().TrustFunctions)
	if time.Since(p.functionsRead) < functionsInterval {
		return
	}
	p.functionsRead = time.Now()
	if err := catalog.Err(); err != nil {
		db := p.database.label()
		p.env.log.Warn("cannot scan the catalog of a database: each text that uses its functions or relations is inspected and reset",
			"target", db.Target, "database", db.Name, "error", err)
	}
	catalog.Outdate()
}

// isUnreachable reports whether no login has ever succeeded, and nothing makes
// the pool worth keeping.
func (p *pool) isUnreachable() bool {
	settings := p.env.configuration.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.totals.ServerLogins == 0 && p.totals.ServerLoginFails > 0 && p.logins.inFlight == 0 && !p.paused &&
		(settings.MinPoolSize == 0 || !settings.accepts(p.database))
}

// adjust makes the pool keep to a new configuration.
func (p *pool) adjust(newLifetime bool) {
	p.statements.AlwaysReset.Store(p.env.config().ServerResetQueryAlways)
	p.mu.Lock()
	if newLifetime {
		for s := range p.live {
			s.expires = expiry(s.opened, p.env.config().ServerLifetime)
		}
	}
	excess := len(p.live) - p.limit()
	p.grow()
	p.mu.Unlock()
	p.closeIdle(excess, 0)
}

// expiry is when a server connection is too old: after the lifetime, give or take a
// tenth, so that not all expire at once.
func expiry(opened time.Time, lifetime time.Duration) time.Time {
	spread := lifetime / 10
	return opened.Add(lifetime - spread + rand.N(2*spread+1))
}
