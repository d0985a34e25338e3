// Command bench measures this project beside its peers in one run, and prints
// tables: the library beside a bare pgx on one local Lakebase, the command line
// beside psql, and the proxy beside PgBouncer in front of one PostgreSQL. The two
// sides of a pair alternate for several rounds, and the result is the medians with
// their spread, so that a busy machine affects both sides alike.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 7, "measurements of each side of a pair in the library")
	flag.DurationVar(&o.span, "span", time.Second, "length of one such measurement")
	flag.IntVar(&o.proxyRounds, "proxy-rounds", 5, "measurements of each side in the proxy")
	flag.DurationVar(&o.proxySpan, "proxy-span", 3*time.Second, "length of one such measurement, a whole number of seconds for pgbench; three times that from 500 clients on")
	flag.StringVar(&o.only, "only", "", "regular expression that chooses among the measurements")
	flag.StringVar(&o.lakebase, "lakebase", "", "the program to measure as proxy and command line; empty builds it")
	flag.StringVar(&o.before, "before", "", "another build of lakebase to measure the proxy beside, instead of PgBouncer")
	flag.StringVar(&o.growth, "growth", "", "measure how costs grow, too, and draw that into this directory")
	flag.BoolVar(&o.asJSON, "json", false, "print JSON instead of Markdown")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds, proxyRounds int
	span, proxySpan     time.Duration
	only, lakebase      string
	before              string
	growth              string
	asJSON              bool
}

// measurement is one part of a run.
type measurement struct {
	name string
	run  func(context.Context) ([]row, error)
}

func run(ctx context.Context, o options) error {
	wanted, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	out := report{
		Date:        time.Now().UTC().Format(time.DateOnly),
		Machine:     fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		Load:        loadAverage(),
		Rounds:      o.rounds,
		ProxyRounds: o.proxyRounds,
	}
	began := time.Now()
	for _, group := range []func(context.Context, options, *regexp.Regexp, *report) error{library, proxies} {
		if err := group(ctx, o, wanted, &out); err != nil {
			return err
		}
	}
	out.Took = time.Since(began).Round(time.Second).String()
	if o.asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(out)
	}
	out.markdown(os.Stdout)
	return nil
}

// chosen are the measurements that the user has selected.
func chosen(all []measurement, wanted *regexp.Regexp) []measurement {
	return slices.DeleteFunc(all, func(m measurement) bool { return !wanted.MatchString(m.name) })
}

// measure runs the measurements one after another, and reports progress.
func (r *report) measure(ctx context.Context, all []measurement) error {
	for _, m := range all {
		rows, err := m.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, row := range rows {
			fmt.Fprintf(os.Stderr, "%s: %s: %s %s %s\n", cmp.Or(row.Group, groupLibrary), row.What, row.Ours, row.Peer, row.Ratio)
		}
		r.Rows = append(r.Rows, rows...)
	}
	return nil
}

// library measures the library and the command line on a local Lakebase.
func library(ctx context.Context, o options, wanted *regexp.Regexp, out *report) error {
	var b *bench
	one := func(f func(*bench, context.Context) (row, error)) func(context.Context) ([]row, error) {
		return func(ctx context.Context) ([]row, error) {
			r, err := f(b, ctx)
			return []row{r}, err
		}
	}
	all := chosen([]measurement{
		{"before-connect", one((*bench).beforeConnect)},
		{"query", one((*bench).query)},
		{"parallel-queries", one((*bench).parallelQueries)},
		{"connect", one((*bench).connect)},
		{"empty-cache", one((*bench).emptyCache)},
		{"outage", one((*bench).outage)},
		{"local-start", one((*bench).localStart)},
		{"cli", func(ctx context.Context) ([]row, error) { return b.commandLine(ctx) }},
	}, wanted)
	if len(all) == 0 {
		return nil
	}
	var err error
	if b, err = newBench(ctx, o); err != nil {
		return err
	}
	defer b.close()
	return out.measure(ctx, all)
}

// proxies measures the proxy beside PgBouncer.
func proxies(ctx context.Context, o options, wanted *regexp.Regexp, out *report) error {
	b := &proxyBench{rounds: o.proxyRounds, span: o.proxySpan, before: o.before != ""}
	measurements := b.measurements()
	if o.growth != "" {
		measurements = append(measurements, b.curves()...)
	}
	all := chosen(measurements, wanted)
	if len(all) == 0 {
		return nil
	}
	if !canMeasureProcesses {
		fmt.Fprintln(os.Stderr, "the proxy is measured on Linux only")
		return nil
	}
	if err := b.start(ctx, o.lakebase, o.before); err != nil {
		b.close()
		return err
	}
	defer b.close()
	out.ProxyPeer, out.Postgres = b.programs.peerVersion, b.upstream.version
	fmt.Fprintln(os.Stderr, "beside", out.ProxyPeer)
	if err := out.measure(ctx, all); err != nil {
		return err
	}
	out.Curves = b.grown
	for _, c := range b.grown {
		if err := c.draw(o.growth); err != nil {
			return err
		}
	}
	return nil
}
