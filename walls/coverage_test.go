package walls_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// coverage shows what the compositions prove: a state that A does not show without a
// proxy is nothing that the proxy could let through. It counts the pairs of what the
// compositions of one part are made of.
type coverage map[pair]*seen

// pair is two things that a part is made of, each of a kind.
type pair struct{ kinds, names [2]string }

func (p pair) String() string { return p.names[0] + ", " + p.names[1] }

// seen counts the compositions with a pair, but those that undo their state.
type seen struct{ all, refused, shown int }

func (c coverage) count(from composition, v verdict) {
	if len(from.parts) != 1 || from.a != 0 || from.parts[0].isUndone() {
		return
	}
	shown := v.showsState()
	for _, p := range from.parts[0].pairs() {
		if c[p] == nil {
			c[p] = &seen{}
		}
		c[p].all++
		if v.refused != "" {
			c[p].refused++
		}
		if shown {
			c[p].shown++
		}
	}
}

// isUndone reports whether nothing of the state is left in the end.
func (p part) isUndone() bool {
	undoes := p.scope.undoes || slices.ContainsFunc(p.carriers, func(c *carrier) bool { return c.undoes })
	return p.undone || p.state.silent || p.state.forms[p.form].transient && p.scope.name != "left open" || undoes && !p.state.survives
}

// pairs returns the pairs that p is made of.
func (p part) pairs() (all []pair) {
	things := [][2]string{{"state", p.state.name}, {"scope", p.scope.name}, {"protocol", p.protocol.name}}
	for _, c := range p.carriers {
		things = append(things, [2]string{"carrier", c.name})
	}
	all = append(all, pair{[2]string{"state", "form"}, [2]string{p.state.name, fmt.Sprint(p.form)}})
	for i, a := range things {
		for _, b := range things[i+1:] {
			if a != b {
				all = append(all, pair{[2]string{a[0], b[0]}, [2]string{a[1], b[1]}})
			}
		}
	}
	return all
}

// showsState reports whether A, without a proxy, saw another session than a client
// that has done nothing.
func (v verdict) showsState() bool {
	last := map[byte]reply{}
	for i, st := range v.script {
		if st.verb == observe {
			last[st.who] = slices.DeleteFunc(slices.Clone(v.direct.replies[i]), func(line string) bool {
				return strings.HasPrefix(line, backend+" ") || strings.HasPrefix(line, "temporary schema ")
			})
		}
	}
	a, d := last[clientA], last[clientD]
	return !slices.ContainsFunc(a, func(line string) bool { return strings.HasPrefix(line, "observation -> ") }) &&
		len(without(a, d))+len(without(d, a)) > 0
}

// enough is the number of compositions in which a pair must have taken effect once.
const enough = 20

// table returns how many pairs there are, and which never took effect.
func (c coverage) table() (table string, missing []pair) {
	type row struct{ pairs, shown, refused, few int }
	rows := map[[2]string]*row{}
	for p, n := range c {
		if rows[p.kinds] == nil {
			rows[p.kinds] = &row{}
		}
		r := rows[p.kinds]
		r.pairs++
		switch {
		case n.shown > 0:
			r.shown++
		case isRefused(p):
			r.refused++
		case n.all < enough:
			r.few++
		default:
			missing = append(missing, p)
		}
	}
	slices.SortFunc(missing, func(a, b pair) int { return cmp.Compare(a.String(), b.String()) })
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "pairs of\tdrawn\ttook effect without a proxy\trefused by Postgres\tfewer than %d times\tnever took effect\t\n", enough)
	for _, kinds := range [][2]string{{"state", "form"}, {"state", "carrier"}, {"state", "scope"}, {"state", "protocol"}, {"scope", "carrier"}, {"protocol", "carrier"}, {"scope", "protocol"}, {"carrier", "carrier"}} {
		if r := rows[kinds]; r != nil {
			fmt.Fprintf(w, "%s and %s\t%d\t%d\t%d\t%d\t%d\t\n", kinds[0], kinds[1], r.pairs, r.shown, r.refused, r.few, r.pairs-r.shown-r.refused-r.few)
		}
	}
	w.Flush()
	return b.String(), missing
}

// isRefused reports whether a pair is one that Postgres itself refuses, or that leaves
// nothing.
func isRefused(p pair) bool {
	return slices.ContainsFunc(refusedPairs, func(names [2]string) bool {
		return names[0] == p.names[0] && (names[1] == p.names[1] || names[1] == "")
	})
}

// refusedPairs are the pairs that cannot take effect.
var refusedPairs = [][2]string{}
