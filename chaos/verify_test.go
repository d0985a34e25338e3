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

// usage is what the process uses while no client has a connection.
type usage struct {
	goroutines int
	heap       uint64
}

// spareGoroutines allows for short-lived ones: a refresh, a lookup.
const spareGoroutines = 5

// measureIdle stops the clients, closes every connection, and measures the usage.
// If before is set, it waits until the goroutines are as many as then.
func (h *harness) measureIdle(before *usage) usage {
	h.gate.Lock()
	defer h.gate.Unlock()
	for _, c := range h.clients {
		c.close()
	}
	for _, y := range h.routes {
		if err := y.closeIdle(); err != nil {
			h.wrong("%s: %v", y.name, err)
		}
	}
	h.await(soon, "every connection is closed", func() bool { return h.server.Stats().Connections <= 1 })
	if before != nil {
		h.awaitOr(soon, "all goroutines that have started have ended", func() bool {
			return len(goroutines()) <= before.goroutines+spareGoroutines
		}, func() string {
			return fmt.Sprintf("%d at the beginning, and now\n%s", before.goroutines, strings.Join(goroutines(), "\n\n"))
		})
	}
	// Freed memory and ended goroutines are counted late.
	u := usage{goroutines: math.MaxInt, heap: math.MaxUint64}
	var memory runtime.MemStats
	for range 10 {
		runtime.GC()
		runtime.ReadMemStats(&memory)
		u = usage{min(u.goroutines, len(goroutines())), min(u.heap, memory.HeapAlloc)}
		time.Sleep(20 * time.Millisecond)
	}
	return u
}

// goroutines returns the stacks of all goroutines, except abandoned lookups,
// which end seconds later if a name server does not answer.
func goroutines() []string {
	all := make([]byte, 1<<20)
	n := runtime.Stack(all, true)
	for n == len(all) {
		all = make([]byte, 2*len(all))
		n = runtime.Stack(all, true)
	}
	return slices.DeleteFunc(strings.Split(string(all[:n]), "\n\n"), func(stack string) bool { return strings.Contains(stack, "net.(*Resolver).") })
}

// compareUsage reports goroutines and memory that were left behind.
func (h *harness) compareUsage(before, after usage) {
	if h.failed.Load() {
		return // the goroutines were not awaited
	}
	h.t.Logf("%d goroutines and %.1f MB in use before the first fault, %d and %.1f MB after the last",
		before.goroutines, float64(before.heap)/1e6, after.goroutines, float64(after.heap)/1e6)
	if after.goroutines > before.goroutines+spareGoroutines {
		h.wrong("there are %d goroutines, after %d at the beginning:\n%s", after.goroutines, before.goroutines, strings.Join(goroutines(), "\n\n"))
	}
	if after.heap > before.heap+before.heap/4+4<<20 {
		h.wrong("the heap has grown from %d to %d bytes", before.heap, after.heap)
	}
}

// verifyData compares the database with what the clients know.
func (h *harness) verifyData() {
	if h.log.leaked.Load() {
		h.wrong("a token was logged")
	}
	h.reconnectAdmin()
	for _, c := range h.clients {
		// FOR UPDATE waits for the end of a COMMIT in doubt.
		var balance int64
		if err := h.admin.QueryRow(context.Background(), "SELECT balance FROM accounts WHERE who = $1 FOR UPDATE", c.id).Scan(&balance); err != nil {
			h.t.Fatal(err)
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
		if err := h.admin.QueryRow(context.Background(), "SELECT coalesce(string_agg(seq::text, ',' ORDER BY seq), '') FROM ledger WHERE who = $1", c.id).Scan(&list); err != nil {
			h.t.Fatal(err)
		}
		c.compare(0, list)
	}
	h.await(soon, "no transaction is left open", func() bool {
		var n int
		err := h.admin.QueryRow(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND state LIKE 'idle in%' AND pid <> pg_backend_pid()").Scan(&n)
		if err != nil {
			h.t.Fatal(err)
		}
		return n == 0
	})
}

// report logs the effects of each fault.
func (h *harness) report() {
	done, rows := 0, int64(0)
	for _, c := range h.clients {
		done, rows = done+c.done, rows+c.last
	}
	stats := h.server.Stats()
	h.t.Logf("%s, %d windows: %d operations by %d clients, %d errors, %d rows, %d logins, %d refused, %d tokens",
		h.product, len(h.windows), done, len(h.clients), h.errors, rows, stats.Logins, stats.LoginsRefused, stats.TokensMinted)
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "fault\ttimes\tworst recovery\tof at most\terrors")
	for _, f := range append(slices.Clone(faults), fault{name: slowMachine}) {
		y := h.tallies[f.name]
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
	h.t.Log("\n" + text.String())
}
