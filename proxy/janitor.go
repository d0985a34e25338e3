package proxy

import (
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/console"
)

// janitorInterval is the time between two rounds of the janitor.
const janitorInterval = time.Second

// janitor does once a second what no message of a client or a server triggers:
// it replaces and closes server connections, finds dead networks and idle
// clients, and frees memory.
type janitor struct {
	env      *env
	clients  *clientSet
	pools    *poolSet
	sessions *sessionSet
	console  *console.Console
	shutdown func() // called when no client is accepted any more and the last one has disconnected
	shrinker stackShrinker
}

// run works until the Server is shutting down.
func (j *janitor) run() {
	ticker := time.NewTicker(janitorInterval)
	defer ticker.Stop()
	for {
		select {
		case <-j.env.admission.Done():
			return
		case <-ticker.C:
			j.round()
		}
		if j.env.closing.Load() && j.env.counts.clients.Load() == 0 {
			go j.shutdown()
			return
		}
	}
}

func (j *janitor) round() {
	j.pools.maintain()
	for _, s := range j.sessions.list() {
		s.checkNetwork(j.env.config().NetworkTimeout)
	}
	j.console.KeepAverages()
	j.shrinker.freeMemory()
	j.checkClients(j.env.config().ClientIdleTimeout)
}

// checkClients has idle clients of transaction mode disconnect after the idle
// timeout, if there is one, or shrink their stacks.
func (j *janitor) checkClients(idleTimeout time.Duration) {
	started := 0
	for _, c := range j.clients.list() {
		pooled, ok := c.currentHandler().(*pooledClient)
		if !ok {
			continue
		}
		switch idle := pooled.idleTime(); {
		case idleTimeout > 0 && idle >= idleTimeout:
			pooled.request(taskCheckIdle)
		case idle >= shrinkAfter && started < maxShrinks && !pooled.isShrunk():
			started++
			pooled.request(taskShrinkStack)
		}
	}
	j.shrinker.started(started)
}
