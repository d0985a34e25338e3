package routines

import (
	"bytes"
	"maps"
	"strings"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// Definition is a row of a scan.
type Definition struct {
	Kind string // one of the kinds below
	Name string // of the function, or of the object that is defined or uses something
	Text string
}

// Kinds of definitions.
const (
	isFunction = "function"   // in SQL or PL/pgSQL; Text is its source
	isLibrary  = "library"    // a function in C; Text is its extension
	isOpaque   = "opaque"     // a function in another language, or with a very long source
	isRelation = "relation"   // a table, view or sequence
	isUse      = "use"        // Text is the name of a function, relation or type that the object uses
	isCall     = "call"       // Text is the name of a function, perhaps of PostgreSQL's own, that the object calls
	isUnplain  = "unplain"    // a function of PostgreSQL's own that is not known to be plain
	isCode     = "code"       // Text is an expression or rule of the object
	isText     = "text"       // Text is an expression or rule of the object that uses functions, whose literals they may execute
	isAnywhere = "everywhere" // a function that runs without being named, by an operator, for example
	isEvent    = "event"      // a function that runs when definitions change
	isDblink   = "dblink"     // a function that connects to another server
	isDefiner  = "definer"    // a function that runs with the privileges of a superuser
	isPower    = "superuser"  // the session's user may have those
	isLanguage = "language"   // one whose functions may keep variables for the session
)

// Names are the names that a database defines. It is immutable; nil is valid and knows
// no names, so that every use of one is [Unknown].
type Names struct {
	fingerprint string // of the catalogs
	trusted     bool   // all names are taken for plain

	functions, relations map[string]struct{}

	unplain        map[string]Impact // of PostgreSQL's own functions
	unplainLengths [256]uint64       // of their names, as bits, by their first byte

	readings   map[string]Reading // of the names with an impact
	everywhere Reading            // of any text
	events     Reading            // of texts that may define something
	unseen     Impact             // that hidden text may have and the server does not show
	foreign    Reading            // of the names beyond ASCII, which differ between encodings
	phrases    []string           // those names of readings that are not a word of letters and digits: "my function"
	lengths    [256]uint64        // of the others, as bits, by their first byte
}

// plainExtensions are extensions whose functions in C run no text and leave nothing
// behind in a session, except lastingFunctions and what sqlscan reports.
var plainExtensions = wordSet("autoinc bloom btree_gin btree_gist citext cube dict_int dict_xsyn earthdistance file_fdw " +
	"fuzzystrmatch h3 hll hstore hypopg insert_username intagg intarray isn lo ltree moddatetime pageinspect pg_buffercache pg_freespacemap " +
	"pg_hashids pg_prewarm pg_stat_statements pg_trgm pg_visibility pg_walinspect pgcrypto pgrowlocks pgstattuple plpgsql " +
	"postgis postgis_sfcgal rum seg sslinfo tcn tsm_system_rows tsm_system_time unaccent uuid-ossp vector")

// lastingFunctions leave something behind, that no reset removes and no query shows.
var lastingFunctions = wordSet("isn_weak hll_set_defaults hll_set_max_sparse hll_set_output_version " +
	"hypopg_create_index hypopg_drop_index hypopg_hide_index hypopg_unhide_index hypopg_reset hypopg_unhide_all_indexes " +
	"pg_backup_start pg_start_backup pg_replication_origin_session_setup pg_replication_origin_xact_setup")

func wordSet(list string) map[string]struct{} {
	set := map[string]struct{}{}
	for w := range strings.FieldsSeq(list) {
		set[w] = struct{}{}
	}
	return set
}

func contains(set map[string]struct{}, name string) bool {
	_, ok := set[name]
	return ok
}

// newNames finds the names with an impact: those whose definition has one, and those
// whose definition contains such a name.
func newNames(definitions []Definition, fingerprint string) *Names {
	n := &Names{fingerprint: fingerprint, functions: map[string]struct{}{}, relations: map[string]struct{}{},
		unplain: map[string]Impact{}, readings: map[string]Reading{}}
	for _, d := range definitions {
		switch d.Kind {
		case isFunction, isLibrary, isOpaque:
			n.functions[sqlscan.Fold(d.Name)] = struct{}{}
		case isRelation:
			n.relations[sqlscan.Fold(d.Name)] = struct{}{}
		case isUnplain:
			if !words()[d.Name].builtin { // otherwise sqlscan reports what it does
				n.unplain[d.Name] = unknownFunction(d.Name)
				n.unplainLengths[d.Name[0]] |= 1 << len(d.Name)
			}
		}
	}
	for _, d := range definitions {
		if r := n.readDefinition(d); r.Impact != 0 {
			name := sqlscan.Fold(d.Name)
			n.readings[name] = n.readings[name].with(r)
		}
	}
	for _, d := range definitions {
		name := sqlscan.Fold(d.Name)
		switch {
		case d.Kind == isDblink:
			n.unseen |= Connects
		case d.Kind == isPower:
			n.unseen |= Unseen
		case d.Kind == isLanguage:
			n.unseen |= Remembers
		case d.Kind == isDefiner && n.readings[name].Impact&(Hides|Defines) == Hides|Defines: // executes any command
			n.readings[name] = n.readings[name].with(Reading{Impact: Unseen})
			n.unseen |= Unseen
		}
	}
	for n.index(); n.spread(definitions); n.index() {
	}
	for _, d := range definitions {
		switch d.Kind {
		case isAnywhere:
			n.everywhere = n.everywhere.with(n.readings[sqlscan.Fold(d.Name)])
		case isEvent:
			n.events = n.events.with(n.readings[sqlscan.Fold(d.Name)])
		}
	}
	return n
}

// readDefinition returns the reading of a definition by itself.
func (n *Names) readDefinition(d Definition) (r Reading) {
	switch d.Kind {
	case isFunction:
		r = readBody([]byte(d.Text))
		r.Impact |= readWith(n, []byte(d.Text), true)
	case isCode:
		r = readBody([]byte(d.Text))
		r.Impact |= readWith(n, append([]byte("SELECT "), d.Text...), false) &^ Defines
		if strings.Contains(d.Text, "pg_settings") { // an UPDATE of a view over it changes settings
			r.Impact |= Unknown
		}
	case isCall, isAnywhere, isUse:
		used := d.Text
		if d.Kind == isAnywhere {
			used = d.Name
		}
		if words()[used].builtin { // or one of an extension that sqlscan reports
			r = readText([]byte("SELECT " + used + "()"))
		} else if d.Kind != isUse && !contains(n.functions, sqlscan.Fold(used)) {
			r.Impact = unknownFunction(used)
		}
	case isLibrary:
		if contains(lastingFunctions, d.Name) || !contains(plainExtensions, d.Text) {
			r.Impact = unknownFunction(d.Name)
		}
	case isDblink:
		r.Impact = Connects
	case isOpaque:
		r.Impact = Unknown | Hides | Defines
	}
	return r
}

// unknownFunction returns the impact of a function that is not known to be plain.
func unknownFunction(name string) Impact {
	if contains(lastingFunctions, name) {
		return Unknown | Hides | Loads
	}
	return Unknown | Hides
}

// ofOwn returns the impact of one of PostgreSQL's own functions, whose name is in lower
// case.
func (n *Names) ofOwn(name []byte) Impact {
	if n == nil || len(name) == 0 || n.unplainLengths[name[0]]>>len(name)&1 == 0 {
		return 0
	}
	return n.unplain[string(name)]
}

// spread adds to each definition the readings of the names that its text contains. It
// reports whether that has changed any.
func (n *Names) spread(definitions []Definition) (changed bool) {
	for _, d := range definitions {
		name := sqlscan.Fold(d.Name)
		before := n.readings[name]
		found := n.find([]byte(d.Text))
		if d.Kind == isText && found.Impact&Hides != 0 {
			body := readBody([]byte(d.Text))
			found = found.with(Reading{body.Impact & lasting, body.Custom})
		}
		after := before.with(found)
		if after.Impact != before.Impact || len(after.Custom) != len(before.Custom) {
			n.readings[name], changed = after, true
		}
	}
	return changed
}

// index prepares find.
func (n *Names) index() {
	maps.DeleteFunc(n.readings, func(_ string, r Reading) bool { return r.Impact == 0 })
	n.phrases, n.lengths, n.foreign = nil, [256]uint64{}, Reading{}
	for name, r := range n.readings {
		switch {
		case strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 }) >= 0:
			n.foreign = n.foreign.with(r)
		case len(name) > sqlscan.MaxName || strings.IndexFunc(name, func(r rune) bool { return r == '$' || !isWordByte(byte(r)) }) >= 0:
			n.phrases = append(n.phrases, name)
		case name != "":
			n.lengths[name[0]] |= 1 << len(name)
		}
	}
}

// Read reads a text.
func (n *Names) Read(text []byte) Reading {
	reader := newReader(text, n, false)
	r := Reading{Impact: reader.read()}
	if reader.reports {
		r = r.with(readText(text))
	}
	if r.Impact&Unknown != 0 { // it may execute its literals, or define what does
		body := readBody(text)
		if r.Impact&Hides != 0 {
			r.Impact |= body.Impact & lasting
		}
		r = r.with(Reading{Impact: later(body.Impact), Custom: body.Custom})
	}
	if n == nil {
		return r.exposed(Connects | Unseen | Remembers)
	}
	if n.everywhere.Impact != 0 {
		r = r.with(n.everywhere)
	}
	if r.Impact&(Unknown|Temp) != 0 {
		r = r.with(n.events)
	}
	if found := n.find(text); found.Impact != 0 {
		// An argument may be text that the function executes.
		r = r.with(found).with(readBody(text))
	}
	return r.exposed(n.unseen)
}

// exposed returns r with what hidden text may have done unseen.
func (r Reading) exposed(unseen Impact) Reading {
	if r.Impact&Hides != 0 {
		r.Impact |= unseen
	}
	return r
}

// has reports whether set has a name of any case.
func has(set map[string]struct{}, name []byte) bool {
	var folded [sqlscan.MaxName]byte
	n := copy(folded[:], name)
	for i, c := range folded[:n] {
		folded[i] = foldByte(c)
	}
	_, ok := set[string(folded[:n])]
	return ok
}

// readWith returns the impact of a text, or of the source of a function, as far as a
// reader finds it with the names n.
func readWith(n *Names, text []byte, body bool) Impact {
	r := newReader(text, n, body)
	return r.read()
}

// find returns the union of the readings of all names in text, wherever they are. A
// dollar sign is no part of a word there, because it may be a quote.
func (n *Names) find(text []byte) (r Reading) {
	if n == nil || len(n.readings) == 0 {
		return Reading{}
	}
	var folded [sqlscan.MaxName]byte
	for i := 0; i < len(text); {
		start := i
		for i < len(text) && text[i] != '$' && isWordByte(text[i]) {
			i++
		}
		if i == start {
			i++
			continue
		}
		length := copy(folded[:], sqlscan.Truncate(text[start:i]))
		if n.lengths[foldByte(text[start])]>>length&1 == 0 {
			continue
		}
		for j, c := range folded[:length] {
			folded[j] = foldByte(c)
		}
		if found, ok := n.readings[string(folded[:length])]; ok {
			r = r.with(found)
		}
	}
	if len(n.phrases) > 0 {
		text := withoutQuotes(sqlscan.Fold(string(text)))
		for _, name := range n.phrases {
			if strings.Contains(text, withoutQuotes(name)) {
				r = r.with(n.readings[name])
			}
		}
	}
	if n.foreign.Impact != 0 && bytes.ContainsFunc(text, func(r rune) bool { return r >= 0x80 }) {
		r = r.with(n.foreign)
	}
	if bytes.Contains(text, []byte(`u&"`)) || bytes.Contains(text, []byte(`U&"`)) { // may be any name
		for _, found := range n.readings {
			r = r.with(found)
		}
	}
	return r
}

// withoutQuotes removes what is doubled or escaped where it is in quotes.
func withoutQuotes(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`'"\\`, r) {
			return -1
		}
		return r
	}, text)
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
