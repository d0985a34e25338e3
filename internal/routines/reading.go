package routines

import (
	"bytes"
	"slices"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// Reading describes what a text may do to the session that runs it.
type Reading struct {
	Impact Impact
	// Custom are the settings it may change that only an extension or the client
	// knows, sorted, in lower case. The server may not list them in pg_settings.
	Custom []string
}

// with returns the union of r and s.
func (r Reading) with(s Reading) Reading {
	if s.Impact&^r.Impact == 0 && !slices.ContainsFunc(s.Custom, func(name string) bool { return !slices.Contains(r.Custom, name) }) {
		return r
	}
	custom := slices.Concat(r.Custom, s.Custom)
	slices.Sort(custom)
	return Reading{r.Impact | s.Impact, slices.Compact(custom)}
}

// readText reads the effects that sqlscan reports, without regard to the names of a
// database.
func readText(text []byte) Reading {
	var r Reading
	onlyBegins := true
	for _, backslash := range []bool{false, true} {
		scanner := sqlscan.NewScanner(text, backslash)
		for st, ok := scanner.Next(); ok; st, ok = scanner.Next() {
			found := readStatement(st)
			r.Impact |= found.Impact
			r.Custom = append(r.Custom, found.Custom...)
			onlyBegins = onlyBegins && found.Impact == Begins
		}
	}
	if !onlyBegins {
		r.Impact &^= Begins
	}
	slices.Sort(r.Custom)
	r.Custom = slices.Compact(r.Custom)
	return r
}

// impactOf has the impact of effects that does not depend on names.
var impactOf = [...]struct {
	effects sqlscan.Effects
	impact  Impact
}{
	{sqlscan.Temp, Temp},
	{sqlscan.TempLocal, ConfiguresTemp},
	{sqlscan.Listen, Listens},
	{sqlscan.Prepare, Prepares},
	{sqlscan.Hold, Holds},
	{sqlscan.AdvisoryLock, Locks},
	{sqlscan.Unlisten | sqlscan.Close | sqlscan.AdvisoryUnlock | sqlscan.Discard | sqlscan.Deallocate, Releases},
	{sqlscan.Discard | sqlscan.Deallocate, Deallocates},
	{sqlscan.Discard, Configures},
	{sqlscan.Opaque, Inspectable},
	{sqlscan.Seed, Seeds},
	{sqlscan.Sequence, ReadsSequence},
	{sqlscan.Load, Loads},
	{sqlscan.Connect, Connects},
	{sqlscan.Begin, Begins},
}

func impact(effects sqlscan.Effects) (all Impact) {
	for _, e := range impactOf {
		if effects&e.effects != 0 {
			all |= e.impact
		}
	}
	return all
}

func readStatement(st sqlscan.Statement) Reading {
	r := Reading{Impact: impact(st.Effects)}
	add := func(more Reading) {
		r.Impact |= more.Impact
		r.Custom = append(r.Custom, more.Custom...)
	}
	if st.Effects&(sqlscan.Set|sqlscan.Reset|sqlscan.SetLocal) != 0 {
		add(readSet(st))
	}
	if st.Effects&(sqlscan.SetConfig|sqlscan.SetLocal) != 0 && !startsWithSet(st.Text) {
		names, known := sqlscan.SetConfigNames(st.Text)
		add(readSetConfig(st.Effects, names, known))
	}
	if st.Effects.Has(sqlscan.Opaque) { // the body of a DO block is in the text
		add(readBody(st.Text))
	}
	return r
}

// readSet reads SET and RESET.
func readSet(st sqlscan.Statement) (r Reading) {
	name := sqlscan.Fold(string(sqlscan.AppendName(nil, st.Name)))
	isLocal := st.Effects.Has(sqlscan.SetLocal) && st.Effects&(sqlscan.Set|sqlscan.Reset) == 0
	switch {
	case isLocal && (name == "" || !sqlscan.AffectsMeaning(name)): // SET TRANSACTION, for example
		return r
	case isLocal:
		return Reading{Impact: ConfiguresTemp}
	case name == "session_authorization":
		return Reading{Impact: Authorizes | Configures | Sets}
	case name == "seed":
		return Reading{Impact: Seeds}
	}
	r.Impact = Configures
	if st.Effects.Has(sqlscan.Set) {
		r.Impact |= Sets
	}
	if sqlscan.IsCustomSetting(name) {
		r.Custom = []string{name}
	}
	return r
}

func startsWithSet(text []byte) bool {
	return len(text) >= 3 && bytes.EqualFold(text[:3], []byte("set"))
}

// readSetConfig reads calls of set_config and statements with the same effects on
// the settings names. known reports whether these are all of them.
func readSetConfig(effects sqlscan.Effects, names []string, known bool) (r Reading) {
	if effects.Has(sqlscan.SetConfig) {
		r.Impact |= Configures | Sets
		if !known {
			r.Impact |= ConfiguresUnknown
		}
	}
	if effects.Has(sqlscan.SetLocal) && (!known || slices.ContainsFunc(names, sqlscan.AffectsMeaning)) {
		r.Impact |= ConfiguresTemp
	}
	for _, name := range names {
		switch {
		case name == "session_authorization":
			r.Impact |= Authorizes
		case name == "seed":
			r.Impact |= Seeds
		case sqlscan.IsCustomSetting(name):
			r.Custom = append(r.Custom, name)
		}
	}
	return r
}

// readBody reads the source of a function, or a text with the source of one.
func readBody(text []byte) Reading {
	b := sqlscan.ReadBody(text)
	r := readSetConfig(b.Effects, b.Settings, !b.Unknown)
	r.Impact |= impact(b.Effects)
	if r.Impact&Deallocates != 0 {
		r.Impact |= DropsUnseen
	}
	if r.Impact&ReadsSequence != 0 { // nearly always after nextval, so that it need not pin the client
		r.Impact ^= ReadsSequence | Recalls
	}
	if b.Effects&(sqlscan.Set|sqlscan.Reset) != 0 {
		r.Impact |= Configures | Sets
	}
	return r
}
