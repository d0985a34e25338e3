package doctor

import (
	"cmp"
	"testing"
	"time"
)

// LimitCheck bounds one check in place of o.Timeout, unless it is bounded already.
func (o *Options) LimitCheck(name string, timeout time.Duration) {
	if o.timeouts == nil {
		o.timeouts = map[string]time.Duration{}
	}
	o.timeouts[name] = cmp.Or(o.timeouts[name], timeout)
}

// SetPollInterval changes the pause between two looks at what is starting,
// until the end of the test.
func SetPollInterval(t testing.TB, d time.Duration) {
	before := pollInterval
	pollInterval = d
	t.Cleanup(func() { pollInterval = before })
}
