package console

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// stat is one of PgBouncer's statistics. Each command has its own name for it.
type stat struct {
	total, avg       string // in SHOW STATS, without total_ and avg_
	totals, averages string // in SHOW STATS_TOTALS and SHOW STATS_AVERAGES
	list             string // in SHOW TOTALS
	of               func(*snapshot.Totals) uint64
	per              func(*snapshot.Totals) uint64 // what the average is over; nil for seconds
}

// stats are PgBouncer's, in its order. One without of is not counted, and 0.
var stats = []stat{
	named("server_assignment_count", func(t *snapshot.Totals) uint64 { return t.Assignments }, nil),
	named("xact_count", func(t *snapshot.Totals) uint64 { return t.Transactions }, nil),
	named("query_count", func(t *snapshot.Totals) uint64 { return t.Queries }, nil),
	{"received", "recv", "bytes_received", "bytes_received", "client_bytes", func(t *snapshot.Totals) uint64 { return t.Received }, nil},
	{"sent", "sent", "bytes_sent", "bytes_sent", "server_bytes", func(t *snapshot.Totals) uint64 { return t.Sent }, nil},
	named("xact_time", func(t *snapshot.Totals) uint64 { return microseconds(t.TransactionTime) }, func(t *snapshot.Totals) uint64 { return t.Transactions }),
	named("query_time", func(t *snapshot.Totals) uint64 { return microseconds(t.QueryTime) }, func(t *snapshot.Totals) uint64 { return t.Queries }),
	named("wait_time", func(t *snapshot.Totals) uint64 { return microseconds(t.WaitTime) }, func(t *snapshot.Totals) uint64 { return t.Assignments }),
	{"client_parse_count", "client_parse_count", "client_parse_count", "avg_client_parse_count", "ps_client_parse_count", nil, nil},
	{"server_parse_count", "server_parse_count", "server_parse_count", "avg_server_parse_count", "ps_server_parse_count", nil, nil},
	{"bind_count", "bind_count", "bind_count", "avg_bind_count", "ps_bind_count", nil, nil},
}

// ownStats are those that PgBouncer does not have.
var ownStats = []stat{
	{"client_login_count", "client_login_count", "client_login_count", "avg_client_login_count", "client_login_count", func(t *snapshot.Totals) uint64 { return t.Sessions }, nil},
}

// named returns a statistic with one name for all commands.
func named(name string, of, per func(*snapshot.Totals) uint64) stat {
	return stat{name, name, name, name, name, of, per}
}

func microseconds(d time.Duration) uint64 { return uint64(max(d.Microseconds(), 0)) }

func inTotal(s stat) string      { return "total_" + s.total }
func inAverage(s stat) string    { return "avg_" + s.avg }
func alone(s stat) string        { return s.totals }
func aloneAverage(s stat) string { return s.averages }

// statColumns returns a column for each of some statistics, by each of names.
func statColumns(stats []stat, names ...func(stat) string) (columns []column) {
	for _, name := range names {
		for _, s := range stats {
			columns = append(columns, numeric(name(s))...)
		}
	}
	return columns
}

// value returns the statistic, 0 if it is not counted.
func (s stat) value(t snapshot.Totals) uint64 {
	if s.of == nil {
		return 0
	}
	return s.of(&t)
}

// average returns the statistic's average in a time, 0 if it is not counted.
func (s stat) average(then, now snapshot.Totals, time time.Duration) int64 {
	if s.of == nil {
		return 0
	}
	more := float64(s.of(&now)) - float64(s.of(&then))
	over := time.Seconds()
	if s.per != nil {
		over = float64(s.per(&now)) - float64(s.per(&then))
	}
	if over > 0 && more > 0 { // totals shrink when a target is removed
		return int64(more / over)
	}
	return 0
}

// showStats returns a command that shows the totals and averages of each
// database.
func showStats(a *averages, totals, averages bool) func(*snapshot.Proxy) []row {
	return func(s *snapshot.Proxy) (rows []row) {
		then, now := a.since(), totalsNow(s)
		for _, database := range slices.Sorted(maps.Keys(now.totals)) {
			r := row{database}
			for _, some := range [][]stat{stats, ownStats} {
				for _, one := range some {
					if totals {
						r = append(r, one.value(now.totals[database]))
					}
				}
				for _, one := range some {
					if averages {
						r = append(r, one.average(then.totals[database], now.totals[database], now.at.Sub(then.at)))
					}
				}
			}
			rows = append(rows, r)
		}
		return rows
	}
}

func showTotals(a *averages) func(*snapshot.Proxy) []row {
	return func(s *snapshot.Proxy) (rows []row) {
		then, now := a.since(), totalsNow(s)
		for _, some := range [][]stat{stats, ownStats} {
			for _, one := range some {
				rows = append(rows, row{"total_" + one.list, one.value(now.sum())})
			}
			for _, one := range some {
				rows = append(rows, row{"avg_" + one.list, one.average(then.sum(), now.sum(), now.at.Sub(then.at))})
			}
		}
		return rows
	}
}

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
