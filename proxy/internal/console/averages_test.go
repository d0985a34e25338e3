package console

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// counting is a proxy with one pool.
type counting struct {
	Proxy
	totals snapshot.Totals
}

func (c *counting) Snapshot() *snapshot.Proxy {
	return &snapshot.Proxy{Pools: []snapshot.Pool{{Target: "shop", Database: "shop", Totals: c.totals}}}
}

// Averages cover the time since the last complete period began, at most two
// periods.
func TestAveragesCoverOneToTwoPeriods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proxy := &counting{}
		c := New(proxy, "", slog.New(slog.DiscardHandler))
		perSecond := func() int64 {
			then, now := c.averages.since(), totalsNow(proxy.Snapshot())
			return stats[2].average(then.totals["shop"], now.totals["shop"], now.at.Sub(then.at)) // queries
		}
		step := func(n int, queries uint64) {
			for range n {
				time.Sleep(time.Second)
				proxy.totals.Queries += queries
				c.KeepAverages()
			}
		}
		step(30, 10)
		if got := perSecond(); got != 10 {
			t.Errorf("%d queries a second in the first period, want 10", got)
		}
		step(90, 20) // two minutes in all
		if got := perSecond(); got != 20 {
			t.Errorf("%d queries a second, want the 20 of the last minute and not the 10 before", got)
		}
		step(59, 0)
		if got := perSecond(); got != 10 {
			t.Errorf("%d queries a second, want the mean of 20 and 0", got)
		}
		step(1, 0)
		if got := perSecond(); got != 0 {
			t.Errorf("%d queries a second after a whole period without any", got)
		}
	})
}
