package proxy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// target is a Connector under the name that clients use.
type target struct {
	name      string
	connector *lakebase.Connector
	slots     slots
	lastLogin atomic.Pointer[loginResult] // nil before the first login
	rechecked atomic.Bool                 // recheck is under way

	// Guarded by the targetSet's mutex.
	clients int  // that have been admitted
	removed bool // from the configuration: no client is admitted any more
}

// loginResult is where a login led.
type loginResult struct {
	host     string
	port     uint16
	user     string
	database string // the target's own, whichever the login was for
}

func newTarget(e *env, name string, connector *lakebase.Connector) *target {
	return &target{name: name, connector: connector,
		slots: slots{limit: func() int { return e.config().MaxTargetConnections }}}
}

// database returns a database of t. The target's own is the same one however it
// is spelled.
func (t *target) database(name string) database {
	if name == t.connector.Database() {
		name = ""
	}
	return database{target: t, name: name}
}

// waitingFor is the notice about a login to t that takes long.
func (t *target) waitingFor(waited time.Duration) string {
	if trouble := t.connector.Trouble(); trouble != nil {
		return fmt.Sprintf("still trying %s (%d s): %s", trouble.Resource, int(waited.Seconds()), trouble.Message)
	}
	return "waiting for the database of " + t.name + ": it may be waking up"
}

// info describes t, which has conns server connections. all is the configuration
// that t belongs to.
func (t *target) info(all *configuration, conns int64) snapshot.Target {
	last, stats := t.lastLogin.Load(), t.connector.Stats()
	if last == nil {
		last = &loginResult{}
	}
	trouble, hint := "", ""
	if e := t.connector.Trouble(); e != nil {
		trouble, hint = strings.TrimPrefix(e.Error(), "lakebase: "), e.Hint
	}
	return snapshot.Target{
		Trouble: trouble, Hint: hint,
		Name: t.name, Default: t.name == all.DefaultTarget,
		Host: last.host, Port: last.port, User: last.user, Database: last.database,
		ServerConns: conns, MaxTargetConnections: all.MaxTargetConnections,
		TokenExpiry: stats.TokenExpiry, Tokens: stats.Tokens, CredentialCalls: stats.CredentialCalls,
		CredentialFailures: stats.CredentialFailures, Rejections: stats.Rejections,
	}
}

// recheck asks the workspace again about a target in trouble.
func (t *target) recheck() {
	if !t.rechecked.CompareAndSwap(false, true) {
		return
	}
	defer t.rechecked.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), recheckTimeout)
	defer cancel()
	_ = t.connector.Lookup(ctx) // its error is the connector's trouble
}

// database is one database of a target: where a client connects to, and the key
// of a pool. Two targets are different even if they have the same name, as after
// a reload.
type database struct {
	target *target
	name   string // empty for the target's own database, however a client spells it
}

// label is the name of d in the console and in rules: the target's own database
// is named like the target.
func (d database) label() snapshot.Database {
	return snapshot.Database{Target: d.target.name, Name: cmp.Or(d.name, d.target.name)}
}

// targetSet has the targets of the current configuration and the removed ones
// that still have clients. It counts the clients of each target, and closes a
// removed target and its Connector after the last one.
type targetSet struct {
	env   *env
	pools *poolSet

	mu         sync.Mutex // guards what follows and the exchange of settings; taken before the poolSet's
	closed     bool       // the Server is shutting down: the configuration stays as it is
	refreshing bool       // the Connectors keep their tokens fresh
	removed    map[*target]bool
}

// newTargetSet makes cfg the configuration.
func newTargetSet(e *env, pools *poolSet, cfg Config) *targetSet {
	s := &targetSet{env: e, pools: pools, removed: map[*target]bool{}}
	e.configuration.Store(&configuration{})
	_ = s.replace(cfg) // fails only after close
	return s
}

// replace makes cfg the configuration. A target whose name and Connector stay
// the same remains what it is.
func (s *targetSet) replace(cfg Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrServerClosed
	}
	old := s.env.configuration.Load()
	next := &configuration{Config: cfg, targets: make(map[string]*target, len(cfg.Targets))}
	for name, connector := range cfg.Targets {
		t := old.targets[name]
		if t == nil || t.connector != connector {
			t = newTarget(s.env, name, connector)
			if s.refreshing {
				connector.StartRefresh()
			}
		}
		next.targets[name] = t
	}
	s.env.configuration.Store(next)
	for name, t := range old.targets {
		if next.targets[name] != t {
			s.remove(t)
		}
	}
	return nil
}

// enter counts a client of t. It reports whether t still accepts clients; if so,
// leave must follow.
func (s *targetSet) enter(t *target) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.removed {
		return false
	}
	t.clients++
	return true
}

// leave is called when a client of t is gone.
func (s *targetSet) leave(t *target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.clients--
	if t.removed && t.clients == 0 {
		s.dismantle(t)
	}
}

// remove makes t accept no client any more. The caller holds mu.
func (s *targetSet) remove(t *target) {
	t.removed = true
	s.removed[t] = true
	if t.clients == 0 {
		s.dismantle(t)
	}
}

// dismantle closes the pools of a removed target that has no clients, and its
// Connector if no other target uses it. The caller holds mu, and either the set
// is not closed or the last client is still among the tasks.
func (s *targetSet) dismantle(t *target) {
	pools := s.pools.detach(t)
	s.env.tasks.Go(func() {
		for _, p := range pools {
			p.close()
		}
		if s.forget(t) {
			t.connector.Close()
		}
		s.env.log.Info("target removed", "target", t.name)
	})
}

// forget reports whether no target uses t's Connector any more.
func (s *targetSet) forget(t *target) (unused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.removed, t)
	return !slices.ContainsFunc(s.all(), func(other *target) bool { return other.connector == t.connector })
}

// all returns the targets, including removed ones. The caller holds mu.
func (s *targetSet) all() []*target {
	return slices.AppendSeq(slices.Collect(maps.Keys(s.removed)), maps.Values(s.env.configuration.Load().targets))
}

// startRefresh makes the Connectors keep their tokens fresh until stop is
// called.
func (s *targetSet) startRefresh() (stop func()) {
	s.refresh(true, (*lakebase.Connector).StartRefresh)
	return func() { s.refresh(false, (*lakebase.Connector).StopRefresh) }
}

func (s *targetSet) refresh(on bool, each func(*lakebase.Connector)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshing = on
	for _, t := range s.all() {
		each(t.connector)
	}
}

// serverConns returns the number of server connections by target, including
// those of removed targets.
func (s *targetSet) serverConns() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	conns := map[string]int64{}
	for _, t := range s.all() {
		conns[t.name] += t.slots.count()
	}
	return conns
}

// close keeps the configuration from changing.
func (s *targetSet) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}
