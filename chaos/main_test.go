package chaos_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := leaks(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// leaks waits until no goroutine is left. Abandoned lookups end seconds later.
func leaks() (err error) {
	for deadline := time.Now().Add(soon); time.Now().Before(deadline); {
		// The official SDK's metrics library starts this one when it is imported.
		if err = goleak.Find(goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start")); err == nil {
			return nil
		}
	}
	return err
}

// logRecorder receives the logs of the library, the proxies and the local
// Lakebase. It looks for tokens, and keeps the library's last lines: they show why
// a login took long, which the error at its end does not.
type logRecorder struct {
	leaked atomic.Bool

	mu   sync.Mutex
	last []string
}

// keptLines is enough for some seconds in which every login fails.
const keptLines = 200

func (c *logRecorder) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("eyJ")) { // the beginning of every JWT
		c.leaked.Store(true)
	}
	if bytes.Contains(p, []byte(`msg="lakebase: `)) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.last = append(c.last[max(0, len(c.last)-keptLines+1):], string(p))
	}
	return len(p), nil
}

// tail returns the library's last lines.
func (c *logRecorder) tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.last, "")
}
