// Command bench measures this project beside its peers, in one run against
// one local Lakebase, and prints one table. Each pair is measured in
// alternation, several rounds, and reported as medians with their spread, so
// that a noisy machine blurs both sides alike.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 7, "measurements of each side of a pair")
	span := flag.Duration("span", time.Second, "length of one measurement")
	asJSON := flag.Bool("json", false, "print JSON instead of a Markdown table")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rounds, *span, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// report is everything one run found.
type report struct {
	Date    string `json:"date"`
	Machine string `json:"machine"`
	Rounds  int    `json:"rounds"`
	Rows    []row  `json:"rows"`
}

// row is one line of the table: what was measured, ours and the peer's.
type row struct {
	What   string `json:"what"`
	Ours   string `json:"ours"`
	Peer   string `json:"peer,omitempty"`
	Ratio  string `json:"ratio,omitempty"`
	Spread string `json:"spread,omitempty"`
	Target string `json:"target"`
	Met    bool   `json:"met"`
}

func run(ctx context.Context, rounds int, span time.Duration, asJSON bool) error {
	b, err := newBench(ctx, rounds, span)
	if err != nil {
		return err
	}
	defer b.close()

	out := report{
		Date:    time.Now().UTC().Format(time.DateOnly),
		Machine: fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		Rounds:  rounds,
	}
	for _, measure := range []func(context.Context) (row, error){
		b.beforeConnect,
		b.query,
		b.parallelQueries,
		b.connect,
		b.emptyCache,
		b.outage,
		b.localStart,
	} {
		r, err := measure(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s: %s\n", r.What, r.Ours)
		out.Rows = append(out.Rows, r)
	}
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(out)
	}
	out.markdown(os.Stdout)
	return nil
}
