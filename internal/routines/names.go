package routines

import (
	"bytes"
	"maps"
	"strings"
)

// Definition is a definition in a database: the source of a function, or the name
// of an object that an object uses. Name is the name of the function or of the
// using object.
type Definition struct{ Name, Text string }

// Names are the names in a database whose use has an impact: functions, and tables
// and views that use them. It is immutable; nil is valid and has no names.
type Names struct {
	fingerprint string // of the catalogs
	readings    map[string]Reading
	phrases     []string    // those names that are not a word: "my function"
	lengths     [256]uint64 // of the others, as bits, by their first byte
}

// newNames finds the names with an impact: those whose definition has one, and
// those whose definition contains such a name.
func newNames(definitions []Definition, fingerprint string) *Names {
	readings := map[string]Reading{}
	for _, d := range definitions {
		readings[fold(d.Name)] = readings[fold(d.Name)].with(readBody([]byte(d.Text)))
	}
	maps.DeleteFunc(readings, func(_ string, r Reading) bool { return r.Impact == 0 })
	if len(readings) == 0 {
		return &Names{fingerprint: fingerprint}
	}
	for {
		n := indexNames(readings, fingerprint)
		changed := false
		for _, d := range definitions {
			name := fold(d.Name)
			before := readings[name]
			after := before.with(n.find([]byte(d.Text)))
			if after.Impact != before.Impact || len(after.Custom) != len(before.Custom) {
				readings[name], changed = after, true
			}
		}
		if !changed {
			return n
		}
	}
}

func indexNames(readings map[string]Reading, fingerprint string) *Names {
	n := &Names{fingerprint: fingerprint, readings: maps.Clone(readings)}
	for name := range readings {
		if len(name) > longestName || strings.IndexFunc(name, func(r rune) bool { return r < 0x80 && !isWordByte(byte(r)) }) >= 0 {
			n.phrases = append(n.phrases, name)
		} else {
			n.lengths[name[0]] |= 1 << len(name)
		}
	}
	return n
}

// longestName is the length limit of names in PostgreSQL, in bytes.
const longestName = 63

// Read reads a text.
func (n *Names) Read(text []byte) Reading {
	r := readText(text)
	found := n.find(text)
	if found.Impact == 0 {
		return r
	}
	if containsFold(text, "create") { // for example a view or a trigger that uses it
		found.Impact |= Defines
	}
	// An argument may be text that the function executes.
	return r.with(found).with(readBody(text))
}

// find returns the union of the readings of all names in text, wherever they are.
func (n *Names) find(text []byte) (r Reading) {
	if n == nil || len(n.readings) == 0 {
		return Reading{}
	}
	var folded [longestName]byte
	for i := 0; i < len(text); {
		start := i
		for i < len(text) && isWordByte(text[i]) {
			i++
		}
		if i == start {
			i++
			continue
		}
		length := i - start
		if length > longestName || n.lengths[foldByte(text[start])]>>length&1 == 0 {
			continue
		}
		for j, c := range text[start:i] {
			folded[j] = foldByte(c)
		}
		if found, ok := n.readings[string(folded[:length])]; ok {
			r = r.with(found)
		}
	}
	for _, name := range n.phrases {
		if bytes.Contains(bytes.ToLower(text), []byte(strings.ReplaceAll(name, `"`, `""`))) {
			r = r.with(n.readings[name])
		}
	}
	if containsFold(text, "u&\"") { // may be any name
		for _, found := range n.readings {
			r = r.with(found)
		}
	}
	return r
}

// fold returns a name in lower case. Names that differ only in case count as one.
func fold(name string) string {
	folded := []byte(name)
	for i, c := range folded {
		folded[i] = foldByte(c)
	}
	return string(folded)
}

func foldByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// containsFold reports whether text contains part, ignoring the case of letters.
// part is in lower case.
func containsFold(text []byte, part string) bool {
	for i := 0; i+len(part) <= len(text); i++ {
		if foldByte(text[i]) == part[0] && strings.EqualFold(string(text[i:i+len(part)]), part) {
			return true
		}
	}
	return false
}
