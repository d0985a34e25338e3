package txpool

import (
	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// kind is the kind of a request, by the messages of its response.
type kind uint8

const (
	kindNone     kind = iota // none
	kindCopyEnd              // none: CopyDone or CopyFail was sent
	kindParse                // ParseComplete
	kindBind                 // BindComplete
	kindDescribe             // ParameterDescription if of a statement; RowDescription or NoData
	kindExecute              // rows or a copy, then CommandComplete, EmptyQueryResponse or PortalSuspended
	kindClose                // CloseComplete
	kindQuery                // anything up to ReadyForQuery
	kindSync                 // ReadyForQuery
)

// action is what the relay does with a response.
type action uint8

const (
	forward action = iota
	drop           // the client did not send the request
	fake           // the server did not get the request
)

// internalQuery is a query of the relay's own. The client gets nothing of its
// response.
type internalQuery uint8

const (
	notInternal     internalQuery = iota
	applySettings                 // of the client, which waits
	applyName                     // only application_name: the client need not wait
	inspectSession                // what the transaction has left in the session
	rollBack                      // what a disconnected client has left open
	discardAll                    // what a disconnected client has left in the session
	resetSession                  // what another client has left in the session
	resetAlone                    // the same, for a client that waits
	discardSequence               // the values that currval and lastval return
	scanCatalog                   // for the names whose use has an impact
	liftIdleLimit                 // so that the server does not end the session while no client uses it
)

// blocks reports whether the client's requests wait for the response.
func (q internalQuery) blocks() bool {
	return q == applySettings || q == inspectSession || q == scanCatalog || q == resetAlone || q == liftIdleLimit
}

// hasRows reports whether the relay reads the rows of the response.
func (q internalQuery) hasRows() bool { return q == inspectSession || q == scanCatalog }

// request is a request whose response is outstanding, and the changes that must be
// undone if the server skips it.
type request struct {
	kind     kind
	action   action
	internal internalQuery // of a query
	segment  uint64        // of a query or Sync

	name    string           // the client's, of defined and closed
	defined *clientStatement // that the name refers to from now on
	closed  *clientStatement // that the name referred to

	added     *prepared // to the server
	removed   *prepared // from the server
	uses      *prepared // on the server
	duplicate *prepared // to be closed on the server

	learns bool             // the response, a description, matters; it is of uses or, if that is nil, of an unnamed statement
	tells  *clientStatement // about which the client gets that response

	replacesUnnamed bool
	former, later   unnamed  // the server's
	version         uint64   // the client's former unnamed statement, or the one that is described
	judgment        judgment // of the client's former unnamed statement

	errorInstead *pgwire.Error // sent to the client instead of the server's 42P05
}

// isUnsent reports whether the server sends no response to the request.
func (r *request) isUnsent() bool { return r.action == fake || r.kind <= kindCopyEnd }

// queue is a ring of outstanding requests in their order. It reuses its memory.
type queue struct {
	ring    []request // its length is a power of two
	head, n int
}

func (q *queue) at(i int) *request { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// front returns the request whose response is next, nil if there is none.
func (q *queue) front() *request {
	if q.n == 0 {
		return nil
	}
	return q.at(0)
}

// push appends an empty request and returns it. The result is valid until the next
// call.
func (q *queue) push() *request {
	if q.n == len(q.ring) {
		ring := make([]request, max(16, 2*q.n))
		for i := range q.n {
			ring[i] = *q.at(i)
		}
		q.ring, q.head = ring, 0
	}
	q.n++
	return q.at(q.n - 1)
}

func (q *queue) pop() {
	*q.at(0) = request{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
}
