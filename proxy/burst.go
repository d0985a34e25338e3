package proxy

import (
	"log/slog"
	"sync"
	"time"
)

// burstInterval is the least time between two lines of a burst.
const burstInterval = time.Second

// burst logs what clients or a lack of resources can cause at any rate: a line a
// second at most. The zero value is ready to use.
type burst struct {
	mu     sync.Mutex // guards what follows
	logged time.Time
	more   int // lines left out since
}

// warn logs a line, with the number of those that were left out before it, unless
// another one was logged within the interval.
func (b *burst) warn(log *slog.Logger, message string, attributes ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if now.Sub(b.logged) < burstInterval {
		b.more++
		return
	}
	if b.more > 0 {
		attributes = append(attributes, "before", b.more)
	}
	b.logged, b.more = now, 0
	log.Warn(message, attributes...)
}
