package doctor

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/steps"
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

// JudgeTime judges a check that passed and took so long, at that round-trip time to
// the server.
func JudgeTime(check string, took, roundTrip time.Duration) Result {
	v := &visit{options: Options{Slow: time.Second}, roundTrip: roundTrip}
	return v.judgeTime(context.Background(), check, found(nil, "passed"), took)
}

// ExplainSilence explains that a host drops packets.
func ExplainSilence(host string, private bool) (meaning, action string) {
	return explainSilence(steps.Server{Host: host, Port: 5432}, private)
}
