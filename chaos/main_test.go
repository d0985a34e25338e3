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

// leaks waits until no goroutine is left. Lookups that were given up go on for
// some seconds.
func leaks() (err error) {
	for deadline := time.Now().Add(soon); time.Now().Before(deadline); {
		// The official SDK's metrics library starts this one when it is imported.
		if err = goleak.Find(goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start")); err == nil {
			return nil
		}
	}
	return err
}

// censor takes what the library, the proxies and the local Lakebase log. It
// looks for tokens in it, and keeps what the library said last: there is why a
// login took as long as it did, which the error at its end leaves out.
type censor struct {
	leaked atomic.Bool

	mu   sync.Mutex
	last []string
}

// keptLines are those of some seconds in which every login fails.
const keptLines = 200

func (c *censor) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("eyJ")) { // as every JWT begins
		c.leaked.Store(true)
	}
	if bytes.Contains(p, []byte(`msg="lakebase: `)) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.last = append(c.last[max(0, len(c.last)-keptLines+1):], string(p))
	}
	return len(p), nil
}

// tail is what the library said last.
func (c *censor) tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.last, "")
}
