package monitor

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakebase-go/lakebase/internal/history"
	"github.com/lakebase-go/lakebase/internal/statuspage"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// busy is a proxy of two pools, of which the first has twice the load.
func busy(began time.Time) *snapshot.Proxy {
	pool := func(name string, load uint64) snapshot.Pool {
		n := load * uint64(time.Since(began)/time.Second)
		return snapshot.Pool{Target: "shop", Database: name, Mode: snapshot.TransactionMode, ClientsWaiting: int(load), Totals: snapshot.Totals{
			Queries: 20 * n, Transactions: 10 * n, Assignments: 10 * n, QueryTime: time.Duration(n) * 40 * time.Millisecond, Sent: 1000 * n}}
	}
	return &snapshot.Proxy{Failed: int64(time.Since(began) / time.Second), Pools: []snapshot.Pool{pool("shop", 2), pool("stock", 1)},
		Targets: []snapshot.Target{{Name: "shop", TokenExpiry: began.Add(time.Hour)}, {Name: "unused"}}}
}

func TestPlotsShowPoolsAndAllOfThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m := &Monitor{recorder: history.New(sampleInterval, keptTime, func() sample { return newSample(busy(began)) })}
		go m.recorder.Run(t.Context())
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		now := func(plots []statuspage.Plot, id, line string) string {
			for _, p := range plots {
				for _, l := range p.Lines {
					if p.ID == id && l.Name == line {
						return l.Now
					}
				}
			}
			return "no line"
		}
		for _, c := range []struct{ pool, plot, line, want string }{
			{"", "requests", "Queries", "60"}, {"shop", "requests", "Queries", "40"}, {"shop/stock", "requests", "Queries", "20"},
			{"", "requests", "Transactions", "30"}, {"", "times", "Query", "2.0 ms"}, {"shop", "times", "Wait for a server", "0"},
			{"", "clients", "Waiting", "3"}, {"shop", "clients", "Waiting", "2"},
			{"shop/stock", "traffic", "Sent", "1.0 kB"}, {"", "failures", "Client logins", "60"},
			{"", "tokens", "shop", "57 min"}, {"", "tokens", "unused", "–"},
		} {
			if got := now(m.plots(c.pool, busy(began)), c.plot, c.line); got != c.want {
				t.Errorf("%s of %s, pool %q: %q, want %q", c.line, c.plot, c.pool, got, c.want)
			}
		}
	})
}

// varied is a proxy whose values change all the time.
type varied struct{ Proxy }

func (varied) Ready() error { return nil }

func (varied) Snapshot() *snapshot.Proxy {
	n := func(most int) int { return rand.IntN(most) }
	at := uint64(time.Now().Unix())
	return &snapshot.Proxy{Pools: []snapshot.Pool{{Target: "shop", Mode: snapshot.TransactionMode, ClientsActive: n(100), ClientsIdle: n(100), ClientsWaiting: n(100),
		ServersActive: n(20), ServersIdle: n(20), ServersConnecting: n(20), Totals: snapshot.Totals{Queries: at * uint64(1000+n(10)), Transactions: at * uint64(1000+n(10)),
			Assignments: at * 1000, QueryTime: time.Duration(at) * time.Duration(n(1000)), TransactionTime: time.Duration(at), WaitTime: time.Duration(at)}}},
		Targets: []snapshot.Target{{Name: "shop", TokenExpiry: time.Now().Add(time.Duration(n(1000)) * time.Second)}}}
}

// A browser gets the whole page every five seconds.
func TestPagesAreSmall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &Monitor{proxy: varied{}, recorder: newRecorder(varied{})}
		go m.recorder.Run(t.Context())
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		answer := httptest.NewRecorder()
		m.page("overview", m.overview)(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		if n := answer.Body.Len(); answer.Code != http.StatusOK || n < 10<<10 || n > 40<<10 {
			t.Errorf("%d, %d bytes", answer.Code, n)
		}
		t.Log(answer.Body.Len(), "bytes")
	})
}

// Clients choose the names of databases, so there can be any number.
func TestSamplesAreBounded(t *testing.T) {
	t.Parallel()
	now := &snapshot.Proxy{}
	for i := range 1000 {
		now.Pools = append(now.Pools, snapshot.Pool{Target: "shop", Database: fmt.Sprint(i), ClientsActive: 1})
		now.Targets = append(now.Targets, snapshot.Target{Name: fmt.Sprint(i), TokenExpiry: time.Now()})
	}
	s := newSample(now)
	if len(s.pools) != recordedPools || len(s.expiry) != recordedTargets {
		t.Errorf("a sample has %d pools and %d targets", len(s.pools), len(s.expiry))
	}
	if s.all.ClientsActive != 1000 {
		t.Errorf("the sum has %d clients", s.all.ClientsActive)
	}
	if lines := expiryLines(now.Targets); len(lines) != statuspage.MaxLines || slices.IndexFunc(lines, func(l line) bool { return l.Name == "" }) >= 0 {
		t.Errorf("lines %v", lines)
	}
}
