package exchange

import (
	"bytes"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/sessionstate"
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
	if sessionstate.Classify(text) == 0 {
		return reading{}
	}
	var m marks
	var custom []string
	onlyBegins := true
	for _, backslash := range []bool{false, true} {
		scanner := sessionstate.NewScanner(text, backslash)
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
	effects sessionstate.Effects
	marks   marks
}{
	{sessionstate.Temp, mayTemp},
	{sessionstate.Listen, mayListen},
	{sessionstate.Prepare, mayPrepare},
	{sessionstate.Hold, mayHold},
	{sessionstate.AdvisoryLock, mayLock},
	{sessionstate.Unlisten | sessionstate.Close | sessionstate.AdvisoryUnlock | sessionstate.Discard | sessionstate.Deallocate, mayGiveBack},
	{sessionstate.Discard | sessionstate.Deallocate, forgets},
	{sessionstate.Discard, mayConfigure},
	{sessionstate.Opaque, inspectable},
	{sessionstate.Seed, seeds},
	{sessionstate.Sequence, readsSequence},
	{sessionstate.Load, loads},
	{sessionstate.Begin, begins},
}

func marksOfStatement(st sessionstate.Statement) (m marks, custom []string) {
	for _, b := range byEffect {
		if st.Effects&b.effects != 0 {
			m |= b.marks
		}
	}
	if st.Effects&(sessionstate.Set|sessionstate.Reset|sessionstate.SetLocal) != 0 {
		name := strings.ToLower(string(sessionstate.AppendName(nil, st.Name)))
		found, isCustom := marksOfSetting(st, name)
		m |= found
		if isCustom {
			custom = append(custom, name)
		}
	}
	if st.Effects&(sessionstate.SetConfig|sessionstate.SetLocal) != 0 && !startsWithSet(st.Text) {
		found, names := marksOfSetConfig(st)
		m |= found
		custom = append(custom, names...)
	}
	switch {
	case st.Effects.Has(sessionstate.Opaque):
		// The body of a DO block is in the text.
		body := readingOfBody(sessionstate.ReadBody(st.Text))
		m |= body.marks
		custom = append(custom, body.custom...)
	case st.Effects.Has(sessionstate.Routine) && readingOfBody(sessionstate.ReadBody(st.Text)).marks != 0:
		m |= defines
	}
	return m, custom
}

// marksOfSetting are those of SET and RESET.
func marksOfSetting(st sessionstate.Statement, name string) (m marks, custom bool) {
	isLocal := st.Effects.Has(sessionstate.SetLocal) && st.Effects&(sessionstate.Set|sessionstate.Reset) == 0
	switch {
	case isLocal && (name == "" || !changesAnswers(name)): // SET TRANSACTION, among others
		return 0, false
	case isLocal:
		return localizes, false
	case name == "session_authorization":
		return authorizes | mayConfigure | maySet, false
	case st.Effects.Has(sessionstate.Set):
		m = maySet
	}
	return m | mayConfigure, isCustom(name)
}

func startsWithSet(text []byte) bool {
	return len(text) >= 3 && bytes.EqualFold(text[:3], []byte("set"))
}

// marksOfSetConfig are those of calls of set_config and its like.
func marksOfSetConfig(st sessionstate.Statement) (m marks, custom []string) {
	names, known := sessionstate.SetConfigNames(st.Text)
	if st.Effects.Has(sessionstate.SetConfig) {
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
	if st.Effects.Has(sessionstate.SetLocal) && (!known || slices.ContainsFunc(names, changesAnswers)) {
		m |= localizes
	}
	return m, custom
}
