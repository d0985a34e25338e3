package walls_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
)

// report sums up a run.
type report struct {
	began         time.Time
	done, unequal atomic.Int64 // compositions

	mu       sync.Mutex
	kinds    map[string]*tally // by state
	covered  coverage
	failures []failure
}

// tally counts the compositions with a kind of state.
type tally struct{ all, refused, shared, pinned, allowed, unequal int }

// failure is a composition that is not equal, made small.
type failure struct {
	composition
	verdict
	note string
}

func newReport() *report {
	r := &report{began: time.Now(), kinds: map[string]*tally{}, covered: coverage{}}
	for _, s := range states {
		r.kinds[s.name] = &tally{}
	}
	return r
}

// compareBlock compares a block of compositions in a database of their own: first those
// that define their objects themselves, then the others, with a stock of all their
// objects.
func (r *report) compareBlock(t testing.TB, j *judge, first, end int) error {
	others, stocked := j.block(first, end)
	in, err := j.renewed()
	if err != nil {
		return fmt.Errorf("database of compositions %d to %d: %w", first, end, err)
	}
	defer in.close()
	for _, c := range others {
		if err := r.compare(t, in, j, c, in.judge); err != nil {
			return err
		}
	}
	if err := r.compareStock(t, in, j, stocked[nil], nil); err != nil {
		return err
	}
	for i := range states {
		if all := stocked[&states[i]]; len(all) > 0 {
			if err := r.compareStock(t, in, j, all, states[i].cleanup); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareStock compares compositions with a stock of their objects.
func (r *report) compareStock(t testing.TB, in, j *judge, all []numbered, cleanup []string) error {
	if err := in.stock(all); err != nil {
		return fmt.Errorf("stock: %w", err)
	}
	for _, c := range all {
		if err := r.compare(t, in, j, c, in.compare); err != nil {
			return err
		}
	}
	return errors.Join(in.direct.exec(cleanup), in.pooled.exec(cleanup))
}

// compare compares by a judge. Another one makes a failure small.
func (r *report) compare(t testing.TB, by, shrinks *judge, c numbered, compare func(plan) (verdict, error)) error {
	before := by.recent
	by.recent = append(by.recent, c.composition)
	v, err := compare(c.plan)
	if err != nil {
		return fmt.Errorf("composition %d: %s: %w\n%s", c.number, c, err, v.script)
	}
	r.count(c.composition, v)
	if len(v.differences) > 0 && r.isNew(c.composition) {
		if f, isNew := r.shrink(shrinks, c.composition, v, before); isNew {
			t.Errorf("composition %d is %s", c.number, f)
		}
	}
	return nil
}

func (r *report) count(c composition, v verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.covered.count(c, v)
	counted := map[string]bool{}
	for _, p := range slices.Concat(c.parts, c.other) {
		if counted[p.state.name] {
			continue
		}
		counted[p.state.name] = true
		k := r.kinds[p.state.name]
		k.all++
		for _, x := range []struct {
			is bool
			n  *int
		}{{v.refused != "", &k.refused}, {v.shared, &k.shared}, {len(v.pooled.pins) > 0, &k.pinned}, {v.allowed, &k.allowed}, {len(v.differences) > 0, &k.unequal}} {
			if x.is {
				*x.n++
			}
		}
	}
	if len(v.differences) > 0 {
		r.unequal.Add(1)
	}
}

// isNew reports whether no failure is known that explains that of c.
func (r *report) isNew(c composition) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failures) < *shrinks && !slices.ContainsFunc(r.failures, func(f failure) bool { return f.note == "" && f.composition.isIn(c) })
}

// shrink makes a failure small and keeps it, unless it is known.
func (r *report) shrink(j *judge, c composition, v verdict, before []composition) (f failure, isNew bool) {
	small, smallest, err := j.shrink(c, v)
	f = failure{small, smallest, ""}
	if err == nil && len(smallest.differences) == 0 {
		var culprits []composition
		f = failure{c, v, "equal when it ran again, alone"}
		if culprits, err = j.culprits(c, v, before); len(culprits) > 0 {
			f.note = "only after these:"
			for _, culprit := range culprits {
				f.note += "\n    " + culprit.String()
			}
		}
	}
	if err != nil {
		f = failure{c, v, fmt.Sprintf("the harness failed while it was made smaller: %v", err)}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.failures {
		if known.note == f.note && known.composition.String() == f.composition.String() {
			return f, false
		}
	}
	r.failures = append(r.failures, f)
	return f, true
}

func (f failure) String() string {
	note := ""
	if f.note != "" {
		note = "  (" + f.note + ")\n"
	}
	return fmt.Sprintf("not equal: %s\n%s%s", f.composition, note, f.verdict)
}

// table returns the counts.
func (r *report) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "kind of state\tcompositions\trefused\tsame server connection\tpinned\tallowed\tnot equal\t")
	for _, s := range states {
		k := r.kinds[s.name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", s.name, k.all, k.refused, k.shared, k.pinned, k.allowed, k.unequal)
	}
	w.Flush()
	r.failedWith(&b)
	fmt.Fprintf(&b, "%d not equal, in %s\n", r.unequal.Load(), time.Since(r.began).Round(time.Second))
	return b.String()
}

// failedWith writes what the smallest failures are made of.
func (r *report) failedWith(b *strings.Builder) {
	with := map[string]map[string]bool{}
	add := func(what, state string) {
		if with[what] == nil {
			with[what] = map[string]bool{}
		}
		with[what][state] = true
	}
	for _, f := range r.failures {
		for _, p := range slices.Concat(f.parts, f.other) {
			form := fmt.Sprintf("%s (%d)", p.state.name, p.form)
			for _, c := range p.carriers {
				add("in "+c.name, p.state.name)
			}
			if p.scope != &scopes[0] {
				add(p.scope.name, form)
			}
			if p.protocol != &protocols[0] {
				add(p.protocol.name, form)
			}
			if len(p.carriers) == 0 {
				add("without a carrier", form)
			}
		}
	}
	for _, what := range sortedKeys(with) {
		fmt.Fprintf(b, "not equal %s: %s\n", what, strings.Join(sortedKeys(with[what]), ", "))
	}
}
