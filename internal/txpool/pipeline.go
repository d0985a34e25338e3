package txpool

import "github.com/lakebase-go/lakebase/internal/pgwire"

// SQLSTATEs of a Parse with a name that is in use, of the use of one that is not, and of
// "cached plan must not change result type".
const (
	duplicateName = "42P05"
	unknownName   = "26000"
	changedResult = "0A000"
)

// pipeline has the requests of a linked client and server whose responses are
// outstanding. It makes the changes of a request to the statements of both when the
// request is sent, and undoes them if the server skips it.
type pipeline struct {
	client *Client
	server *Server
	queue  queue

	fromClient, fromServer stream
	toServer, toClient     []byte // of the caller, during a call

	internalPending int // internal queries in queue
	blocking        int // those of them whose responses the client's requests wait for

	vacated []string // see Relay.Vacated

	// Segments in which a named statement or the unnamed one last changed.
	namesChanged, unnamedChanged uint64

	// Segment of the transaction's last request that may drop all statements when it
	// is executed, 0 if there is none.
	deallocates uint64

	portal       boundPortal            // the unnamed one
	portals      map[string]boundPortal // others whose statement is not described
	unnamedFound unnamedDescription     // of the server's unnamed statement, columns 0 until it is known

	flushed      bool // nothing was sent since a Flush
	unsynced     bool // requests were sent since the last Sync
	skipping     bool // the server ignores everything up to the next Sync
	copying      bool // the server is in COPY FROM STDIN
	copyIn       bool // and the client has not ended it
	syncInCopy   bool // the client sent a Sync then
	disconnected bool // the client has disconnected
	fatal        bool // the server ends the session
}

// expect queues a request. The result is valid until the next one.
func (p *pipeline) expect(k kind, a action) *request {
	r := p.queue.push()
	r.kind, r.action, r.segment = k, a, p.server.segment
	p.flushed = false
	if k == kindQuery || k == kindSync {
		p.server.segment++
		p.unsynced = false
	} else if k != kindCopyEnd {
		p.unsynced = true
	}
	return r
}

// pass sends a message unchanged, even a malformed one, which the server rejects. A
// large one is not copied if nothing else is to be sent first.
func (p *pipeline) pass(k kind, m []byte) *request {
	if len(m) > largeMessage && len(p.toServer) == 0 {
		p.toServer = m[:len(m):len(m)]
	} else {
		p.toServer = append(p.toServer, m...)
	}
	return p.expect(k, forward)
}

// ask sends an internal query.
func (p *pipeline) ask(q internalQuery, sql string) {
	p.toServer = pgwire.AppendQuery(p.toServer, sql)
	p.server.unnamed = unnamed{} // a Query drops the unnamed statement
	p.expect(kindQuery, drop).internal = q
	p.internalPending++
	if q.blocks() {
		p.blocking++
	}
}

// answering returns the internal query that the server's next response belongs to.
func (p *pipeline) answering() internalQuery {
	if p.internalPending == 0 {
		return notInternal
	}
	return p.queue.front().internal
}

// busy reports whether a response to the client is outstanding.
func (p *pipeline) busy() bool { return p.queue.n > p.internalPending }

// betweenMessages reports whether neither direction is within a message.
func (p *pipeline) betweenMessages() bool {
	return p.fromClient.scanner.AtBoundary() && p.fromServer.scanner.AtBoundary()
}

// isSettled reports whether a request may depend on a change in a segment: the
// segment is the current one, which fails or succeeds as a whole, or it is answered.
func (p *pipeline) isSettled(changed uint64) bool {
	return changed <= p.server.answeredSegment || changed == p.server.segment
}

// namesAreSettled reports whether a request may depend on the names of statements. If an
// unanswered request may drop all statements, it asks for the answer.
func (p *pipeline) namesAreSettled() bool {
	if !p.isSettled(p.namesChanged) {
		return false
	}
	if p.deallocates == 0 || p.queue.n == 0 || p.copyIn {
		return true
	}
	p.flush()
	return false
}

// flush makes the server send the responses that it has in its buffer.
func (p *pipeline) flush() {
	if !p.flushed {
		p.toServer = pgwire.AppendFlush(p.toServer)
		p.flushed = true
	}
}

// isBehind reports whether an earlier segment is not answered, so that it may fail.
func (p *pipeline) isBehind() bool { return p.server.answeredSegment+1 < p.server.segment }

// next handles the end of the response to the first request.
func (p *pipeline) next() {
	p.commit()
	if p.queue.n > 0 && p.queue.front().isUnsent() {
		p.sendFakes()
	}
}

// sendFakes sends the faked responses that are next.
func (p *pipeline) sendFakes() {
	for p.queue.n > 0 && p.queue.front().isUnsent() {
		switch r := p.queue.front(); r.kind {
		case kindParse:
			p.toClient = pgwire.AppendParseComplete(p.toClient)
		case kindClose:
			p.toClient = pgwire.AppendCloseComplete(p.toClient)
		}
		p.commit()
	}
}

// sendFakesNow sends the faked responses that are next, unless a message to the
// client is incomplete.
func (p *pipeline) sendFakesNow() {
	if p.fromServer.scanner.AtBoundary() {
		p.sendFakes()
	}
}

// commit makes the changes of the first request final.
func (p *pipeline) commit() {
	r := p.queue.front()
	if r.closed != nil {
		p.server.table.release(r.closed.statement)
	}
	if r.removed != nil {
		p.server.table.release(r.removed.statement)
	}
	if r.duplicate != nil {
		p.server.insert(r.duplicate)
	}
	p.queue.pop()
}

// abandon drops all requests, because no more responses will come.
func (p *pipeline) abandon() {
	for p.queue.n > 0 {
		r := p.queue.front()
		if r.closed != nil {
			p.server.table.release(r.closed.statement)
		}
		if r.removed != nil {
			p.server.table.release(r.removed.statement)
		}
		if r.duplicate != nil {
			p.server.table.release(r.duplicate.statement)
		}
		p.queue.pop()
	}
}

// skip undoes the requests that the server skips after an error, everything up to the
// next Sync, the last one first.
func (p *pipeline) skip() {
	n := 0
	for n < p.queue.n && p.queue.at(n).kind != kindSync {
		n++
	}
	p.skipping = n == p.queue.n
	if !p.binds(n) {
		p.portal = boundPortal{}
		clear(p.portals)
	}
	for i := n - 1; i >= 0; i-- {
		p.undo(p.queue.at(i))
	}
	p.restoreUnnamed(n)
	for range n {
		p.queue.pop()
	}
}

// undo undoes the changes of r to named statements.
func (p *pipeline) undo(r *request) {
	c, s := p.client, p.server
	if r.defined != nil && c.named[r.name] == r.defined {
		delete(c.named, r.name)
		c.table.release(r.defined.statement)
	}
	if r.closed != nil && p.disconnected {
		c.table.release(r.closed.statement)
	} else if r.closed != nil {
		c.named[r.name] = r.closed
	}
	if r.added != nil && s.remove(r.added) {
		s.table.release(r.added.statement)
	}
	if r.removed != nil {
		s.insert(r.removed)
	}
	if r.duplicate != nil {
		s.table.release(r.duplicate.statement)
	}
	switch {
	case r.learns && r.uses != nil:
		r.uses.asked = false
	case r.learns && r.action == drop:
		p.unnamedFound = unnamedDescription{}
	}
}

// binds reports whether a request from the i-th on binds a portal.
func (p *pipeline) binds(i int) bool {
	for ; i < p.queue.n; i++ {
		if p.queue.at(i).kind == kindBind {
			return true
		}
	}
	return false
}

// restoreUnnamed undoes the changes of the first n requests to the unnamed statement.
// The first of them has failed.
func (p *pipeline) restoreUnnamed(n int) {
	i := p.replacement(0)
	if i >= n {
		return
	}
	r := p.queue.at(i)
	before, version, judged := r.former, r.version, r.judgment
	switch {
	case i > 0: // skipped
	case r.action == drop: // the client's statement could not be prepared
		before = unnamed{}
	default: // the failed Parse has dropped the former statement, too
		before, version, judged = r.later, r.later.version, judgment{}
	}
	if i == 0 && r.action == forward && p.client.unnamedVersion == r.later.version {
		p.client.unnamedVersion = 0 // the text of the failed Parse
	}
	if after := p.replacement(n); after < p.queue.n {
		r := p.queue.at(after)
		r.former, r.version, r.judgment = before, version, judged
		return
	}
	p.server.unnamed = before
	p.client.version, p.client.unnamedJudgment = version, judged
}

// replacement returns the index, from i on, of the next request that replaces the
// unnamed statement.
func (p *pipeline) replacement(i int) int {
	for i < p.queue.n && !p.queue.at(i).replacesUnnamed {
		i++
	}
	return i
}

// replaceUnnamed notes that the client's request r drops its unnamed statement.
func (p *pipeline) replaceUnnamed(r *request) {
	c := p.client
	r.version, r.judgment = c.version, c.unnamedJudgment
	c.versions++
	c.version, c.unnamedJudgment = c.versions, judgment{}
	p.takeUnnamed(r)
}

// takeUnnamed notes that r makes the server's unnamed statement the client's.
func (p *pipeline) takeUnnamed(r *request) {
	r.replacesUnnamed, r.former = true, p.server.unnamed
	r.later = unnamed{p.client, p.client.version}
	p.server.unnamed = r.later
	p.unnamedChanged = r.segment
}

// dropNamed notes that r drops the client's statement of that name.
func (p *pipeline) dropNamed(name string, r *request) {
	r.name, r.closed = name, p.client.named[name]
	delete(p.client.named, name)
	p.namesChanged = r.segment // which a query ends
}

// dropAll drops all prepared statements, as the server has done for the client.
func (p *pipeline) dropAll() {
	p.client.dropNamed()
	p.server.dropPrepared()
}

// makeRoom closes statements that the server need not keep.
func (p *pipeline) makeRoom() {
	s := p.server
	if s.status == pgwire.TxFailed {
		return
	}
	for _, on := range s.stale {
		p.closePrepared(on)
	}
	s.stale = s.stale[:0]
	for on := s.oldest(); on != nil; on = s.oldest() {
		s.remove(on)
		p.closePrepared(on)
	}
}

func (p *pipeline) closePrepared(on *prepared) {
	p.toServer = pgwire.AppendClose(p.toServer, pgwire.PreparedStatement, on.name)
	p.expect(kindClose, drop).removed = on
}

// setPlaceholder makes sure that the server has the placeholder statement. Its text is
// empty, so that it can be prepared in a failed transaction.
func (p *pipeline) setPlaceholder() {
	p.dropPlaceholder()
	p.toServer = pgwire.AppendParse(p.toServer, p.server.placeholder(), "\x00\x00\x00")
	p.expect(kindParse, drop)
}

// reject makes the server fail with a request that has been sent so far, or, if it would
// accept the rest of a Parse, with the error e.
func (p *pipeline) reject(rest string, e *pgwire.Error) {
	p.setPlaceholder()
	p.toServer = pgwire.AppendParse(p.toServer, p.server.placeholder(), rest)
	p.expect(kindParse, forward).errorInstead = e
}

// dropPlaceholder makes sure that the server does not have the placeholder statement,
// which it still has after an error.
func (p *pipeline) dropPlaceholder() {
	p.toServer = pgwire.AppendClose(p.toServer, pgwire.PreparedStatement, p.server.placeholder())
	p.expect(kindClose, drop)
}

// beginCopy handles the beginning of COPY FROM STDIN by a request of kind k. The
// server ignores each Sync up to the end of the copy, including those that the client
// has sent already.
func (p *pipeline) beginCopy(k kind) {
	p.copying, p.copyIn = true, true
	ignored, counted := false, false
	for i := 1; i < p.queue.n; i++ {
		switch r := p.queue.at(i); {
		case r.kind == kindCopyEnd:
			p.copyIn = false
		case r.kind != kindSync:
		case p.copyIn:
			r.kind, ignored = kindNone, true
		default:
			counted = true
		}
	}
	if k == kindExecute && ignored && !counted {
		p.unsynced = true
	}
	// Changes before such a Sync belong to the current segment.
	if p.namesChanged > p.server.answeredSegment {
		p.namesChanged = p.server.segment
	}
	if p.unnamedChanged > p.server.answeredSegment {
		p.unnamedChanged = p.server.segment
	}
}

// endCopy handles the end of a copy. Another one of the same query may follow.
func (p *pipeline) endCopy() {
	p.copying, p.copyIn = false, false
	for i := 1; i < p.queue.n; i++ {
		if r := p.queue.at(i); r.kind == kindCopyEnd {
			r.kind = kindNone
			return
		}
	}
}
