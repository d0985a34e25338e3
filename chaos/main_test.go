package chaos_test

import (
	"bytes"
	"fmt"
	"os"
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

// censor takes what the library, the proxies and the local Lakebase log, and
// keeps nothing of it but whether a token was in it.
type censor struct {
	leaked atomic.Bool
}

func (c *censor) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("eyJ")) { // as every JWT begins
		c.leaked.Store(true)
	}
	return len(p), nil
}
