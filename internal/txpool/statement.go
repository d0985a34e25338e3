package txpool

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
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

// statementReading is the reading of a text with the names of a database.
type statementReading struct {
	routines.Reading
	names *routines.Names
}

// Statements is the table of all Statements of a pool's clients and servers,
// and the catalog of their database. The zero value is empty and ready; it is
// safe for concurrent use.
type Statements struct {
	mu    sync.Mutex
	known map[statementKey]*Statement

	// Ages begin with changes of the schema. One that is not committed has an
	// age of its own.
	age, ages atomic.Uint64

	Catalog routines.Catalog
}

// read returns the reading of a text that is not a Statement's.
func (t *Statements) read(text []byte) routines.Reading { return t.Catalog.Names().Read(text) }

// readingOf returns the reading of st. It reads the text once for each version of the
// catalog's names.
func (t *Statements) readingOf(st *Statement) *statementReading {
	names := t.Catalog.Names()
	r := st.read.Load()
	if r == nil || r.names != names {
		text, _, _ := strings.Cut(st.rest, "\x00")
		r = &statementReading{names.Read([]byte(text)), names}
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
