package chaos_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// use is what the process takes while nobody has a connection.
type use struct {
	goroutines int
	heap       uint64
}

// spareGoroutines come and go: a refresh, a lookup, an end.
const spareGoroutines = 5

// quiet waits until nobody asks, closes every connection, and measures what is
// left. That should become what there was before.
func (w *world) quiet(before *use) use {
	w.gate.Lock()
	defer w.gate.Unlock()
	for _, c := range w.clients {
		c.close()
	}
	for _, y := range w.ways {
		if err := y.forsake(); err != nil {
			w.wrong("%s: %v", y.name, err)
		}
	}
	w.await(soon, "every connection is closed", func() bool { return w.server.Stats().Connections <= 1 })
	if before != nil {
		w.await(soon, "as many goroutines have ended as have begun", func() bool {
			return len(goroutines()) <= before.goroutines+spareGoroutines
		})
	}
	// What has been given back is counted as such only after a while.
	u := use{goroutines: math.MaxInt, heap: math.MaxUint64}
	var memory runtime.MemStats
	for range 10 {
		runtime.GC()
		runtime.ReadMemStats(&memory)
		u = use{min(u.goroutines, len(goroutines())), min(u.heap, memory.HeapAlloc)}
		time.Sleep(20 * time.Millisecond)
	}
	return u
}

// goroutines are the stacks of all but lookups that were given up, which go on
// for some seconds where a name server does not answer.
func goroutines() []string {
	all := make([]byte, 1<<20)
	n := runtime.Stack(all, true)
	for n == len(all) {
		all = make([]byte, 2*len(all))
		n = runtime.Stack(all, true)
	}
	return slices.DeleteFunc(strings.Split(string(all[:n]), "\n\n"), func(stack string) bool { return strings.Contains(stack, "net.(*Resolver).") })
}

// compareUse judges whether something has been left behind.
func (w *world) compareUse(before, after use) {
	if w.failed.Load() {
		return // nobody has waited for the rest to end
	}
	w.t.Logf("%d goroutines and %.1f MB in use before the first fault, %d and %.1f MB after the last",
		before.goroutines, float64(before.heap)/1e6, after.goroutines, float64(after.heap)/1e6)
	if after.goroutines > before.goroutines+spareGoroutines {
		w.wrong("there are %d goroutines, and were %d:\n%s", after.goroutines, before.goroutines, strings.Join(goroutines(), "\n\n"))
	}
	if after.heap > before.heap+before.heap/4+4<<20 {
		w.wrong("the heap has grown from %d to %d bytes", before.heap, after.heap)
	}
}

// judge compares what the clients were told with what is there.
func (w *world) judge() {
	if w.log.leaked.Load() {
		w.wrong("a token was logged")
	}
	w.reconnectAdmin()
	for _, c := range w.clients {
		// Whose COMMIT is in doubt still may only do so for as long as it runs.
		var balance int64
		if err := w.admin.QueryRow(context.Background(), "SELECT balance FROM accounts WHERE who = $1 FOR UPDATE", c.id).Scan(&balance); err != nil {
			w.t.Fatal(err)
		}
		if c.doubt != nil && balance == c.doubt.balance {
			c.balance = balance
			c.doubt = nil
		} else if c.doubt != nil {
			c.never[c.doubt.row] = true
			c.doubt = nil
		}
		if balance != c.balance {
			c.wrong("the account holds %d, want %d", balance, c.balance)
		}
		var list string
		if err := w.admin.QueryRow(context.Background(), "SELECT coalesce(string_agg(seq::text, ',' ORDER BY seq), '') FROM ledger WHERE who = $1", c.id).Scan(&list); err != nil {
			w.t.Fatal(err)
		}
		c.compare(0, list)
	}
	w.await(soon, "no transaction is left open", func() bool {
		var n int
		err := w.admin.QueryRow(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND state LIKE 'idle in%' AND pid <> pg_backend_pid()").Scan(&n)
		if err != nil {
			w.t.Fatal(err)
		}
		return n == 0
	})
}

// report prints what has come of each fault.
func (w *world) report() {
	done, rows := 0, int64(0)
	for _, c := range w.clients {
		done, rows = done+c.done, rows+c.last
	}
	stats := w.server.Stats()
	w.t.Logf("%s, %d windows: %d things done by %d clients, %d errors, %d rows, %d logins, %d refused, %d tokens",
		w.product, len(w.windows), done, len(w.clients), w.errors, rows, stats.Logins, stats.LoginsRefused, stats.TokensMinted)
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "fault\ttimes\tworst recovery\tof at most\terrors")
	for _, f := range append(slices.Clone(faults), fault{name: slowMachine}) {
		y := w.tallies[f.name]
		if y == nil || y.times == 0 && len(y.felt) == 0 {
			continue
		}
		var felt []string
		for _, s := range slices.SortedFunc(maps.Keys(y.felt), func(a, b symptom) int { return cmp.Or(cmp.Compare(y.felt[b], y.felt[a]), cmp.Compare(a, b)) }) {
			felt = append(felt, fmt.Sprintf("%s %d", s, y.felt[s]))
		}
		worst := y.worst.Round(time.Millisecond).String()
		if y.longer {
			worst += " (with another)"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\n", f.name, y.times, worst, f.bound, cmp.Or(strings.Join(felt, ", "), "none"))
	}
	table.Flush()
	w.t.Log("\n" + text.String())
}
