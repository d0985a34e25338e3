package walls_test

import (
	"slices"
	"testing"
)

// notYetEqual are what the short form leaves out, because it is not equal today: kinds
// of state, carriers, scopes and protocols by their names, client encodings, and parts
// that are undone.
// The aim is an empty list.
var notYetEqual = []string{}

// isLeftOut reports whether name is one of those, in the short form.
func isLeftOut(name string) bool {
	return *compositions == 0 && slices.Contains(notYetEqual, name)
}

// isEqualToday reports whether c is made of nothing that is in notYetEqual.
func (c composition) isEqualToday() bool {
	names := []string{startups[c.a]["client_encoding"], startups[c.b]["client_encoding"]}
	for _, p := range slices.Concat(c.parts, c.other) {
		names = append(names, p.state.name, p.scope.name, p.protocol.name)
		if p.undone {
			names = append(names, "undone")
		}
		for _, carrier := range p.carriers {
			names = append(names, carrier.name)
		}
	}
	return !slices.ContainsFunc(names, isLeftOut)
}

func TestNotYetEqualNamesWhatThereIs(t *testing.T) {
	known := []string{"undone"}
	for _, s := range states {
		known = append(known, s.name)
	}
	for _, c := range carriers {
		known = append(known, c.name)
	}
	for _, s := range scopes {
		known = append(known, s.name)
	}
	for _, p := range protocols {
		known = append(known, p.name)
	}
	for _, s := range startups {
		known = append(known, s["client_encoding"])
	}
	for _, name := range slices.Concat(notYetEqual, notYetReset) {
		if !slices.Contains(known, name) {
			t.Errorf("there is no %q", name)
		}
	}
}

// notYetReset are the kinds of state that stay with a server connection even if it is
// reset: docs/pooling.md names them.
var notYetReset = []string{"replication origin", "connection of a foreign table"}

// isOfKind reports whether c has one of these kinds of state.
func (c composition) isOfKind(kinds []string) bool {
	return slices.ContainsFunc(slices.Concat(c.parts, c.other), func(p part) bool { return slices.Contains(kinds, p.state.name) })
}
