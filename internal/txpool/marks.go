package txpool

import (
	"bytes"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// marks are what a text may do that matters here.
type marks uint32

const (
	// What the server can be asked about once the transaction is over.
	mayConfigure marks = 1 << iota // settings
	mayTemp                        // temporary tables and functions
	mayListen
	mayPrepare // by SQL
	mayHold    // a cursor beyond the transaction
	mayLock    // for the session
	maySet     // with mayConfigure: does more than to reset settings

	// What it cannot be asked about, and what ends with the session only.
	seeds
	readsSequence
	loads
	authorizes // as another session user
	configures // settings that cannot be told from the text

	mayGiveBack // something that pins the client
	forgets     // prepared statements
	localizes   // settings that last as long as the transaction, and change what texts mean
	begins      // nothing else than a transaction
	defines     // a function that may do something of all this, or what uses one
)

const (
	inspectable = mayConfigure | mayTemp | mayListen | mayPrepare | mayHold | mayLock | maySet
)

// readText reads a text but for the database's own words.
func readText(text []byte) reading {
	if sqlscan.Classify(text) == 0 {
		return reading{}
	}
	var m marks
	var custom []string
	onlyBegins := true
	for _, backslash := range []bool{false, true} {
		scanner := sqlscan.NewScanner(text, backslash)
		for st, ok := scanner.Next(); ok; st, ok = scanner.Next() {
			found, names := marksOfStatement(st)
			m |= found
			custom = append(custom, names...)
			onlyBegins = onlyBegins && found == begins
		}
	}
	if !onlyBegins {
		m &^= begins
	}
	slices.Sort(custom)
	return reading{m, slices.Compact(custom)}
}

// byEffect are the marks of effects that need no closer look.
var byEffect = [...]struct {
	effects sqlscan.Effects
	marks   marks
}{
	{sqlscan.Temp, mayTemp},
	{sqlscan.Listen, mayListen},
	{sqlscan.Prepare, mayPrepare},
	{sqlscan.Hold, mayHold},
	{sqlscan.AdvisoryLock, mayLock},
	{sqlscan.Unlisten | sqlscan.Close | sqlscan.AdvisoryUnlock | sqlscan.Discard | sqlscan.Deallocate, mayGiveBack},
	{sqlscan.Discard | sqlscan.Deallocate, forgets},
	{sqlscan.Discard, mayConfigure},
	{sqlscan.Opaque, inspectable},
	{sqlscan.Seed, seeds},
	{sqlscan.Sequence, readsSequence},
	{sqlscan.Load, loads},
	{sqlscan.Begin, begins},
}

func marksOfStatement(st sqlscan.Statement) (m marks, custom []string) {
	for _, b := range byEffect {
		if st.Effects&b.effects != 0 {
			m |= b.marks
		}
	}
	if st.Effects&(sqlscan.Set|sqlscan.Reset|sqlscan.SetLocal) != 0 {
		name := strings.ToLower(string(sqlscan.AppendName(nil, st.Name)))
		found, isCustom := marksOfSetting(st, name)
		m |= found
		if isCustom {
			custom = append(custom, name)
		}
	}
	if st.Effects&(sqlscan.SetConfig|sqlscan.SetLocal) != 0 && !startsWithSet(st.Text) {
		found, names := marksOfSetConfig(st)
		m |= found
		custom = append(custom, names...)
	}
	switch {
	case st.Effects.Has(sqlscan.Opaque):
		// The body of a DO block is in the text.
		body := readingOfBody(sqlscan.ReadBody(st.Text))
		m |= body.marks
		custom = append(custom, body.custom...)
	case st.Effects.Has(sqlscan.Routine) && readingOfBody(sqlscan.ReadBody(st.Text)).marks != 0:
		m |= defines
	}
	return m, custom
}

// marksOfSetting are those of SET and RESET.
func marksOfSetting(st sqlscan.Statement, name string) (m marks, custom bool) {
	isLocal := st.Effects.Has(sqlscan.SetLocal) && st.Effects&(sqlscan.Set|sqlscan.Reset) == 0
	switch {
	case isLocal && (name == "" || !changesAnswers(name)): // SET TRANSACTION, among others
		return 0, false
	case isLocal:
		return localizes, false
	case name == "session_authorization":
		return authorizes | mayConfigure | maySet, false
	case st.Effects.Has(sqlscan.Set):
		m = maySet
	}
	return m | mayConfigure, isCustom(name)
}

func startsWithSet(text []byte) bool {
	return len(text) >= 3 && bytes.EqualFold(text[:3], []byte("set"))
}

// marksOfSetConfig are those of calls of set_config and its like.
func marksOfSetConfig(st sqlscan.Statement) (m marks, custom []string) {
	names, known := sqlscan.SetConfigNames(st.Text)
	if st.Effects.Has(sqlscan.SetConfig) {
		m |= mayConfigure | maySet
		if !known {
			m |= configures
		}
	}
	for _, name := range names {
		switch {
		case name == "session_authorization":
			m |= authorizes
		case isCustom(name):
			custom = append(custom, name)
		}
	}
	if st.Effects.Has(sqlscan.SetLocal) && (!known || slices.ContainsFunc(names, changesAnswers)) {
		m |= localizes
	}
	return m, custom
}
