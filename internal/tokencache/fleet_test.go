package tokencache_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakebase-go/lakebase/internal/tokencache"
)

const smallFleet = 300

var fleetSize = flag.Int("fleet", smallFleet, "processes of TestFleet; more than the default go through an outage of an hour too")

// fleet is a number of processes with a cache each, that started within a minute.
// Each uses its token now and then; none shares anything with another.
type fleet struct {
	size  int
	start time.Time
	down  atomic.Int64 // end of the outage, in seconds since start
	calls []atomic.Int32
}

// fleetHours is how long a fleet is watched.
const fleetHours = 4

func (f *fleet) second() int64 { return int64(time.Since(f.start) / time.Second) }

// serve is the workspace.
func (f *fleet) serve(ctx context.Context) (tokencache.Credential, error) {
	f.calls[f.second()].Add(1)
	time.Sleep(100 * time.Millisecond)
	if f.second() < f.down.Load() {
		return tokencache.Credential{}, outage{}
	}
	return tokencache.Credential{Secret: "s", Lifetime: time.Hour}, nil
}

// live is one process that logs in every few minutes, and waits for it.
func (f *fleet) live(ctx context.Context, seed, stream uint64) {
	rnd := rand.New(rand.NewPCG(seed, stream))
	jitter := rand.New(rand.NewPCG(seed, stream+1)) // the cache's own
	time.Sleep(time.Duration(rnd.Int64N(int64(time.Minute))))
	c := tokencache.New(tokencache.Options{
		Fetch: f.serve, Terminal: judgeFake, RefreshAge: 50 * time.Minute, Rand: jitter.Float64, Logger: slog.New(slog.DiscardHandler),
	})
	defer c.Close()
	for ctx.Err() == nil {
		_, _ = c.Get(ctx)
		select {
		case <-time.After(time.Minute + time.Duration(rnd.Int64N(int64(2*time.Minute)))):
		case <-ctx.Done():
		}
	}
}

// peak returns the most calls per second in a window of the given length that
// begins in [from, to), all in seconds.
func (f *fleet) peak(from, to, window int64) float64 {
	most := int32(0)
	for i := from; i < to; i++ {
		sum := int32(0)
		for j := range window {
			sum += f.calls[i+j].Load()
		}
		most = max(most, sum)
	}
	return float64(most) / float64(window)
}

// TestFleet shows what a fleet asks of the workspace: `go test -run TestFleet -v
// -fleet 10000` prints it for a large one. While nothing is wrong, the peak stays
// under twice the mean of a fleet whose refreshes are spread evenly, from the
// first hour. After an outage it is at most what the jitter of those that wait
// can give, for one moment, and the fleet does not come back as one later.
func TestFleet(t *testing.T) {
	t.Parallel()
	outages := []time.Duration{0, time.Minute, 10 * time.Minute}
	if *fleetSize > smallFleet {
		outages = append(outages, time.Hour) // millions of attempts
	}
	for _, outageOf := range outages {
		t.Run(fmt.Sprintf("outage=%s", outageOf), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { watchFleet(t, *fleetSize, outageOf) })
		})
	}
}

func watchFleet(t *testing.T, size int, outageOf time.Duration) {
	f := &fleet{size: size, start: time.Now(), calls: make([]atomic.Int32, fleetHours*3600+120)}
	ctx, cancel := context.WithTimeout(t.Context(), fleetHours*time.Hour)
	defer cancel()
	var processes sync.WaitGroup
	defer processes.Wait()
	for i := range size {
		processes.Go(func() { f.live(ctx, uint64(i), uint64(outageOf)) })
	}
	const outageAt = 90 * 60
	time.Sleep(outageAt * time.Second)
	back := int64(outageAt) + int64(outageOf/time.Second)
	f.down.Store(back)
	<-ctx.Done()

	mean := float64(size) / (47.5 * 60) // a refresh at 45 to 50 minutes each
	window := max(10, int64(100/mean))  // long enough for the peak not to be chance
	const settled = 120                 // seconds until all have started
	before := f.peak(settled, outageAt-window, window)
	t.Logf("%d processes: start %.1f calls/s at most, mean of a spread-out fleet %.2f, steady peak %.2f (%.2f times, over %d s)",
		size, f.peak(0, settled, 1), mean, before, before/mean, window)
	steady := map[string]float64{"before": before}
	if outageOf > 0 {
		during := f.peak(outageAt, back-1, 1)
		atReturn := f.peak(back-1, back+10, 1)
		after := f.peak(back+120, fleetHours*3600-window, window)
		// Those that wait come back within 2 seconds, by a jitter whose density is
		// highest at its beginning: at most 1/1.15 of them in one second.
		bound := float64(size) / 1.15
		t.Logf("outage of %s: %.1f calls/s at most during it, %.1f at its end (the jitter can give %.1f), steady peak after it %.2f (%.2f times)",
			outageOf, during, atReturn, bound, after, after/mean)
		if atReturn > bound {
			t.Errorf("%.1f calls/s at the end of the outage, want at most %.1f", atReturn, bound)
		}
		steady["after"] = after
	}
	for when, peak := range steady {
		if peak > 2*mean {
			t.Errorf("%s: a peak of %.2f calls/s, want less than twice %.2f", when, peak, mean)
		}
	}
}
