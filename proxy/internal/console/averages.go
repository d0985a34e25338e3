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

func newAverages(now time.Time) *averages {
	return &averages{older: totalsAt{at: now}, newer: totalsAt{at: now}}
}

// keep begins a new period if the last one is over.
func (a *averages) keep(p Proxy) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.newer.at) >= StatsPeriod {
		a.older, a.newer = a.newer, totalsNow(p.Snapshot())
	}
}

// since returns the totals from which averages are computed.
func (a *averages) since() totalsAt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.older
}

// totalsAt has the totals of each database at one moment.
type totalsAt struct {
	at     time.Time
	totals map[string]snapshot.Totals // by the name of the database
}

func totalsNow(s *snapshot.Proxy) totalsAt {
	now := totalsAt{at: time.Now(), totals: map[string]snapshot.Totals{}}
	for _, p := range s.Pools {
		t := now.totals[p.Name()]
		t.Add(p.Totals)
		now.totals[p.Name()] = t
	}
	return now
}

// sum returns the totals of all databases together.
func (t totalsAt) sum() (sum snapshot.Totals) {
	for _, one := range t.totals {
		sum.Add(one)
	}
	return sum
}
