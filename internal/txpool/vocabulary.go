package txpool

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// vocabulary is what a database's own words do to the session of those who use
// them in a text: functions, and tables and views that call them. Most
// databases have no such words.
type vocabulary struct {
	fingerprint string // of the definitions
	words       map[string]reading
	odd         []string    // those that are not a word in a text: "my function"
	lengths     [256]uint64 // of words, as bits, by their first byte
}

// reading is what a text or a word may do: its marks, and the settings that
// only an extension or the client knows, which the server does not list.
type reading struct {
	marks  marks
	custom []string
}

func (r reading) with(s reading) reading {
	if s.marks&^r.marks == 0 && !slices.ContainsFunc(s.custom, func(name string) bool { return !slices.Contains(r.custom, name) }) {
		return r
	}
	custom := slices.Concat(r.custom, s.custom)
	slices.Sort(custom)
	return reading{r.marks | s.marks, slices.Compact(custom)}
}

// reading reads a text by words that everyone knows and those of the database.
func (v *vocabulary) reading(text []byte) reading {
	r := readText(text)
	found := v.read(text)
	if found.marks == 0 {
		return r
	}
	if containsFold(text, "create") { // a view or a trigger, say, that uses it
		found.marks |= defines
	}
	// What is executed may be an argument.
	return r.with(found).with(readingOfBody(sqlscan.ReadBody(text)))
}

// definition is what a name means: the source of a function, or the name of
// something else that is used with it.
type definition struct{ name, text string }

// newVocabulary finds the words among definitions that matter: those whose text
// has effects, and those whose text mentions one that matters.
func newVocabulary(definitions []definition, fingerprint string) *vocabulary {
	own := map[string]reading{}
	for _, d := range definitions {
		own[foldedName(d.name)] = own[foldedName(d.name)].with(readingOfBody(sqlscan.ReadBody([]byte(d.text))))
	}
	maps.DeleteFunc(own, func(_ string, r reading) bool { return r.marks == 0 })
	if len(own) == 0 {
		return &vocabulary{fingerprint: fingerprint}
	}
	for {
		v := vocabularyOf(own, fingerprint)
		changed := false
		for _, d := range definitions {
			name := foldedName(d.name)
			was := own[name]
			is := was.with(v.read([]byte(d.text)))
			if is.marks != was.marks || len(is.custom) != len(was.custom) {
				own[name], changed = is, true
			}
		}
		if !changed {
			return v
		}
	}
}

func vocabularyOf(words map[string]reading, fingerprint string) *vocabulary {
	v := &vocabulary{fingerprint: fingerprint, words: maps.Clone(words)}
	for w := range words {
		if len(w) > longestName || strings.IndexFunc(w, func(r rune) bool { return r < 0x80 && !isWordByte(byte(r)) }) >= 0 {
			v.odd = append(v.odd, w)
		} else {
			v.lengths[w[0]] |= 1 << len(w)
		}
	}
	return v
}

// longestName is how long a name can be in Postgres, in bytes.
const longestName = 63

// foldedName is a name in lower case. What differs in case only is taken for
// one.
func foldedName(name string) string {
	folded := []byte(name)
	for i, c := range folded {
		folded[i] = foldedByte(c)
	}
	return string(folded)
}

func foldedByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// read returns what the words in text do, wherever they stand in it: in a
// literal or a comment, too.
func (v *vocabulary) read(text []byte) (r reading) {
	if v == nil || len(v.words) == 0 {
		return reading{}
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
		n := i - start
		if n > longestName || v.lengths[foldedByte(text[start])]>>n&1 == 0 {
			continue
		}
		for j, c := range text[start:i] {
			folded[j] = foldedByte(c)
		}
		if found, ok := v.words[string(folded[:n])]; ok {
			r = r.with(found)
		}
	}
	for _, w := range v.odd {
		if bytes.Contains(bytes.ToLower(text), []byte(strings.ReplaceAll(w, `"`, `""`))) {
			r = r.with(v.words[w])
		}
	}
	if containsFold(text, "u&\"") { // may spell any name
		for _, found := range v.words {
			r = r.with(found)
		}
	}
	return r
}

// containsFold looks for part, which is in lower case.
func containsFold(text []byte, part string) bool {
	for i := 0; i+len(part) <= len(text); i++ {
		if foldedByte(text[i]) == part[0] && strings.EqualFold(string(text[i:i+len(part)]), part) {
			return true
		}
	}
	return false
}

// readingOfBody is what a function does whose body that is.
func readingOfBody(b sqlscan.Body) (r reading) {
	for _, e := range byEffect {
		if b.Effects&e.effects != 0 {
			r.marks |= e.marks
		}
	}
	if b.Effects&(sqlscan.Set|sqlscan.Reset|sqlscan.SetConfig) != 0 {
		r.marks |= mayConfigure | maySet
	}
	if b.Effects.Has(sqlscan.SetConfig) && b.Unknown {
		r.marks |= configures
	}
	if b.Effects.Has(sqlscan.SetLocal) && (b.Unknown || slices.ContainsFunc(b.Settings, changesAnswers)) {
		r.marks |= localizes
	}
	for _, name := range b.Settings {
		switch {
		case name == "session_authorization":
			r.marks |= authorizes
		case isCustom(name):
			r.custom = append(r.custom, name)
		}
	}
	return r
}
