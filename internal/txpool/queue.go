package txpool

import (
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
)

// kind is which messages answer what was sent.
type kind uint8

const (
	nothing  kind = iota
	copyEnd       // nothing: where CopyDone or CopyFail was sent
	parse         // ParseComplete
	bind          // BindComplete
	describe      // ParameterDescription if of a statement; RowDescription or NoData
	execute       // rows or a copy, then CommandComplete, EmptyQueryResponse or PortalSuspended
	closing       // CloseComplete
	query         // anything up to ReadyForQuery
	synced        // ReadyForQuery
)

// handling is what becomes of an answer.
type handling uint8

const (
	forward handling = iota
	swallow          // the client did not ask
	fake             // the server was not asked
)

// expected is an answer to come, and what must be undone if it does not.
type expected struct {
	kind    kind
	how     handling
	errand  errand // of a query that is swallowed
	segment uint64 // of query and synced

	name    string     // the client's, of defined and closed
	defined *Statement // the name's new meaning
	closed  *Statement // the name's former meaning

	added   *prepared // to the server
	removed *prepared // from the server
	uses    *prepared // on the server
	spare   *prepared // to close on the server

	replaces      bool            // the unnamed statement
	former, later unnamed         // the server's
	version       uint64          // the client's former
	marks         routines.Impact // of that

	refusal *pgwire.Error // to tell the client instead of the server's 42P05
}

// queue is a ring of what is expected, in order. It keeps its memory.
type queue struct {
	ring    []expected // its length is a power of two
	head, n int
}

func (q *queue) at(i int) *expected { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// front is what is expected next, or nil.
func (q *queue) front() *expected {
	if q.n == 0 {
		return nil
	}
	return q.at(0)
}

// push appends room for one and returns it, zeroed.
func (q *queue) push() *expected {
	if q.n == len(q.ring) {
		ring := make([]expected, max(16, 2*q.n))
		for i := range q.n {
			ring[i] = *q.at(i)
		}
		q.ring, q.head = ring, 0
	}
	q.n++
	return q.at(q.n - 1)
}

func (q *queue) pop() {
	*q.at(0) = expected{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
}
