package monitor

import "github.com/lakebase-go/lakebase/proxy/internal/snapshot"

// Proxy is what the monitor shows. Its methods are safe for concurrent use.
type Proxy interface {
	Snapshot() *snapshot.Proxy

	// Started returns an error until the proxy serves clients.
	Started() error
	// Ready returns why new clients are not accepted.
	Ready() error
	// Alive returns as long as the proxy is not deadlocked.
	Alive() error
}
