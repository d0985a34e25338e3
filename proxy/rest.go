package proxy

import (
	"runtime/debug"
	"time"
)

const (
	// restAfter is after what silence a client goes on in a new goroutine:
	// what the stack of the old one has grown by to serve a request would
	// otherwise be the greater part of what a silent client costs.
	restAfter = 2 * time.Second

	// restAtOnce is how many do so at a time.
	restAtOnce = 5000

	// freeFor is how many clients must have done so for it to be worthwhile to
	// give memory back to the system, freeForLast how many if no more are about
	// to, and freeEvery how often that is done at most: the runtime alone would
	// take minutes where nothing happens.
	freeFor     = 1000
	freeForLast = 100
	freeEvery   = 10 * time.Second
)

// restSilent has clients rest that are silent, and end that have been for the
// limit, if there is one. It returns how many are to rest.
func (s *Server) restSilent(limit time.Duration) (resting int) {
	s.mu.Lock()
	clients := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		clients = append(clients, c)
	}
	s.mu.Unlock()
	for _, c := range clients {
		c.mu.Lock()
		t, ok := c.talker.(*pooled)
		c.mu.Unlock()
		if !ok {
			continue
		}
		switch silence := t.silence(); {
		case limit > 0 && silence >= limit:
			t.wake(orderIdle)
		case silence >= restAfter && resting < restAtOnce && t.rested.Load() != t.asked.Load():
			resting++
			t.wake(orderRest)
		}
	}
	return resting
}

// rest is what has been freed by clients that rest.
type rest struct {
	clients int  // since memory was last given back
	more    bool // some have begun to just now
	freed   time.Time
}

// free gives memory back if it is worthwhile, before more clients rest.
func (r *rest) free() {
	enough := r.clients >= freeFor || r.clients >= freeForLast && !r.more
	if enough && time.Since(r.freed) >= freeEvery {
		debug.FreeOSMemory()
		r.clients, r.freed = 0, time.Now()
	}
}
