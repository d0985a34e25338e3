package proxy

import (
	"sync"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// tracker follows both directions of a session closely enough to know when the
// session can be ended without harm. It does no I/O and is safe for concurrent
// use by the two directions.
type tracker struct {
	mu         sync.Mutex // guards what follows
	requests   direction
	answers    direction
	pending    int             // ReadyForQuery messages that the server owes
	status     pgwire.TxStatus // by the last ReadyForQuery
	last       byte            // type of the last answer that was not asynchronous; 0 after a request
	terminated bool            // the client has sent Terminate,
	unsettled  bool            // and then it was not certain that the server was waiting for a request
	hungUp     bool            // the client has closed its side after Terminate
	closed     bool            // no further request is forwarded
	totals     snapshot.Totals
}

// direction is the stream of messages in one direction.
type direction struct {
	scanner pgwire.Scanner
	broken  bool // the stream is not a sequence of messages: message ends are unknown from here on
}

// atBoundary reports whether the stream so far ends with a whole message.
func (d *direction) atBoundary() bool { return !d.broken && d.scanner.AtBoundary() }

// next takes the part of one message with which chunk begins. ok is false if
// there is none.
func (d *direction) next(chunk []byte) (span pgwire.Span, ok bool) {
	if d.broken || len(chunk) == 0 {
		return span, false
	}
	span, err := d.scanner.Next(chunk)
	d.broken = err != nil
	return span, !d.broken
}

// newTracker returns the tracker of a session whose server is idle.
func newTracker(status pgwire.TxStatus) *tracker {
	return &tracker{
		requests: direction{scanner: pgwire.Scanner{Direction: pgwire.FromClient}},
		answers:  direction{scanner: pgwire.Scanner{Direction: pgwire.FromServer}},
		status:   status, last: byte(pgwire.ServerReadyForQuery),
	}
}

// request takes bytes from the client. It reports whether they may be
// forwarded.
func (t *tracker) request(chunk []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.totals.Received += uint64(len(chunk))
	for span, ok := t.requests.next(chunk); ok; span, ok = t.requests.next(chunk) {
		if span.Last() {
			t.requested(pgwire.ClientType(span.Type))
		}
		chunk = chunk[span.Size:]
	}
	return true
}

func (t *tracker) requested(kind pgwire.ClientType) {
	switch kind {
	case pgwire.ClientQuery, pgwire.ClientSync, pgwire.ClientFunctionCall:
		t.pending++
	case pgwire.ClientTerminate:
		t.terminated, t.unsettled = true, t.pending > 0 || t.last != byte(pgwire.ServerReadyForQuery)
		return
	case pgwire.ClientCopyData, pgwire.ClientCopyDone, pgwire.ClientCopyFail: // outside a copy, the server ignores them
		return
	}
	t.last = 0
}

// answer takes bytes from the server. It reports whether the client has closed
// its side and the server may have missed that: see mayMissTerminate.
func (t *tracker) answer(chunk []byte) (missed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.totals.Sent += uint64(len(chunk))
	for span, ok := t.answers.next(chunk); ok; span, ok = t.answers.next(chunk) {
		if span.Last() {
			t.answered(pgwire.ServerType(span.Type), chunk[span.Size-1])
		}
		chunk = chunk[span.Size:]
	}
	return t.hungUp && t.mayMissTerminate()
}

// answered takes the end of a message. end is its last byte.
func (t *tracker) answered(kind pgwire.ServerType, end byte) {
	switch kind {
	case pgwire.ServerNotificationResponse, pgwire.ServerNoticeResponse, pgwire.ServerParameterStatus:
		return // can come at any time
	case pgwire.ServerReadyForQuery:
		t.pending = max(t.pending-1, 0)
		t.status = pgwire.TxStatus(end)
		t.totals.Queries++
		if t.status == pgwire.TxIdle {
			t.totals.Transactions++
		}
	case pgwire.ServerCopyInResponse: // the server ignores a Sync that came before it
		t.pending = 0
	}
	t.last = byte(kind)
}

// idle reports whether the client waits for nothing, no transaction is open,
// and no message is incomplete. The caller holds mu.
func (t *tracker) idle() bool {
	return t.quiet() && t.status == pgwire.TxIdle
}

// quiet is idle, except that a transaction may be open.
func (t *tracker) quiet() bool {
	return t.pending == 0 && t.last == byte(pgwire.ServerReadyForQuery) && t.requests.atBoundary() && t.answers.atBoundary()
}

// close stops forwarding requests if the session is idle, and reports whether
// it is.
func (t *tracker) close() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle() {
		t.closed = true
	}
	return t.closed
}

// abort stops forwarding requests. It reports whether the server is busy.
func (t *tracker) abort() (busy bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return !t.quiet()
}

// canInsert reports whether the client can be sent a message of the proxy's own
// now, and has not been sent the end of the session already.
func (t *tracker) canInsert() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answers.atBoundary() && t.last != byte(pgwire.ServerErrorResponse)
}

// clientTerminated reports whether the client has sent Terminate.
func (t *tracker) clientTerminated() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.terminated
}

// clientHungUp notes that the client has closed its side after Terminate. It
// reports whether the server may have missed that.
func (t *tracker) clientHungUp() (missed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hungUp = true
	return t.mayMissTerminate()
}

// mayMissTerminate reports whether the server owes the client nothing more but
// may have skipped its Terminate: after an error, or within a copy. The caller
// holds mu.
func (t *tracker) mayMissTerminate() bool { return t.terminated && t.unsettled && t.pending == 0 }

// canTerminate reports whether the server can be sent Terminate.
func (t *tracker) canTerminate() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.requests.atBoundary()
}

// count changes the counters.
func (t *tracker) count(change func(*snapshot.Totals)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.totals)
}

// counters returns the counters.
func (t *tracker) counters() snapshot.Totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.totals
}
