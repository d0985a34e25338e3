// Package walls tests that no client of a pool sees, changes or breaks the session of
// another one. It composes changes of a session's state, runs them through a pool of
// one server connection and without a proxy, and compares everything that the
// clients can observe.
package walls_test

import (
	"context"
	"flag"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	compositions = flag.Int("compositions", 0, "number of random compositions, of all kinds; 0 for a few hundred of those that are equal today")
	first        = flag.Int("first", 0, "number of the first of the random compositions")
	seed         = flag.Uint64("seed", 1, "seed of the random compositions")
	workers      = flag.Int("workers", 2, "number of pools and databases that compare at the same time")
	resetAlways  = flag.Bool("reset-always", false, "with server_reset_query_always")
	shrinks      = flag.Int("shrinks", 200, "number of failures that are made smaller and printed")
)

// progress is the number of compositions between two lines of progress.
const progress = 5000

// shortForm and shortReset are the numbers of compositions in the suite.
const (
	shortForm  = 150
	shortReset = 60
)

// A client sees the same through a pool that another client uses as it does alone.
func TestNoClientSeesAnother(t *testing.T) {
	if *compositions > 0 {
		compareAtRandom(t, *compositions, startJudges(t, *workers, *resetAlways))
		return
	}
	judges := startJudges(t, *workers, false)
	for _, j := range judges {
		j.skips = func(c composition) bool { return !c.isEqualToday() }
	}
	compareAtRandom(t, shortForm, judges)
}

// With server_reset_query_always a client that has done nothing sees nothing of another
// one, whatever that one has lost.
func TestResetLeavesNothingToSee(t *testing.T) {
	judges := startJudges(t, *workers, true)
	for _, j := range judges {
		j.othersOnly, j.skips = true, func(c composition) bool { return c.isOfKind(notYetReset) }
	}
	compareAtRandom(t, shortReset, judges)
}

// compareAtRandom has judges compare n random compositions.
func compareAtRandom(t *testing.T, n int, judges []*judge) {
	r := newReport()
	var next atomic.Int64
	next.Store(int64(*first))
	last := *first + n
	var all sync.WaitGroup
	size := min(blockSize, max(1, n/len(judges)))
	for _, j := range judges {
		all.Go(func() {
			for first := int(next.Add(int64(size))) - size; first < last; first = int(next.Add(int64(size))) - size {
				end := min(last, first+size)
				if err := r.compareBlock(t, j, first, end); err != nil {
					t.Error(err)
					return
				}
				if done := r.done.Add(int64(end - first)); done/progress > (done-int64(end-first))/progress {
					t.Logf("%d compositions, %d of them not equal, in %s", done, r.unequal.Load(), time.Since(r.began).Round(time.Second))
				}
			}
		})
	}
	all.Wait()
	covered, missing := r.covered.table()
	t.Logf("seed %d:\n%s%s", *seed, r.table(), covered)
	for _, p := range missing {
		t.Errorf("never took effect without a proxy: %s", p)
	}
	if n := r.unequal.Load(); n > 0 {
		t.Errorf("%d compositions are not equal; the %d smallest kinds of them are above", n, len(r.failures))
	}
}

// startJudges starts a server, a second one behind a proxy, and judges for them.
func startJudges(t testing.TB, n int, resets bool) []*judge {
	t.Helper()
	alone, behind := startCluster(t, n), startCluster(t, n)
	socket := startProxy(t, behind, resets)
	f := facts{host: alone.SocketDir(), seeded: seeded(t, alone)}
	findDull(t, alone)
	numbers := &atomic.Int64{}
	var lacks []string
	for _, s := range states {
		if s.needs != "" && !available(t, behind, s.needs) {
			lacks = append(lacks, s.name)
			t.Logf("not compared, because the server has no %s: %s", s.needs, s.name)
		}
	}
	var all []*judge
	for i := range n {
		j := &judge{facts: f, numbers: numbers, lacks: lacks}
		var err error
		if j.direct, err = newSide(alone, databaseOf(i), ""); err != nil {
			t.Fatal(err)
		}
		if j.pooled, err = newSide(behind, databaseOf(i), socket); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(j.close)
		all = append(all, j)
	}
	return all
}

// seeded returns the values that random() returns after setseed(0.5), as an array.
func seeded(t testing.TB, c *cluster) string {
	t.Helper()
	conn, err := c.connect("template")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(context.Background(), "SELECT setseed(0.5); SELECT array_agg(random()) FROM generate_series(1, 30)").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return string(results[1].Rows[0][0])
}

// findDull fills dull.
func findDull(t testing.TB, c *cluster) {
	t.Helper()
	conn, err := c.connect("template")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(context.Background(), "LOAD 'auto_explain'; SELECT name FROM pg_settings WHERE context = 'postmaster'; SHOW ALL").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	dull = map[string]string{}
	for _, row := range results[2].Rows {
		if name := string(row[0]); strings.Contains(name, ".") {
			dull[name] = string(row[1])
		}
	}
	for _, row := range results[1].Rows {
		dull[string(row[0])] = anyValue
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
