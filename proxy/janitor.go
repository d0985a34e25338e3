package proxy

import (
	"runtime/debug"
	"sync/atomic"
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
	empty    int // rounds without a client
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
		if j.env.closing.Load() && j.isEmpty() {
			go j.shutdown()
			return
		}
	}
}

// isEmpty reports whether nothing but the console was connected in this round and the one
// before: a connection that was accepted as the listeners closed may not be known yet.
func (j *janitor) isEmpty() bool {
	for _, c := range j.clients.list() {
		if _, ok := c.currentHandler().(*consoleClient); !ok {
			j.empty = 0
			return false
		}
	}
	j.empty++
	return j.empty > 1
}

func (j *janitor) round() {
	j.pools.maintain()
	for _, s := range j.sessions.list() {
		s.checkNetwork(j.env.config().NetworkTimeout)
	}
	j.console.KeepAverages()
	j.shrinker.freeMemory(&j.env.unfinished.freed)
	j.checkClients(j.env.config())
}

// checkClients has clients of transaction mode disconnect that are idle for the idle
// timeout, if there is one, or do not complete a message in time, and has others that
// are idle shrink their stacks.
func (j *janitor) checkClients(cfg *Config) {
	for _, c := range j.clients.list() {
		if time.Since(c.connected) >= cfg.ClientLoginTimeout {
			c.wakeArrival()
		}
	}
	started := 0
	for _, pooled := range handlers[*pooledClient](j.clients) {
		switch idle := pooled.idleTime(); {
		case cfg.ClientIdleTimeout > 0 && idle >= cfg.ClientIdleTimeout, pooled.incoming.age() >= cfg.QueryWaitTimeout:
			pooled.request(taskCheckIdle)
		case idle >= shrinkAfter && started < maxShrinks && !pooled.isShrunk():
			started++
			pooled.request(taskShrinkStack)
		}
	}
	j.shrinker.started(started)
}

const (
	// shrinkAfter is the idle time after which a client goes on in a new
	// goroutine: the stack of the old one has grown to serve requests, and would
	// be most of what an idle client costs.
	shrinkAfter = 2 * time.Second

	// maxShrinks is how many clients do so in one round of the janitor.
	maxShrinks = 5000

	// Memory is returned to the system once this many clients have shrunk, or
	// the smaller number if no more are about to, and at most once in the
	// interval. The runtime alone would take minutes where nothing happens.
	enoughShrinks     = 1000
	enoughLastShrinks = 100
	freeInterval      = 10 * time.Second
)

// stackShrinker returns memory to the system after clients have shrunk their
// stacks. The janitor alone uses it.
type stackShrinker struct {
	shrunk int  // clients, since memory was last returned
	active bool // more have just begun to
	freed  time.Time
}

// started notes how many clients have begun to shrink their stacks.
func (s *stackShrinker) started(n int) {
	s.shrunk += n
	s.active = n > 0
}

// freeMemory gives memory back if enough clients have shrunk, or enough memory of
// messages is free.
func (s *stackShrinker) freeMemory(messages *atomic.Int64) {
	enough := s.shrunk >= enoughShrinks || s.shrunk >= enoughLastShrinks && !s.active || messages.Load() >= enoughFreed
	if enough && time.Since(s.freed) >= freeInterval {
		debug.FreeOSMemory()
		s.shrunk, s.freed = 0, time.Now()
		messages.Store(0)
	}
}
