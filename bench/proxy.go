package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/lakebase-go/lakebase/internal/quantile"
)

// proxyBench is our proxy and PgBouncer in front of one server.
type proxyBench struct {
	rounds   int
	span     time.Duration
	before   bool // the peer is another build of lakebase
	dir      string
	programs programs
	upstream *upstream
	ours     *peer
	other    *peer
	grown    []curve
}

// noSlower is the lowest good ratio to another build of the same program.
const noSlower = 0.97

// scale is the size of pgbench's tables: 500,000 accounts, 64 MB.
const scale = 5

// measurements are those of the proxy.
func (b *proxyBench) measurements() []measurement {
	var all []measurement
	for _, t := range b.loads() {
		all = append(all, measurement{t.name(), func(ctx context.Context) ([]row, error) { return b.compare(ctx, t) }})
	}
	if !b.before {
		all = append(all, measurement{"proxy-isolation", b.isolation})
	}
	return append(all,
		measurement{"proxy-first-row", b.firstRow},
		measurement{"proxy-copy-out", b.copyOut},
		measurement{"proxy-idle-memory", b.idleMemory},
		measurement{"proxy-alone", b.alone})
}

// isShort reports whether a run only shows that everything works.
func (b *proxyBench) isShort() bool { return b.span < time.Second }

func (b *proxyBench) start(ctx context.Context, lakebase, before string) (err error) {
	if _, err := raiseFileLimit(2 * maxClients); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("/tmp", "lakebase-bench-"); err != nil {
		return err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil { // not all that runs is ours
		return err
	}
	if b.programs, err = findPrograms(ctx, b.dir, lakebase, before); err != nil {
		return err
	}
	if b.upstream, err = startUpstream(ctx, b.dir, scale); err != nil {
		return err
	}
	if b.ours, err = b.programs.startOurs(b.upstream); err != nil {
		return err
	}
	b.other, err = b.startOther(ctx)
	return err
}

// startOther starts the other side: PgBouncer or another build.
func (b *proxyBench) startOther(ctx context.Context) (*peer, error) {
	return b.startOtherBefore(ctx, b.upstream)
}

// startOtherBefore starts it before another server.
func (b *proxyBench) startOtherBefore(ctx context.Context, u *upstream) (*peer, error) {
	if b.programs.before != "" {
		before, err := b.programs.startLakebase(b.programs.before, u)
		if err == nil {
			before.name = "the other build"
		}
		return before, err
	}
	return b.programs.startPgBouncer(ctx, u, b.dir)
}

func (b *proxyBench) close() {
	for _, p := range []*peer{b.ours, b.other} {
		if p != nil {
			p.stop()
		}
	}
	if b.upstream != nil {
		if err := b.upstream.server.Stop(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
}

// loads are the runs of pgbench, with the ratio to PgBouncer to reach.
func (b *proxyBench) loads() []target {
	targets := []target{
		{load{"simple", 1, false}, 1},
		{load{"extended", 1, false}, 1},
		{load{"prepared", 1, false}, 1},
		{load{"simple", 16, false}, 1.1},
		{load{"extended", 16, false}, 0},
		{load{"prepared", 16, false}, 1.4},
		{load{"simple", 64, false}, 1.1},
		{load{"extended", 64, false}, 0},
		{load{"prepared", 64, false}, 1.4},
		{load{"simple", 500, false}, 1.1},
		{load{"extended", 500, false}, 0},
		{load{"prepared", 500, false}, 1.4},
		{load{"simple", 1000, false}, 1},
		{load{"extended", 1000, false}, 0},
		{load{"prepared", 1000, false}, 1},
		{load{"simple", 16, true}, 1},
	}
	if b.before {
		for i := range targets {
			targets[i].ratio = noSlower
		}
	}
	if b.isShort() {
		return slices.DeleteFunc(targets, func(t target) bool {
			return t.load != load{"simple", 1, false} && t.load != load{"extended", 16, false} &&
				t.load != load{"prepared", 500, false} && !t.connect
		})
	}
	return targets
}

// target is a load with the lowest good ratio of queries a second, 0 for none.
type target struct {
	load
	ratio float64
}

func (t target) name() string {
	name := fmt.Sprintf("proxy-%s-%d", t.protocol, t.clients)
	if t.connect {
		name += "-connect"
	}
	return name
}

// cost is the result of a load on one side: the medians of the rounds.
type cost struct {
	perSecond float64
	cpu       float64 // seconds of the proxy for a million queries
	p50, p99  time.Duration
}

// spanOf is the duration of a load: with many clients the first round, in which
// they log in and prepare, takes longer.
func (b *proxyBench) spanOf(clients int) time.Duration {
	if clients >= 500 && !b.isShort() {
		return 3 * b.span
	}
	return b.span
}

// side is one measurement of l on p.
func (b *proxyBench) side(ctx context.Context, p *peer, l load) (cost, error) {
	before, err := processorTime(p.pid())
	if err != nil {
		return cost{}, err
	}
	r, err := runPgbench(ctx, p, l, b.spanOf(l.clients))
	if err != nil {
		return cost{}, err
	}
	after, err := processorTime(p.pid())
	if err != nil {
		return cost{}, err
	}
	if r.transactions == 0 {
		return cost{}, errors.New("pgbench did nothing in the time it had")
	}
	return cost{
		perSecond: r.perSecond, cpu: (after - before).Seconds() / float64(r.transactions) * 1e6,
		p50: quantile.Of(r.latencies, 0.50), p99: quantile.Of(r.latencies, 0.99),
	}, nil
}

// otherSide is side for PgBouncer, zero if its version lacks the feature.
func (b *proxyBench) otherSide(ctx context.Context, l load) (cost, error) {
	if l.protocol == "prepared" && !b.programs.prepared {
		return cost{}, nil
	}
	return b.side(ctx, b.other, l)
}

// alternate measures both sides round by round, each first in every other round.
func alternate[T any](rounds int, ours, other func() (T, error)) (o, p []T, err error) {
	for round := range rounds {
		sides := []func() (T, error){ours, other}
		results := make([]T, 2)
		for _, i := range []int{round % 2, 1 - round%2} {
			if results[i], err = sides[i](); err != nil {
				return nil, nil, err
			}
		}
		o, p = append(o, results[0]), append(p, results[1])
	}
	return o, p, nil
}

// compare returns the rows of one load: queries a second, processor time, latency.
func (b *proxyBench) compare(ctx context.Context, t target) ([]row, error) {
	ours, other, err := alternate(b.rounds,
		func() (cost, error) { return b.side(ctx, b.ours, t.load) },
		func() (cost, error) { return b.otherSide(ctx, t.load) })
	if err != nil {
		return nil, err
	}
	perSecond := func(c cost) float64 { return c.perSecond }
	cpu := func(c cost) float64 { return c.cpu }
	speed := ratioRow(each(ours, perSecond), each(other, perSecond), "%.0f")
	speed.What, speed.Group = t.String(), groupSpeed
	if speed.Met = speed.ratio >= t.ratio; t.ratio > 0 {
		speed.Target = fmt.Sprintf("at least %.2f", t.ratio)
	}
	work := ratioRow(each(ours, cpu), each(other, cpu), "%.1f")
	work.What, work.Group = t.String(), groupCPU
	work.Met = true
	if t.clients >= 16 && !t.connect {
		work.Target, work.Met = "at most 1.00", work.ratio <= 1
	}
	if b.before {
		work.Target, work.Met = fmt.Sprintf("at most %.2f", 1/noSlower), work.ratio <= 1/noSlower
	}
	p50, p99 := func(c cost) float64 { return ms(c.p50) }, func(c cost) float64 { return ms(c.p99) }
	slow := ratioRow(each(ours, p99), each(other, p99), "%.2f")
	slow.What, slow.Group, slow.Met = t.String(), groupLatency, true
	slow.Ours = fmt.Sprintf("%.2f / %s", median(each(ours, p50)), slow.Ours)
	if !math.IsNaN(slow.ratio) {
		slow.Peer = fmt.Sprintf("%.2f / %s", median(each(other, p50)), slow.Peer)
	}
	rows := []row{speed, work, slow}
	if t.connect {
		rows = rows[:2] // pgbench does not say how long the connecting took
	}
	for i := range rows {
		if math.IsNaN(rows[i].ratio) {
			rows[i].Target, rows[i].Met = "", true
		}
	}
	return rows, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func each[T any](v []T, f func(T) float64) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = f(v[i])
	}
	return out
}

// ratioRow compares the medians of the rounds. The spread is that of the rounds'
// ratios. A peer that lacks the feature has no ratio.
func ratioRow(ours, other []float64, format string) row {
	o, p := median(ours), median(other)
	if p == 0 {
		return row{Ours: fmt.Sprintf(format, o), Peer: "cannot", ratio: math.NaN()}
	}
	var ratios []float64
	for i := range ours {
		ratios = append(ratios, ours[i]/other[i])
	}
	return row{
		Ours: fmt.Sprintf(format, o), Peer: fmt.Sprintf(format, p), ratio: o / p, Ratio: fmt.Sprintf("%.2f", o/p),
		Spread: fmt.Sprintf("%.2f-%.2f", slices.Min(ratios), slices.Max(ratios)),
	}
}

// fresh restarts both proxies, so that earlier loads have no effect, and calls
// measure with each.
func (b *proxyBench) fresh(ctx context.Context, measure func(*peer) error) error {
	for _, start := range []func() (*peer, error){
		func() (*peer, error) { return b.programs.startOurs(b.upstream) },
		func() (*peer, error) { return b.startOther(ctx) },
	} {
		p, err := start()
		if err != nil {
			return err
		}
		err = measure(p)
		p.stop()
		if err != nil {
			return err
		}
	}
	return nil
}
