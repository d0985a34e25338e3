package doctor

import (
	"strings"
	"sync"
)

// Log collects what the library logs during a [Run]. It is safe for concurrent
// use, also after the run: an abandoned login still writes to it. The zero
// value is empty.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
