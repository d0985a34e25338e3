package proxy

import (
	"time"

	"github.com/lakebase-go/lakebase/internal/txpool"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// usage measures what a server connection does for its clients. The server
// connection's mutex guards it.
type usage struct {
	assignments    uint64 // to a client
	received, sent uint64 // bytes, not in the totals yet
	worked         time.Duration
	linked         time.Time // since when, zero if not
	requested      time.Time // since when the client waits for an answer, zero if it does not
	answered       uint64    // of the session, when requested was last looked at
	released       time.Time // last; changed under both mutexes, so that either is enough to read it
	unsolicited    int       // bytes that the server has sent unasked since the last request

	// What the totals include.
	counted                                   time.Time // of the time linked
	countedAssignments, queries, transactions uint64
}

// begin begins an assignment to a client whose request is there.
func (u *usage) begin(now time.Time, session *txpool.Server) {
	u.assignments++
	u.unsolicited = 0
	u.linked, u.counted, u.requested = now, now, now
	u.answered = session.Answered()
}

// unlinked ends an assignment.
func (u *usage) unlinked(now time.Time) { u.released, u.linked = now, time.Time{} }

// request notes a request of the client, unless it already waits for an answer.
func (u *usage) request(at int64) {
	u.unsolicited = 0
	if u.requested.IsZero() {
		u.requested = time.Unix(0, at)
	}
}

// unasked notes bytes that the server has sent without a request. They have a limit.
func (u *usage) unasked(n int) error {
	if u.unsolicited += n; u.unsolicited > maxUnsolicited {
		return errTooMuchUnsolicited
	}
	return nil
}

// response notes that the client, still linked, may have its answer: what
// follows is the client's own time. Where the server connection is released,
// addTo does that.
func (u *usage) response(session *txpool.Server, linked bool) {
	answered := session.Answered()
	if linked && answered != u.answered && !u.requested.IsZero() {
		u.worked += max(time.Since(u.requested), 0)
		u.requested = time.Time{}
	}
	u.answered = answered
}

// addTo adds to the totals of the pool what they do not include yet. The caller
// holds both mutexes.
func (u *usage) addTo(t *snapshot.Totals, session *txpool.Server, now time.Time) {
	if u.linked.IsZero() {
		return
	}
	t.Assignments += u.assignments - u.countedAssignments
	u.countedAssignments = u.assignments
	t.TransactionTime += now.Sub(u.counted)
	u.counted = now
	if !u.requested.IsZero() {
		u.worked += max(now.Sub(u.requested), 0)
		u.requested = now
	}
	t.QueryTime += u.worked
	u.worked = 0
	t.Received += u.received
	t.Sent += u.sent
	u.received, u.sent = 0, 0
	queries, transactions := session.Answered(), session.Transactions()
	t.Queries += queries - u.queries
	t.Transactions += transactions - u.transactions
	u.queries, u.transactions = queries, transactions
}
