package exchange

import (
	"sync"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// Statement is a text to prepare together with its parameter types. Equal ones
// are the same Statement, whichever client asked for them.
type Statement struct {
	rest   string // of the Parse message, everything after the name
	marks  marks
	custom []string // settings that it is about
	refs   int      // guarded by the table's mutex
}

// Statements is the table of all Statements of a pool's clients and servers.
// The zero value is empty and ready; it is safe for concurrent use.
type Statements struct {
	mu    sync.Mutex
	known map[string]*Statement
}

// Len is the number of Statements that a client or a server holds.
func (t *Statements) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.known)
}

// intern returns the Statement that p asks for, with one more reference to it.
func (t *Statements) intern(p pgwire.Parse) *Statement {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.known[string(p.Rest)]
	if st == nil {
		st = &Statement{rest: string(p.Rest)}
		st.marks, st.custom = marksOf(p.Query)
		if t.known == nil {
			t.known = map[string]*Statement{}
		}
		t.known[st.rest] = st
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
		delete(t.known, st.rest)
	}
}
