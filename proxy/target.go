package proxy

import (
	"sync/atomic"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// target is a Connector under the name that clients use.
type target struct {
	name      string
	connector *lakebase.Connector
	slots     slots
	lastLogin atomic.Pointer[loginResult] // nil before the first login

	// Guarded by the targetSet's mutex.
	clients int  // that have been admitted
	removed bool // from the configuration: no client is admitted any more
}

// loginResult is where a login led.
type loginResult struct {
	host           string
	port           uint16
	user, database string
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

// info describes t, which has conns server connections. all is the configuration
// that t belongs to.
func (t *target) info(all *configuration, conns int64) snapshot.Target {
	last, stats := t.lastLogin.Load(), t.connector.Stats()
	if last == nil {
		last = &loginResult{}
	}
	return snapshot.Target{
		Name: t.name, Default: t.name == all.DefaultTarget,
		Host: last.host, Port: last.port, User: last.user, Database: last.database,
		ServerConns: conns, MaxTargetConnections: all.MaxTargetConnections,
		TokenExpiry: stats.TokenExpiry, Tokens: stats.Tokens, CredentialCalls: stats.CredentialCalls,
		CredentialFailures: stats.CredentialFailures, Rejections: stats.Rejections,
	}
}
