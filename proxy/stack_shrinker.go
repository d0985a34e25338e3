package proxy

import (
	"runtime/debug"
	"time"
)

const (
	// shrinkAfter is the idle time after which a client goes on in a new
	// goroutine: the stack of the old one has grown to serve requests, and would
	// be most of what an idle client costs.
	shrinkAfter = 2 * time.Second

	// maxShrinks is how many clients do so in one round of the janitor.
	maxShrinks = 5000

	// Memory is given back to the system once this many clients have shrunk, or
	// the smaller number if no more are about to, and at most once in the
	// interval. The runtime alone would take minutes where nothing happens.
	enoughShrinks     = 1000
	enoughLastShrinks = 100
	freeInterval      = 10 * time.Second
)

// stackShrinker gives memory back to the system after clients have shrunk their
// stacks. The janitor alone uses it.
type stackShrinker struct {
	shrunk int  // clients, since memory was last given back
	active bool // more have just begun to
	freed  time.Time
}

// started notes how many clients have begun to shrink their stacks.
func (s *stackShrinker) started(n int) {
	s.shrunk += n
	s.active = n > 0
}

// freeMemory gives memory back if enough clients have shrunk.
func (s *stackShrinker) freeMemory() {
	enough := s.shrunk >= enoughShrinks || s.shrunk >= enoughLastShrinks && !s.active
	if enough && time.Since(s.freed) >= freeInterval {
		debug.FreeOSMemory()
		s.shrunk, s.freed = 0, time.Now()
	}
}
