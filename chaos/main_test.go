package chaos_test

import (
	"bytes"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The official SDK's metrics library starts this one when it is imported.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
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
