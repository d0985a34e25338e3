// Package txpool is transaction pooling without its input and output: what a
// client and a server connection say to each other while they are linked, with
// the client's prepared statements known to whatever server it is linked to.
// Bytes go in, bytes and the answer to "may the server go to another client
// now?" come out. There are no goroutines, no sockets and no clocks.
//
// Every message sent to the server leaves an expectation in a queue: its answer
// is forwarded, swallowed because the client did not ask, or faked because the
// server was not asked. Faked answers wait for their turn among the real ones.
// What a message changes is applied when it is sent and undone when an error
// makes the server skip it; messages that would build on such a change from an
// earlier, unanswered Sync are stalled. Duplicate and unknown names are left to
// the server to refuse, so that a failed transaction and what is skipped up to
// the next Sync are always Postgres's own.
//
// # The session's state
//
// The relay has questions and requests of its own, which the client hears
// nothing of: [Relay.AppendInternalQuery] asks them when the time has come. After a
// transaction whose text may have changed settings or left something in the
// session, the server is asked what there is. Settings become the client's and
// are applied to the next server that it is linked with, before anything of its
// own is sent there. Anything else pins: the client keeps its server as long as
// that is there ([Client.Pinned]). [Relay.DisconnectClient] and Tidy bring the session
// of a client that has gone to rest.
//
// # What is not handled
//
//   - DEALLOCATE name in SQL finds a statement prepared by protocol only if it
//     is a Query or unnamed statement of its own. EXECUTE does not.
//   - The server's own name of a statement (lb_1) shows in some error messages
//     and in pg_prepared_statements.
//   - An unnamed statement longer than 64 KiB, or one followed by a skipped
//     Parse, is not known to the next server: 26000.
//   - Named statements that follow DEALLOCATE ALL or DISCARD ALL without a Sync
//     between are forgotten with the others.
//   - "cached plan must not change result type" is reported once by each server
//     that has the plan, not once altogether; a server that has not yet prepared
//     the text gives the new result.
//   - RESET of what the client asked for as it connected has its effect from the
//     next transaction on.
//   - A text that was prepared under other settings than the current ones is
//     read anew under these on another server: a literal in it may change.
package txpool

import (
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
)

// duplicateName is the SQLSTATE of a statement prepared twice.
const duplicateName = "42P05"

// queueLimit is how many answers may be outstanding before the client is
// stalled.
const queueLimit = 1 << 16

// keepBuffer is up to which size, in bytes, buffers for split messages are
// kept for the next one.
const keepBuffer = 64 << 10

// keepRing is up to how many expectations the queue's memory is kept.
const keepRing = 1 << 10

// Relay links a client with a server. It is not safe for concurrent use:
// the caller holds a lock during each call and writes the results of the calls
// in the calls' order. The zero value must be linked first.
type Relay struct {
	client *Client
	server *Server
	queue  queue

	fromClient, fromServer stream
	toClient, toServer     []byte // the caller's, during a call

	// held: the client's gathered message is complete but stalled.
	held, stalled bool

	// Segments in which the meaning of a name, or of no name, last changed.
	namesChanged, unnamedChanged uint64
	kept                         uint64 // last did something that cannot be asked about
	localized                    uint64 // last set something for the transaction
	age                          uint64 // of what is prepared after a change of the schema, in its transaction; 0 before one

	errands   int             // queries of the relay's own that are not answered
	blocked   bool            // the client waits for one
	tries     int             // of inspections that failed
	suspects  routines.Impact // what the session may hold
	inspected routines.Impact // what it is being asked about
	found     finding
	failure   *pgwire.Error // of the errand under way
	refused   *pgwire.Error
	surveyed  []routines.Definition
	base      Reported // what the server reports while the settings are known

	renamedFrom Settings // the server's before it was told the application's name

	unsettled  bool // begin is to be called
	unsurveyed bool // the words of the database could not be looked at
	blurred    bool // the settings are not known
	mayHaveSet bool // they may have become other than after RESET
	worked     bool // something has been done that is not the beginning of a transaction
	leaving    bool // the client has gone

	unsynced   bool // extended messages were sent since the last Sync
	skipping   bool // the server ignores everything up to the next Sync
	copying    bool // the server is in COPY FROM STDIN
	copyIn     bool // and the client has not ended it
	syncInCopy bool // the client sent a Sync then
	terminated bool
	fatal      bool
	explained  bool // the client has got the fatal error
}

// stream is where one direction stands within a message.
type stream struct {
	scanner  pgwire.Scanner
	gather   bool // the current message is gathered
	pass     bool // the current message is passed on as it comes
	begun    bool // the beginning of the current message was taken as if it were whole
	gathered []byte
	missing  int // from gathered to the end of the message
}

// Abandon is for when the server has ended: of what is still expected nothing
// will come, and the statements that it is about are let go.
func (x *Relay) Abandon() {
	for x.queue.n > 0 {
		e := x.queue.front()
		if e.closed != nil {
			x.server.table.release(e.closed)
		}
		if e.removed != nil {
			x.server.table.release(e.removed.Statement)
		}
		if e.spare != nil {
			x.server.table.release(e.spare.Statement)
		}
		x.queue.pop()
	}
}

// Link begins an relay between c and s, both idle. It may reuse a Relay
// that is [Relay.Idle] or abandoned.
func (x *Relay) Link(c *Client, s *Server) {
	abandoned := x.queue.n != 0
	x.Abandon()
	*x = Relay{
		client: c, server: s,
		queue:      queue{ring: x.queue.ring},
		fromClient: stream{gathered: x.fromClient.gathered[:0]},
		fromServer: stream{gathered: x.fromServer.gathered[:0], scanner: pgwire.Scanner{Direction: pgwire.FromServer}},
		base:       s.reported,
		unsettled:  c.settings != s.settings || c.reported != s.reported || c.table.Catalog.Due(),
	}
	if abandoned || len(x.queue.ring) > keepRing {
		x.queue.ring = nil
	}
}

// Idle reports whether the server may be given to another client: it is not in
// a transaction, everything asked is answered, neither side is within a
// message, and nothing pins the client.
func (x *Relay) Idle() bool {
	return x.queue.n == 0 && x.server.status == pgwire.TxIdle && !x.unsynced && !x.skipping &&
		!x.copying && !x.fatal && !x.stalled && x.client.pin == "" && x.suspects == 0 &&
		x.server.reported == x.base && x.betweenMessages()
}

// BetweenTransactions is like Idle, but for what the client's session holds and what that
// is asked about: the client may be ended without harm.
func (x *Relay) BetweenTransactions() bool {
	return x.queue.n == x.errands && x.server.status == pgwire.TxIdle && !x.unsynced && !x.skipping &&
		!x.copying && !x.fatal && !x.stalled && x.betweenMessages()
}

// Busy reports whether the server has not answered all that the client asked.
func (x *Relay) Busy() bool { return x.queue.n > x.errands }

// BetweenMessages reports whether what the client got ends with a message, so
// that another may follow.
func (x *Relay) BetweenMessages() bool {
	return x.fromServer.scanner.AtBoundary() || !x.fromServer.pass
}

// SettingsError is why the server does not take the client's settings, nil if it
// does or has not been asked yet.
func (x *Relay) SettingsError() *pgwire.Error { return x.refused }

// redefine is for when the schema has changed.
func (x *Relay) redefine() { x.age = x.client.table.newAge() }

// planning is under which settings a text is prepared that is sent now.
func (x *Relay) planning() Settings {
	if x.blurred {
		return blurry
	}
	return x.server.planning
}

// blur is for when settings may change that texts depend on.
func (x *Relay) blur() { x.blurred = true }

// refocus is for when the settings are known again.
func (x *Relay) refocus() {
	if x.blurred && (x.suspects|x.inspected)&routines.Configures == 0 && x.localized <= x.server.answered {
		x.blurred = false
		x.server.refocus()
	}
}

// Stalled reports whether the client's next message must wait for answers of
// the server: after the next [Relay.FromServer], give what
// [Relay.FromClient] left, even if that is nothing.
func (x *Relay) Stalled() bool { return x.stalled }

// Terminated reports whether the client said goodbye. The server was not told.
func (x *Relay) Terminated() bool { return x.terminated }

// Fatal reports whether the server reported that it ends the session.
func (x *Relay) Fatal() bool { return x.fatal }

// FatalForwarded reports whether the client has got the error with which the server
// ends the session. It has not if that answers a query of the relay's own.
func (x *Relay) FatalForwarded() bool { return x.explained }

// expect queues an answer. The result is valid until the next one.
func (x *Relay) expect(k kind, how handling) *expected {
	e := x.queue.push()
	e.kind, e.how, e.segment = k, how, x.server.segment
	if k == query || k == synced {
		x.server.segment++
		x.unsynced = false
	} else if k != copyEnd {
		x.unsynced = true
	}
	return e
}

// settled reports whether a change in the given segment can be built upon: it
// is in the client's current segment, which fails or succeeds as a whole, or
// its success is known.
func (x *Relay) settled(changed uint64) bool {
	return changed <= x.server.answered || changed == x.server.segment
}

// behind reports whether the server has an earlier segment to answer, which may
// fail.
func (x *Relay) behind() bool { return x.server.answered+1 < x.server.segment }

// next is for when the front of the queue is answered: it commits that, and
// fakes the answers whose turn it is.
func (x *Relay) next() {
	x.commit()
	x.fakes()
}

func (x *Relay) fakes() {
	for e := x.queue.front(); e != nil; e = x.queue.front() {
		switch {
		case e.kind == nothing || e.kind == copyEnd:
		case e.how != fake:
			return
		case e.kind == parse:
			x.toClient = pgwire.AppendParseComplete(x.toClient)
		default:
			x.toClient = pgwire.AppendCloseComplete(x.toClient)
		}
		x.commit()
	}
}

func (x *Relay) commit() {
	e := x.queue.front()
	if e.closed != nil {
		x.server.table.release(e.closed)
	}
	if e.removed != nil {
		x.server.table.release(e.removed.Statement)
	}
	if e.spare != nil {
		x.server.insert(e.spare)
	}
	x.queue.pop()
}

// skip undoes what the server skips after an error: everything up to the next
// Sync, the latest change first.
func (x *Relay) skip() {
	n := 0
	for n < x.queue.n && x.queue.at(n).kind != synced {
		n++
	}
	x.skipping = n == x.queue.n
	for i := n - 1; i >= 0; i-- {
		x.undo(x.queue.at(i))
	}
	x.restoreUnnamed(n)
	for range n {
		x.queue.pop()
	}
}

func (x *Relay) undo(e *expected) {
	c, s := x.client, x.server
	if e.defined != nil {
		if c.named[e.name] == e.defined {
			delete(c.named, e.name)
			c.table.release(e.defined)
		}
	}
	if e.closed != nil && x.leaving {
		c.table.release(e.closed)
	} else if e.closed != nil {
		c.named[e.name] = e.closed
	}
	if e.added != nil && s.remove(e.added) {
		s.table.release(e.added.Statement)
	}
	if e.removed != nil {
		s.insert(e.removed)
	}
	if e.spare != nil {
		s.table.release(e.spare.Statement)
	}
}

// restoreUnnamed undoes what the first n expectations, the first of which has
// failed, were to do to the unnamed statement.
func (x *Relay) restoreUnnamed(n int) {
	i := x.replacement(0)
	if i >= n {
		return
	}
	e := x.queue.at(i)
	was, version, marks := e.former, e.version, e.marks
	switch {
	case i > 0: // skipped
	case e.how == swallow: // what could not be brought is gone
		was = unnamed{}
	default: // what could not be replaced is gone too
		was, version, marks = e.later, e.later.version, 0
	}
	if i == 0 && e.how == forward && x.client.remembered == e.later.version {
		x.client.remembered = 0 // the failed one
	}
	if after := x.replacement(n); after < x.queue.n {
		e := x.queue.at(after)
		e.former, e.version, e.marks = was, version, marks
		return
	}
	x.server.unnamed = was
	x.client.version, x.client.unnamedMarks = version, marks
}

// replacement is where, from i on, the unnamed statement is replaced next.
func (x *Relay) replacement(i int) int {
	for i < x.queue.n && !x.queue.at(i).replaces {
		i++
	}
	return i
}
