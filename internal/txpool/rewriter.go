package txpool

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
)

// rewriter turns the requests of the client into requests to the server, with the
// names of the server's statements. Its methods that return a bool return false if
// the request must wait for responses; then they have changed nothing.
type rewriter struct {
	*pipeline
	session  *session
	internal *internalQueries

	changing bool // definitions, when the current message was first seen
}

// needsWhole reports whether the rewriter needs whole messages of a type.
func needsWhole(t pgwire.ClientType) bool {
	switch t {
	case pgwire.ClientQuery, pgwire.ClientParse, pgwire.ClientBind, pgwire.ClientDescribe, pgwire.ClientClose, pgwire.ClientFunctionCall:
		return true
	}
	return false
}

// beginsOther handles the beginning of a message of another type, and reports whether
// the server gets the message.
func (w *rewriter) beginsOther(t pgwire.ClientType) bool {
	switch t {
	case pgwire.ClientTerminate:
		return false
	case pgwire.ClientSync:
		w.sync()
		return true
	case pgwire.ClientCopyData, pgwire.ClientCopyDone, pgwire.ClientCopyFail:
		// If no request is outstanding, an error has ended the copy.
		if w.skipping || w.queue.n == 0 {
			return false
		}
		if t != pgwire.ClientCopyData {
			w.expect(kindCopyEnd, drop)
			w.copyIn = false
		}
		return true
	}
	if w.skipping {
		return false
	}
	switch t {
	case pgwire.ClientExecute:
		w.expect(kindExecute, forward)
	}
	return true
}

// judge returns what a text may do if it is sent now. After a change of definitions in
// a transaction the readings that are known do not hold.
func (w *rewriter) judge(r routines.Reading) routines.Reading {
	if catalog := &w.client.table.Catalog; w.session.defines || w.changing {
		r.Impact |= routines.Unknown | w.session.hazards | catalog.Hazards(w.session.changes)
	}
	return r
}

// readingOf returns what st may do if it is bound now.
func (w *rewriter) readingOf(st *statement) routines.Reading {
	return w.judge(w.client.table.readingOf(st).Reading)
}

// largeObjectFunctions are the functions that libpq calls by OID for large objects.
// They leave nothing behind after the transaction.
var largeObjectFunctions = []uint32{715, 764, 767, 952, 953, 954, 955, 956, 957, 958, 964, 1004, 3170, 3171, 3172}

// functionCall sends a call of a function by its OID. What the function does is not
// known, so the session is the client's from then on.
func (w *rewriter) functionCall(body, m []byte) {
	if len(body) < 4 || !slices.Contains(largeObjectFunctions, binary.BigEndian.Uint32(body)) {
		w.session.sent(routines.Unknown | routines.Defines)
		w.session.pin(pinCall, w.server.segment)
	}
	w.pass(kindQuery, m)
}

func (w *rewriter) sync() {
	if w.copyIn { // the server ignores it
		w.syncInCopy = true
		w.session.pin(pinSyncInCopy, w.server.segment)
		return
	}
	w.skipping = false
	w.expect(kindSync, forward)
}

// observe notes whether definitions are changing. It comes before a text is read: a scan
// that ends in between does not make a reading with the names before it valid.
func (w *rewriter) observe() { w.changing = w.client.table.Catalog.Changing() }

// whole handles a whole message of a type that needs it.
func (w *rewriter) whole(m []byte) bool {
	w.observe()
	body := m[pgwire.HeaderSize:]
	switch pgwire.ClientType(m[0]) {
	case pgwire.ClientParse:
		switch p, err := pgwire.DecodeParse(body); {
		case err != nil:
			w.pass(kindParse, m)
		case len(p.Name) == 0:
			return w.parseUnnamed(p, m)
		default:
			return w.parse(p)
		}
	case pgwire.ClientBind:
		switch b, err := pgwire.DecodeBind(body); {
		case err != nil:
			w.pass(kindBind, m)
		case len(b.Statement) == 0:
			return w.bindUnnamed(b, m)
		default:
			return w.bind(b, m)
		}
	case pgwire.ClientDescribe:
		switch o, err := pgwire.DecodeDescribe(body); {
		case err != nil:
			w.pass(kindDescribe, m)
		case o.Kind == pgwire.PreparedStatement:
			return w.describe(o.Name, m)
		default:
			w.describePortal(o.Name, m)
		}
	case pgwire.ClientClose:
		if o, err := pgwire.DecodeClose(body); err == nil && o.Kind == pgwire.PreparedStatement {
			return w.close(o.Name, m)
		}
		w.pass(kindClose, m)
	case pgwire.ClientFunctionCall:
		w.functionCall(body, m)
	default:
		return w.query(body, m)
	}
	return true
}

func (w *rewriter) query(body, m []byte) bool {
	text, err := pgwire.DecodeQuery(body)
	if err != nil {
		w.replaceUnnamed(w.pass(kindQuery, m))
		return true
	}
	r := w.judge(w.client.table.read(text))
	name := deallocatedName(text, &r.Impact)
	if name != "" && !w.namesAreSettled() || !w.internal.protectSequences(r.Impact) {
		return false
	}
	if w.client.named[name] != nil || w.server.isReserved(name) {
		w.deallocate(name)
		return true
	}
	w.session.noteCustom(r.Custom)
	w.session.sent(r.Impact)
	w.vacate(vacatedBy(text, r))
	w.replaceUnnamed(w.pass(kindQuery, m))
	return true
}

func (w *rewriter) parse(p pgwire.Parse) bool {
	c, s := w.client, w.server
	if !w.namesAreSettled() {
		return false
	}
	name := string(keyOf(p.Name))
	if c.named[name] != nil {
		w.reject(string(p.Rest), &pgwire.Error{Severity: "ERROR", Code: duplicateName, Message: "prepared statement \"" + string(p.Name) + "\" already exists"})
		return true
	}
	st := c.table.intern(p, w.session.currentSchema())
	if !w.internal.protectSequences(w.readingOf(st).Impact) {
		c.table.release(st)
		return false
	}
	named := &clientStatement{statement: st}
	if c.named == nil {
		c.named = map[string]*clientStatement{}
	}
	c.named[name] = named
	w.namesChanged = s.segment
	key := statementKey{st, w.session.planning()}
	on := s.prepared[key]
	switch {
	case on == nil:
		w.makeRoom()
		on = w.addPrepared(key)
		w.toServer = p.AppendRenamed(w.toServer, on.name)
		r := w.expect(kindParse, forward)
		r.name, r.defined, r.added = name, named, on
	case s.status == pgwire.TxFailed || w.isBehind():
		// Only the server knows whether the transaction has failed, and whether this
		// statement may be prepared then. It does not keep the duplicate.
		duplicate := s.newPrepared(key)
		duplicate.stale = true
		w.toServer = p.AppendRenamed(w.toServer, duplicate.name)
		r := w.expect(kindParse, forward)
		r.name, r.defined, r.duplicate = name, named, duplicate
	default:
		s.use(on)
		r := w.expect(kindParse, fake)
		r.name, r.defined = name, named
		w.sendFakesNow()
	}
	return true
}

func (w *rewriter) parseUnnamed(p pgwire.Parse, m []byte) bool {
	c := w.client
	names := c.table.Catalog.Names() // before the text is read
	r := w.judge(c.table.read(p.Query))
	name := deallocatedName(p.Query, &r.Impact)
	if name != "" && !w.namesAreSettled() || !w.internal.protectSequences(r.Impact) {
		return false
	}
	var deallocates deallocation
	if c.named[name] != nil || w.server.isReserved(name) {
		deallocates.name = name
		m = pgwire.AppendParse(nil, "", w.deallocateSQL()+string(p.Rest[len(p.Query):]))
	}
	w.session.noteCustom(r.Custom)
	w.vacate(vacatedBy(p.Query, r))
	w.replaceUnnamed(w.pass(kindParse, m))
	c.keepUnnamed(p.Rest, judgment{r, names})
	deallocates.version = c.version
	c.deallocates = deallocates
	return true
}

func (w *rewriter) bind(b pgwire.Bind, m []byte) bool {
	st, on, state := w.prepare(b.Statement)
	switch {
	case state == beingAsked:
		return false
	case state == isChanged:
		w.rejectChanged()
	case on != nil:
		r := w.readingOf(on.statement)
		w.session.noteCustom(r.Custom)
		w.session.sent(r.Impact)
		w.vacate(w.client.table.readingOf(on.statement).vacates)
		w.appendBind(b, on.name)
		w.expect(kindBind, forward).uses = on
		w.bound(b.Portal, boundPortal{st, on})
	case w.server.isReserved(string(b.Statement)):
		w.appendBind(b, w.server.prefix+string(b.Statement))
		w.expect(kindBind, forward)
	default:
		w.pass(kindBind, m)
	}
	return true
}

func (w *rewriter) bindUnnamed(b pgwire.Bind, m []byte) bool {
	reading := w.judge(w.client.unnamedReading(w.server))
	if !w.internal.protectSequences(reading.Impact) {
		return false
	}
	switch w.prepareUnnamed() {
	case beingAsked:
		return false
	case isChanged:
		w.rejectChanged()
		return true
	}
	c := w.client
	dropped := ""
	if d := c.deallocates; d.isCurrent(c) {
		if !w.namesAreSettled() {
			return false
		}
		if c.named[d.name] != nil {
			dropped = d.name
			w.setPlaceholder()
		} else {
			w.dropPlaceholder() // the server must not find it
		}
	}
	w.session.noteCustom(reading.Custom)
	w.session.sent(reading.Impact)
	if r := w.pass(kindBind, m); dropped != "" {
		w.dropNamed(dropped, r)
	}
	w.bound(b.Portal, boundPortal{})
	return true
}

// errChangedResult is PostgreSQL's. The drivers that prepare the statement again find it
// by its routine.
var errChangedResult = &pgwire.Error{Severity: "ERROR", Code: changedResult, Message: "cached plan must not change result type", Routine: "RevalidateCachedQuery"}

// rejectChanged makes the server fail, instead of a request for a statement whose result
// has changed since it was described to the client.
func (w *rewriter) rejectChanged() {
	w.reject("SELECT\x00\x00\x00", errChangedResult)
	w.fromClient.forwards = false // the rest of a long Bind
}

// appendBind sends b, whose end may be missing, with another statement name.
func (w *rewriter) appendBind(b pgwire.Bind, name string) {
	start := len(w.toServer)
	w.toServer = b.AppendRenamed(w.toServer, name)
	if missing := w.fromClient.missing; missing > 0 {
		length := w.toServer[start+1:]
		binary.BigEndian.PutUint32(length, binary.BigEndian.Uint32(length)+uint32(missing))
	}
}

func (w *rewriter) describe(name, m []byte) bool {
	if len(name) == 0 {
		return w.describeUnnamed(m)
	}
	st, on, state := w.prepare(name)
	switch {
	case state == beingAsked:
		return false
	case state == isChanged:
		w.rejectChanged()
	case on != nil:
		w.toServer = pgwire.AppendDescribe(w.toServer, pgwire.PreparedStatement, on.name)
		w.expect(kindDescribe, forward).describes(st, on, st.described.isComplete() && on.isComplete())
	case w.server.isReserved(string(name)):
		w.toServer = pgwire.AppendDescribe(w.toServer, pgwire.PreparedStatement, w.server.prefix+string(name))
		w.expect(kindDescribe, forward)
	default:
		w.pass(kindDescribe, m)
	}
	return true
}

func (w *rewriter) describeUnnamed(m []byte) bool {
	switch w.prepareUnnamed() {
	case beingAsked:
		return false
	case isChanged:
		w.rejectChanged()
	default:
		r := w.pass(kindDescribe, m)
		r.learns, r.version = w.client.hasUnnamed(), w.client.version
	}
	return true
}

func (w *rewriter) describePortal(name, m []byte) {
	r := w.pass(kindDescribe, m)
	portal := w.portal
	if len(name) > 0 {
		portal = w.portals[string(keyOf(name))]
	}
	if st, on := portal.statement, portal.on; st != nil {
		r.describes(st, on, st.described.columns != 0 && on.columns != 0)
	}
}

// prepare makes sure that the server has the client's statement of that name, with the
// parameters and the result that were described to the client. It returns nil if the client has
// none of that name; then the server may have it by PREPARE.
func (w *rewriter) prepare(name []byte) (st *clientStatement, on *prepared, state preparation) {
	if !w.namesAreSettled() {
		return nil, nil, beingAsked
	}
	s := w.server
	if st = w.client.named[string(keyOf(name))]; st == nil {
		return nil, nil, isPrepared
	}
	if !w.internal.protectSequences(w.readingOf(st.statement).Impact) {
		return nil, nil, beingAsked
	}
	key := statementKey{st.statement, w.session.planning()}
	on = s.prepared[key]
	if on != nil && st.described == on.description {
		s.use(on)
		return st, on, isPrepared
	}
	if on != nil && st.described.contradicts(on.description) {
		isNew := on.since == s.segment
		if isNew && !hasFixedResult(st.rest()) {
			st.described = on.description
			return st, on, isPrepared
		}
		s.remove(on)
		s.retire(on)
		if isNew {
			w.client.table.outdate(st.statement)
			return st, nil, isChanged
		}
		on = nil
	}
	if on != nil {
		s.use(on)
	} else {
		w.makeRoom()
		on = w.addPrepared(key)
		on.parameters = st.described.parameters
		w.toServer = pgwire.AppendParse(w.toServer, on.name, st.rest())
		w.expect(kindParse, drop).added = on
		w.namesChanged = s.segment
	}
	if !st.described.exceeds(on.description) {
		return st, on, isPrepared
	}
	if !on.asked {
		on.asked = true
		w.toServer = pgwire.AppendDescribe(w.toServer, pgwire.PreparedStatement, on.name)
		w.expect(kindDescribe, drop).describes(nil, on, false)
	}
	w.flush()
	return nil, nil, beingAsked
}

// addPrepared adds a statement that the server does not have.
func (w *rewriter) addPrepared(key statementKey) *prepared {
	on := w.server.add(key)
	if w.session.schema != 0 && key.planning != unknownSettings {
		w.server.blind = append(w.server.blind, on) // the transaction may be rolled back
	}
	return on
}

// prepareUnnamed makes sure that the server's unnamed statement is the client's, with
// the result that was described to the client, or that the server has none if the client has
// none.
func (w *rewriter) prepareUnnamed() preparation {
	if !w.isSettled(w.unnamedChanged) {
		return beingAsked
	}
	c := w.client
	last := c.unnamedDescribed
	if w.server.unnamed == (unnamed{c, c.version}) {
		switch found := w.unnamedFound; {
		case found.version != c.version || found == last:
			return isPrepared
		case found.columns == 0:
			w.flush()
			return beingAsked
		case !hasFixedResult(string(c.unnamed)):
			c.unnamedDescribed = found
			return isPrepared
		default:
			w.server.unnamed = unnamed{} // to be prepared anew
			return isChanged
		}
	}
	var r *request
	if c.hasUnnamed() {
		rest := c.unnamed
		if c.deallocates.isCurrent(c) {
			rest = append([]byte(w.deallocateSQL()), rest[bytes.IndexByte(rest, 0):]...)
		}
		w.toServer = pgwire.AppendParse(w.toServer, "", rest)
		r = w.expect(kindParse, drop)
	} else {
		w.toServer = pgwire.AppendClose(w.toServer, pgwire.PreparedStatement, "")
		r = w.expect(kindClose, drop)
	}
	r.version, r.judgment = c.version, c.unnamedJudgment
	w.takeUnnamed(r)
	if !c.hasUnnamed() || last.version != c.version {
		return isPrepared
	}
	w.toServer = pgwire.AppendDescribe(w.toServer, pgwire.PreparedStatement, "")
	r = w.expect(kindDescribe, drop)
	r.learns, r.version = true, c.version
	w.unnamedFound = unnamedDescription{version: c.version}
	w.flush()
	return beingAsked
}

// close drops a statement of the client. The server keeps it for other clients.
func (w *rewriter) close(name, m []byte) bool {
	if len(name) == 0 {
		w.replaceUnnamed(w.pass(kindClose, m))
		return true
	}
	if !w.namesAreSettled() {
		return false
	}
	st := w.client.named[string(keyOf(name))]
	if st == nil && !w.server.isReserved(string(name)) { // prepared by PREPARE, or not at all: both succeed
		w.pass(kindClose, m)
		return true
	}
	r := w.expect(kindClose, fake)
	if st != nil {
		w.dropNamed(string(keyOf(name)), r)
	}
	w.sendFakesNow()
	return true
}
