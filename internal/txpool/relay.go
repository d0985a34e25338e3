// Package txpool is the engine of transaction pooling, without its input and output:
// a [Relay] takes the bytes that a client and a server connection send while they are
// linked, and returns the bytes to send to them. The prepared statements of the client
// are available on each server that it is linked to. [Relay.Idle] reports whether the
// server may be linked to another client. The package has no goroutines, sockets or
// clocks.
//
// Each request that is sent to the server is put into a queue. Its response is
// forwarded, or dropped because the client did not send the request, or it is a fake
// because the server did not get the request; fakes are sent in the order of the
// queue. What a request changes is changed when it is sent, and undone when the server
// skips the request after an error. A request that depends on such a change in an
// earlier, unanswered segment waits. Duplicate and unknown names are left to the
// server to reject, so that whether a transaction has failed, and what is skipped up
// to the next Sync, is always decided by the server.
//
// # State of the session
//
// The relay sends internal queries, which the client does not see:
// [Relay.AppendInternalQuery]. After a transaction whose text may have changed
// settings or left other state in the session, it asks the server for that. Settings
// become the client's: they are applied to the next server that the client is linked
// to, before any request is sent there. Other state pins the client: it keeps the
// server as long as the state exists ([Client.Pinned]). [Relay.DisconnectClient] and
// internal queries clean up the session of a client that has disconnected. After a
// text that is not known to leave nothing behind, the server is reset before another
// client uses it.
//
// # Prepared statements
//
// A statement that the client has described keeps its parameters and its result, as in
// PostgreSQL, until the client prepares it anew, whichever server runs it and whoever
// changes the schema. If it is not known what a server that is to run it has prepared,
// the relay describes it there first, which takes a round trip, and if the result is
// another one, makes the server fail and reports "cached plan must not change result
// type".
//
// After a text that may have dropped prepared statements unseen, the inspection counts
// those that the server still has. If any is lost, all are prepared again when they are
// used next. Their names on a server begin with a random prefix, and DEALLOCATE of such a
// name finds nothing.
//
// # Limitations
//
//   - DEALLOCATE name in SQL finds a statement that was prepared by protocol only if
//     it is a Query or an unnamed statement of its own. EXECUTE does not find it.
//   - The server's own name of a statement (lb_..._1) occurs in some error messages and
//     in pg_prepared_statements.
//   - The client's statements outlive a DEALLOCATE in a DO block or a function.
//   - An unnamed statement longer than 64 KiB, or one before a skipped Parse, is
//     unknown to the next server: 26000.
//   - After a change of the schema, a named statement that the client has not described,
//     nor a portal of it, has the new result on a server that prepares it then. So has
//     an unnamed statement of which only a portal was described.
//   - After a change of the schema past the pool, "cached plan must not change result
//     type" may be reported for a statement that the client has just prepared, if the
//     server had its text. From then on all are prepared again.
//   - A statement without a result cannot be described in a failed transaction if the
//     server lacks it.
//   - RESET of a setting that the client requested in its startup packet takes effect
//     from the next transaction on.
//   - A text that was prepared under other settings than the current ones is prepared
//     anew under these on another server: the meaning of a literal may change.
package txpool

import (
	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// maxOutstanding is the number of outstanding requests from which the client's next
// request waits.
const maxOutstanding = 1 << 16

// maxRetainedQueue is the number of requests up to which the memory of the queue is
// reused.
const maxRetainedQueue = 1 << 10

// Relay links a client with a server. It is not safe for concurrent use: the caller
// holds a lock during each call, and writes the results in the order of the calls.
// The zero value must be linked first. A Relay must not be copied.
type Relay struct {
	pipeline
	session   session
	internal  internalQueries
	rewriter  rewriter
	responder responder

	stalled    bool
	terminated bool
}

// Link links c and s, which must both be idle. It may reuse a Relay that is
// [Relay.Idle] or abandoned.
func (x *Relay) Link(c *Client, s *Server) {
	ring := x.queue.ring
	if x.queue.n != 0 || len(ring) > maxRetainedQueue {
		ring = nil
	}
	x.abandon()
	x.session.endDefinitions()
	collected := x.fromServer.collected[:0]
	*x = Relay{}
	x.client, x.server, x.queue.ring = c, s, ring
	x.fromServer.collected = collected
	x.fromServer.scanner.Direction = pgwire.FromServer
	x.session.pipeline, x.session.baseline, x.session.changes = &x.pipeline, s.reported, c.table.Catalog.Changes()
	x.internal.pipeline, x.internal.session = &x.pipeline, &x.session
	x.internal.needsSetUp = c.settings != s.settings || c.reported != s.reported || c.table.Catalog.Due() || needsReset(c, s)
	x.rewriter = rewriter{pipeline: &x.pipeline, session: &x.session, internal: &x.internal}
	x.responder.pipeline, x.responder.session, x.responder.internal = &x.pipeline, &x.session, &x.internal
}

// Abandon releases the statements of outstanding requests after the server connection
// has ended.
func (x *Relay) Abandon() {
	x.abandon()
	x.session.endDefinitions()
}

// Idle reports whether the server may be linked to another client: no transaction is
// open, no response is outstanding, neither direction is within a message, and
// nothing pins the client.
func (x *Relay) Idle() bool {
	return x.queue.n == 0 && x.isBetweenTransactions() && x.client.pin == "" && x.session.unknown == 0 &&
		x.server.reported == x.session.baseline && !x.internal.mayTimeOut()
}

// BetweenTransactions is like Idle, but ignores the state of the client's session and
// internal queries. It reports whether the client can be disconnected without harm.
func (x *Relay) BetweenTransactions() bool { return !x.busy() && x.isBetweenTransactions() }

func (x *Relay) isBetweenTransactions() bool {
	return x.server.status == pgwire.TxIdle && !x.unsynced && !x.skipping && !x.copying && !x.fatal && !x.stalled && x.betweenMessages()
}

// Scanning reports whether the server's next response has definitions of the database,
// which may take long to read.
func (x *Relay) Scanning() bool { return x.queue.n > 0 && x.answering() == scanCatalog }

// Busy reports whether a response to the client is outstanding.
func (x *Relay) Busy() bool { return x.busy() }

// BetweenMessages reports whether the bytes for the client so far end with a whole
// message, so that another message may follow.
func (x *Relay) BetweenMessages() bool {
	return x.fromServer.scanner.AtBoundary() || !x.fromServer.forwards
}

// MidRequest reports whether the server has the beginning of a message of the client,
// so that the rest must follow.
func (x *Relay) MidRequest() bool { return !x.fromClient.scanner.AtBoundary() }

// Unasked returns how many bytes of the last chunk of the server were sent without a
// request: of messages that can come at any time, while the client waits for nothing, is
// not in a transaction and is not pinned.
func (x *Relay) Unasked() int {
	if x.busy() || x.server.status != pgwire.TxIdle || x.client.pin != "" {
		return 0
	}
	return x.responder.asynchronous
}

// SettingsError returns the error with which the server has rejected the client's
// settings, nil if there is none or they have not been applied yet.
func (x *Relay) SettingsError() *pgwire.Error { return x.internal.settingsError }

// Unusable reports whether the session has state that ties it to a client that has
// disconnected, so that the server must be closed.
func (x *Relay) Unusable() bool { return x.disconnected && isFinalPin(x.client.pin) }

// Stalled reports whether the client's next message waits for responses of the server.
// After the next [Relay.FromServer], call [Relay.FromClient] with the part of the
// chunk that it has returned.
func (x *Relay) Stalled() bool { return x.stalled }

// Terminated reports whether the client has sent Terminate. The server did not get it.
func (x *Relay) Terminated() bool { return x.terminated }

// Fatal reports whether the server has reported an error that ends its session.
func (x *Relay) Fatal() bool { return x.fatal }

// FatalForwarded reports whether the client has got the error that ends the server's
// session. It has not if the error is the response to an internal query.
func (x *Relay) FatalForwarded() bool { return x.responder.fatalForwarded }

// FromServer handles bytes that the server has sent, and appends the bytes for the
// client. An error is a [*pgwire.Error]: the server cannot be relied on, and both
// sessions must end.
func (x *Relay) FromServer(chunk, toClient []byte) (client []byte, err error) {
	x.toClient = toClient
	err = x.responder.read(chunk)
	client, x.toClient = x.toClient, nil
	return client, err
}

// FromClient handles bytes that the client has sent, and appends the bytes for the
// server and for the client; the result for the server may share the memory of chunk.
// It returns the part of the chunk that it has not handled: because the relay is
// [Relay.Stalled], because the client has terminated, because the last message is not
// complete, or because the result must be sent before more of it is handled. [Wanted]
// tells the last two apart. An error is a [*pgwire.Error] with which the client's
// session must end.
func (x *Relay) FromClient(chunk, toServer, toClient []byte) (rest, server, client []byte, err error) {
	x.toServer, x.toClient = toServer, toClient
	rest, err = x.readClient(chunk)
	server, client = x.toServer, x.toClient
	x.toServer, x.toClient = nil, nil
	return rest, server, client, err
}

func (x *Relay) readClient(chunk []byte) ([]byte, error) {
	in := &x.fromClient
	if x.mustWait() {
		x.stalled = true
		return chunk, nil
	}
	x.server.owner = x.client
	for len(chunk) > 0 && !x.terminated {
		before := in.scanner
		span, err := in.scanner.Next(chunk)
		if err != nil {
			return chunk, err
		}
		piece := chunk[:span.Size]
		t := pgwire.ClientType(span.Type)
		if later, err := x.comesLater(span, t, piece); later || err != nil {
			in.scanner, x.stalled = before, false
			return chunk, err
		}
		switch {
		case !span.First():
			if in.forwards {
				x.toServer = append(x.toServer, piece...)
			}
		case needsWhole(t):
			in.forwards, in.missing = !x.skipping, span.Length-span.Size
			if !x.handle(piece) {
				in.scanner = before
				return chunk, nil
			}
		case isQueued(t) && x.isFull():
			in.scanner, x.stalled = before, true
			return chunk, nil
		default:
			if in.forwards = x.rewriter.beginsOther(t); in.forwards {
				x.toServer = append(x.toServer, piece...)
			}
			x.terminated = t == pgwire.ClientTerminate
		}
		chunk = chunk[span.Size:]
	}
	x.stalled = false
	return chunk, nil
}

// comesLater reports whether a message must not be handled yet: too little of it has
// come, or it is large, so that what is to be sent before it is to be sent alone.
func (x *Relay) comesLater(span pgwire.Span, t pgwire.ClientType, piece []byte) (bool, error) {
	switch {
	case !span.First():
		return false, nil
	case len(x.toServer) > 0 && max(len(piece), len(x.toServer)) > largeMessage:
		return true, nil
	case span.Whole(), t == pgwire.ClientCopyData && x.queue.n > 0: // the server waits for data
		return false, nil
	}
	wanted, err := Wanted(piece)
	return len(piece) < wanted, err
}

// mustWait reports whether the client's requests wait for an internal query, which it
// sends if there is one to send.
func (x *Relay) mustWait() bool {
	return x.internal.blocking > 0 || x.internal.settingsError != nil ||
		x.internal.isDue() && x.internal.inspect() ||
		x.internal.needsSetUp && !x.internal.setUp() ||
		x.internal.rescan()
}

// handle handles a whole message of a type that the rewriter needs whole. It reports
// whether it could. If not, the message waits, and nothing has changed.
func (x *Relay) handle(m []byte) bool {
	if x.skipping {
		x.stalled = false
		return true
	}
	handled := !x.isFull() && x.rewriter.whole(m)
	x.stalled = !handled
	return handled
}

// isQueued reports whether the beginning of a message of another type is queued.
func isQueued(t pgwire.ClientType) bool {
	switch t {
	case pgwire.ClientSync, pgwire.ClientExecute, pgwire.ClientCopyDone, pgwire.ClientCopyFail:
		return true
	}
	return false
}

// isFull reports whether so many requests are outstanding that the next one waits. Then
// it asks for their responses.
func (x *Relay) isFull() bool {
	if x.queue.n < maxOutstanding {
		return false
	}
	x.flush()
	return true
}

// AppendInternalQuery appends the next internal query if there is one and the server
// is ready for it: to inspect the client's session, or to clean it up after the client
// has disconnected. Call it whenever something has been sent or received.
func (x *Relay) AppendInternalQuery(toServer []byte) []byte {
	if !x.internal.isDue() || x.stalled {
		return toServer
	}
	x.toServer = toServer
	x.internal.send()
	toServer, x.toServer = x.toServer, nil
	return toServer
}

// DisconnectClient handles that the client has disconnected, at any point of its
// stream. It appends what ends the client's requests. Then
// [Relay.AppendInternalQuery] cleans up, and the server may be linked to another
// client once the relay is [Relay.Idle]. If ok is false, the session cannot be cleaned
// up, and the server must be closed.
func (x *Relay) DisconnectClient(toServer []byte) (_ []byte, ok bool) {
	in := &x.fromClient
	halfSent := !in.scanner.AtBoundary() && in.forwards
	if x.fatal || halfSent || x.syncInCopy || isFinalPin(x.client.pin) {
		return toServer, false
	}
	x.disconnected, x.stalled = true, false
	in.scanner = pgwire.Scanner{}
	x.toServer = toServer
	switch {
	case x.copyIn:
		x.toServer = pgwire.AppendCopyFail(x.toServer, "the client has disconnected")
		x.expect(kindCopyEnd, drop)
		x.copyIn = false
	case x.unsynced && !x.skipping:
		x.rollBackPipeline()
	}
	if x.unsynced || x.skipping {
		x.toServer = pgwire.AppendSync(x.toServer)
		x.rewriter.sync()
	}
	toServer, x.toServer = x.toServer, nil
	return toServer, true
}

// rollBackPipeline rolls back the requests since the last Sync, which the next Sync
// would commit.
func (x *Relay) rollBackPipeline() {
	x.toServer = pgwire.AppendParse(x.toServer, "", "ROLLBACK\x00\x00\x00")
	x.expect(kindParse, drop)
	x.toServer = pgwire.AppendBindUnnamed(x.toServer)
	x.expect(kindBind, drop)
	x.toServer = pgwire.AppendExecute(x.toServer, "", 0)
	x.expect(kindExecute, drop)
	x.server.unnamed = unnamed{}
}
