package txpool

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// Statement is a text to prepare together with its parameter types, as of a
// time between changes of the schema: what is prepared again after one may mean
// something else. Equal ones are the same Statement, whichever client asked for
// them.
type Statement struct {
	statementKey
	refs int // guarded by the table's mutex
	read atomic.Pointer[statementReading]
}

type statementKey struct {
	rest string // of the Parse message, everything after the name
	age  uint64
}

// statementReading is how a text was read with the words of a vocabulary.
type statementReading struct {
	reading
	by *vocabulary
}

// Statements is the table of all Statements of a pool's clients and servers,
// and of what the words of their database do. The zero value is empty and
// ready; it is safe for concurrent use.
type Statements struct {
	mu    sync.Mutex
	known map[statementKey]*Statement

	// Ages begin with changes of the schema. One that is not committed has an
	// age of its own.
	age, ages atomic.Uint64

	vocabulary atomic.Pointer[vocabulary]
	outdated   atomic.Bool
	trusting   atomic.Bool                  // nothing is looked at
	unread     atomic.Pointer[pgwire.Error] // why it could not be
	attempts   atomic.Int32                 // that have failed since
}

// Outdate says that the database may have other functions by now: they are
// looked at before the next transaction.
func (t *Statements) Outdate() {
	t.attempts.Store(0)
	t.outdated.Store(true)
}

// Trust says whether the database's functions are taken to leave nothing in a
// session, so that they need not be looked at.
func (t *Statements) Trust(trusting bool) {
	if t.trusting.Swap(trusting) != trusting {
		t.vocabulary.Store(nil)
	}
}

// Unread is why the database's functions could not be looked at when that was
// tried last, nil if they could.
func (t *Statements) Unread() *pgwire.Error { return t.unread.Load() }

// wantsSurvey reports whether the database's words are to be looked at by who
// asks.
func (t *Statements) wantsSurvey() bool {
	return (t.vocabulary.Load() == nil || t.outdated.Load()) && !t.trusting.Load()
}

// surveyed takes what a survey has found: the fingerprint and, if that is new,
// the definitions.
func (t *Statements) surveyed(rows []definition) {
	t.unread.Store(nil)
	v := t.vocabulary.Load()
	if v == nil || v.fingerprint != rows[0].text {
		t.vocabulary.Store(newVocabulary(rows[1:], rows[0].text))
	}
}

// notSurveyed takes why a survey has failed. A cancel request may have hit it:
// it is tried again, but not without end.
func (t *Statements) notSurveyed(failure *pgwire.Error) {
	t.unread.Store(failure)
	if t.attempts.Add(1) < maxTries {
		t.outdated.Store(true)
	} else if t.vocabulary.Load() == nil {
		t.vocabulary.Store(&vocabulary{})
	}
}

// read reads a text that is not a Statement's.
func (t *Statements) read(text []byte) reading { return t.vocabulary.Load().reading(text) }

// readingOf reads st, once for each vocabulary.
func (t *Statements) readingOf(st *Statement) *statementReading {
	v := t.vocabulary.Load()
	r := st.read.Load()
	if r == nil || r.by != v {
		text, _, _ := strings.Cut(st.rest, "\x00")
		r = &statementReading{v.reading([]byte(text)), v}
		st.read.Store(r)
	}
	return r
}

// Len is the number of Statements that a client or a server holds.
func (t *Statements) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.known)
}

// newAge begins one that only those know who are told.
func (t *Statements) newAge() uint64 { return t.ages.Add(1) }

// beginAge begins one for everyone.
func (t *Statements) beginAge() { t.age.Store(t.newAge()) }

// intern returns the Statement that p asks for in an age, with one more
// reference to it.
func (t *Statements) intern(p pgwire.Parse, age uint64) *Statement {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.known[statementKey{string(p.Rest), age}]
	if st == nil {
		st = &Statement{statementKey: statementKey{string(p.Rest), age}}
		if t.known == nil {
			t.known = map[statementKey]*Statement{}
		}
		t.known[st.statementKey] = st
	}
	st.refs++
	return st
}

func (t *Statements) retain(st *Statement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	st.refs++
}

func (t *Statements) release(st *Statement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if st.refs--; st.refs == 0 {
		delete(t.known, st.statementKey)
	}
}
