package proxy

import (
	"math/rand/v2"
	"time"
)

const (
	// maxLogins is how many logins to a database may be in flight at once.
	maxLogins = 8

	// After a failed login the next one waits, longer each time, with jitter.
	minLoginRetry = 100 * time.Millisecond
	maxLoginRetry = 2 * time.Second
)

// loginPacer decides when a pool may log in. A sleeping database gets one login,
// one that is up gets as many as the pool has server connections, and after a
// failure there is a pause. The pool's mutex guards it.
type loginPacer struct {
	inFlight  int
	pause     time.Duration // after the last failure, 0 after a success
	until     time.Time     // the end of the pause
	lastError string        // empty after a success
}

// room is how many logins may begin in a pool that has live server connections.
func (l *loginPacer) room(live int) int {
	if l.isPausing() {
		return 0
	}
	return min(max(live, 1), maxLogins) - l.inFlight
}

// isPausing reports whether a failed login keeps the next one from beginning.
func (l *loginPacer) isPausing() bool { return time.Now().Before(l.until) }

// areFailing reports whether the last login has failed.
func (l *loginPacer) areFailing() bool { return l.pause > 0 }

// succeeded ends a login.
func (l *loginPacer) succeeded() {
	*l = loginPacer{inFlight: l.inFlight - 1}
}

// failed ends a login.
func (l *loginPacer) failed(err error) {
	l.inFlight--
	l.lastError = err.Error()
	l.pause = min(max(2*l.pause, minLoginRetry), maxLoginRetry)
	l.until = time.Now().Add(l.pause/2 + rand.N(l.pause))
}
