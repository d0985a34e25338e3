package txpool

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// statement is a text to prepare with its parameter types, as of a version of the
// schema: after a change of the schema the same text may mean something else. Equal
// ones are the same statement, whichever client prepares them.
type statement struct {
	source
	refs    int // guarded by the table's mutex
	reading atomic.Pointer[statementReading]
}

// source identifies a statement.
type source struct {
	rest   string // of the Parse message: everything after the name
	schema uint64
	parsed uint64 // a number of its own if the text depends on the time of the Parse message, else 0
}

// statementReading is the reading of a text with the names of a database.
type statementReading struct {
	routines.Reading
	names   *routines.Names
	vacates string // the database that the statement needs for itself
}

// Statements is the table of all statements of a pool's clients and servers, and the
// catalog of their database. The zero value is empty and ready. It is safe for
// concurrent use.
type Statements struct {
	Catalog routines.Catalog

	// AlwaysReset: a server is reset whenever it is linked to another client than
	// before.
	AlwaysReset atomic.Bool

	recalls       atomic.Bool // clients call currval or lastval
	resetCanceled atomic.Bool // a reset was, by a limit of time

	mu     sync.Mutex // guards the next two
	known  map[source]*statement
	parsed uint64 // the last one assigned

	// schema is the current version of the schema, schemas the last one assigned. A
	// change that is not committed has a version of its own.
	schema, schemas atomic.Uint64
}

// Len returns the number of statements that a client or a server holds.
func (t *Statements) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.known)
}

// read returns the reading of a text that is not a statement's.
func (t *Statements) read(text []byte) routines.Reading { return t.Catalog.Names().Read(text) }

// readingOf returns the reading of st. It reads the text once for each version of the
// catalog's names.
func (t *Statements) readingOf(st *statement) *statementReading {
	names := t.Catalog.Names()
	r := st.reading.Load()
	if r == nil || r.names != names {
		text, _, _ := strings.Cut(st.rest, "\x00")
		reading := names.Read([]byte(text))
		r = &statementReading{reading, names, vacatedBy([]byte(text), reading)}
		if deallocatedName([]byte(text), &r.Impact) != "" { // which the relay does not translate
			r.Impact |= routines.DropsUnseen
		}
		st.reading.Store(r)
	}
	return r
}

// newSchema returns a new version of the schema, which is not the current one.
func (t *Statements) newSchema() uint64 { return t.schemas.Add(1) }

// changeSchema makes a new version of the schema the current one.
func (t *Statements) changeSchema() { t.schema.Store(t.newSchema()) }

// outdate makes a new version of the schema the current one if it is st's.
func (t *Statements) outdate(st *statement) {
	if st.schema == t.schema.Load() {
		t.changeSchema()
	}
}

// intern returns the statement of p in a version of the schema, with one more
// reference to it.
func (t *Statements) intern(p pgwire.Parse, schema uint64) *statement {
	readsClock := sqlscan.ReadsClock(p.Query)
	t.mu.Lock()
	defer t.mu.Unlock()
	var parsed uint64
	if readsClock {
		t.parsed++
		parsed = t.parsed
	}
	st := t.known[source{string(p.Rest), schema, parsed}]
	if st == nil {
		st = &statement{source: source{string(p.Rest), schema, parsed}}
		if t.known == nil {
			t.known = map[source]*statement{}
		}
		t.known[st.source] = st
	}
	st.refs++
	return st
}

func (t *Statements) retain(st *statement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	st.refs++
}

func (t *Statements) release(st *statement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if st.refs--; st.refs == 0 {
		delete(t.known, st.source)
	}
}

// keyOf returns the part of the name of a statement or portal by which PostgreSQL finds it,
// whatever the encoding.
func keyOf(name []byte) []byte { return name[:min(len(name), sqlscan.MaxName)] }
