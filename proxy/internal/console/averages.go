package console

import (
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// StatsPeriod is PgBouncer's stats_period: averages cover the time since the
// start of the last complete period, so one to two periods.
const StatsPeriod = time.Minute

// averages keeps earlier totals, from which averages are computed.
type averages struct {
	mu           sync.Mutex
	older, newer totalsAt
}

// totalsAt has the totals of each database at one moment.
type totalsAt struct {
	at     time.Time
	totals map[string]snapshot.Totals // by the name of the database
}

// KeepAverages begins a new period of the averages if the last one is over. The
// proxy calls it every second or so.
func (c *Console) KeepAverages() {
	a := &c.averages
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.newer.at) >= StatsPeriod {
		a.older, a.newer = a.newer, c.totals()
	}
}

// totals returns the totals of now.
func (c *Console) totals() totalsAt {
	now := totalsAt{at: time.Now(), totals: map[string]snapshot.Totals{}}
	for _, p := range c.proxy.Pools() {
		t := now.totals[p.Name()]
		t.Add(p.Totals)
		now.totals[p.Name()] = t
	}
	return now
}

// base returns the totals from which averages are computed.
func (c *Console) base() totalsAt {
	c.averages.mu.Lock()
	defer c.averages.mu.Unlock()
	return c.averages.older
}
