package txpool

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// rewriter turns the requests of the client into requests to the server, with the
// names of the server's statements. Its methods that return a bool return false if
// the request must wait for responses; then they have changed nothing.
type rewriter struct {
	*pipeline
	session  *session
	internal *internalQueries
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
	if w.session.defines || w.client.table.Catalog.Changing() {
		r.Impact |= routines.Unknown
	}
	return r
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

// whole handles a whole message of a type that needs it.
func (w *rewriter) whole(m []byte) bool {
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
			return w.bindUnnamed(m)
		default:
			return w.bind(b, m)
		}
	case pgwire.ClientDescribe:
		if o, err := pgwire.DecodeDescribe(body); err == nil && o.Kind == pgwire.PreparedStatement {
			return w.describe(o.Name, m)
		}
		w.pass(kindDescribe, m)
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
	if name != "" && !w.namesAreSettled() {
		return false
	}
	if w.client.named[name] != nil || w.server.isReserved(name) {
		w.deallocate(name)
		return true
	}
	w.client.noteCustom(r.Custom)
	w.internal.protectSequences(r.Impact)
	w.session.sent(r.Impact)
	w.vacate(vacatedBy(text, r))
	w.replaceUnnamed(w.pass(kindQuery, m))
	return true
}

// deallocatedName returns the name of the one statement that a text drops, and removes
// that from impact, or returns "" if the text does anything else. Then it adds to impact
// what the server does not report.
func deallocatedName(text []byte, impact *routines.Impact) string {
	if *impact&routines.Deallocates == 0 {
		return ""
	}
	scanner := sqlscan.NewScanner(text, false)
	st, _ := scanner.Next()
	_, more := scanner.Next()
	isAll := st.Effects == sqlscan.Discard || strings.EqualFold(string(st.Name), "all")
	switch {
	case more, st.Effects != sqlscan.Discard && st.Effects != sqlscan.Deallocate, st.Name == nil:
		*impact |= routines.DropsUnseen
		return ""
	case isAll:
		return ""
	}
	*impact &^= routines.Deallocates
	return string(sqlscan.AppendName(nil, st.Name))
}

// deallocateSQL is sent instead of a DEALLOCATE of a statement that was prepared by
// protocol, which the server keeps for other clients, or of a statement of the server's
// that the client has not prepared.
func (w *rewriter) deallocateSQL() string { return `DEALLOCATE "` + w.server.placeholder() + `"` }

// deallocate sends a Query that drops the client's statement of that name, or fails if
// it has none.
func (w *rewriter) deallocate(name string) {
	isKnown := w.client.named[name] != nil
	if isKnown {
		w.setPlaceholder()
	} else {
		w.dropPlaceholder()
	}
	w.toServer = pgwire.AppendQuery(w.toServer, w.deallocateSQL())
	r := w.expect(kindQuery, forward)
	if isKnown {
		w.dropNamed(name, r)
	} else {
		r.errorInstead = &pgwire.Error{Severity: "ERROR", Code: unknownName, Message: "prepared statement \"" + name + "\" does not exist"}
	}
	w.replaceUnnamed(r)
}

func (w *rewriter) parse(p pgwire.Parse) bool {
	c, s := w.client, w.server
	if !w.namesAreSettled() {
		return false
	}
	if c.named[string(p.Name)] != nil {
		w.rejectDuplicate(p)
		return true
	}
	st := c.table.intern(p, w.session.currentSchema())
	w.internal.protectSequences(c.table.readingOf(st).Impact)
	name := string(p.Name)
	c.named[name] = st
	w.namesChanged = s.segment
	key := statementKey{st, w.session.planning()}
	on := s.prepared[key]
	switch {
	case on == nil:
		w.makeRoom()
		on = s.add(key)
		w.toServer = p.AppendRenamed(w.toServer, on.name)
		r := w.expect(kindParse, forward)
		r.name, r.defined, r.added = name, st, on
	case s.status == pgwire.TxFailed || w.isBehind():
		// Only the server knows whether the transaction has failed, and whether this
		// statement may be prepared then. It does not keep the duplicate.
		duplicate := s.newPrepared(key)
		duplicate.stale = true
		w.toServer = p.AppendRenamed(w.toServer, duplicate.name)
		r := w.expect(kindParse, forward)
		r.name, r.defined, r.duplicate = name, st, duplicate
	default:
		s.use(on)
		r := w.expect(kindParse, fake)
		r.name, r.defined = name, st
		w.sendFakesNow()
	}
	return true
}

func (w *rewriter) parseUnnamed(p pgwire.Parse, m []byte) bool {
	c := w.client
	r := w.judge(c.table.read(p.Query))
	name := deallocatedName(p.Query, &r.Impact)
	if name != "" && !w.namesAreSettled() {
		return false
	}
	var deallocates deallocation
	if c.named[name] != nil || w.server.isReserved(name) {
		deallocates.name = name
		m = pgwire.AppendParse(nil, "", w.deallocateSQL()+string(p.Rest[len(p.Query):]))
	}
	c.noteCustom(r.Custom)
	w.internal.protectSequences(r.Impact)
	w.vacate(vacatedBy(p.Query, r))
	w.replaceUnnamed(w.pass(kindParse, m))
	c.keepUnnamed(p.Rest, r.Impact)
	deallocates.version = c.version
	c.deallocates = deallocates
	return true
}

// rejectDuplicate makes the server reject a Parse whose name the client uses already,
// unless the server finds another error in it. The client gets the error with its own
// name.
func (w *rewriter) rejectDuplicate(p pgwire.Parse) {
	name := w.server.placeholder()
	if on := w.server.prepared[statementKey{w.client.named[string(p.Name)], w.session.planning()}]; on != nil {
		w.server.use(on)
		name = on.name
	} else {
		w.setPlaceholder()
	}
	w.toServer = p.AppendRenamed(w.toServer, name)
	w.expect(kindParse, forward).errorInstead = &pgwire.Error{
		Severity: "ERROR", Code: duplicateName,
		Message: "prepared statement \"" + string(p.Name) + "\" already exists",
	}
}

func (w *rewriter) bind(b pgwire.Bind, m []byte) bool {
	on, ok := w.prepare(b.Statement)
	switch {
	case !ok:
		return false
	case on != nil:
		reading := w.client.table.readingOf(on.statement)
		r := w.judge(reading.Reading)
		w.client.noteCustom(r.Custom)
		w.session.sent(r.Impact)
		w.vacate(reading.vacates)
		w.appendBind(b, on.name)
		w.expect(kindBind, forward).uses = on
	case w.server.isReserved(string(b.Statement)):
		w.appendBind(b, w.server.prefix+string(b.Statement))
		w.expect(kindBind, forward)
	default:
		w.pass(kindBind, m)
	}
	return true
}

func (w *rewriter) bindUnnamed(m []byte) bool {
	if !w.prepareUnnamed() {
		return false
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
	w.session.sent(w.judge(routines.Reading{Impact: c.unnamedImpact}).Impact)
	if r := w.pass(kindBind, m); dropped != "" {
		w.dropNamed(dropped, r)
	}
	return true
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
		if !w.prepareUnnamed() {
			return false
		}
		w.pass(kindDescribe, m)
		return true
	}
	on, ok := w.prepare(name)
	switch {
	case !ok:
		return false
	case on != nil:
		w.toServer = pgwire.AppendDescribe(w.toServer, pgwire.PreparedStatement, on.name)
		w.expect(kindDescribe, forward).uses = on
	case w.server.isReserved(string(name)):
		w.toServer = pgwire.AppendDescribe(w.toServer, pgwire.PreparedStatement, w.server.prefix+string(name))
		w.expect(kindDescribe, forward)
	default:
		w.pass(kindDescribe, m)
	}
	return true
}

// prepare makes sure that the server has the client's statement of that name. It
// returns nil if the client has none of that name; then the server may have it by
// PREPARE.
func (w *rewriter) prepare(name []byte) (on *prepared, ok bool) {
	if !w.namesAreSettled() {
		return nil, false
	}
	s := w.server
	st := w.client.named[string(name)]
	if st == nil {
		return nil, true
	}
	key := statementKey{st, w.session.planning()}
	if on = s.prepared[key]; on != nil {
		s.use(on)
		return on, true
	}
	w.internal.protectSequences(w.client.table.readingOf(st).Impact)
	w.makeRoom()
	on = s.add(key)
	w.toServer = pgwire.AppendParse(w.toServer, on.name, st.rest)
	w.expect(kindParse, drop).added = on
	w.namesChanged = s.segment
	return on, true
}

// prepareUnnamed makes sure that the server's unnamed statement is the client's, or
// that the server has none if the client has none.
func (w *rewriter) prepareUnnamed() bool {
	if !w.isSettled(w.unnamedChanged) {
		return false
	}
	c := w.client
	if w.server.unnamed == (unnamed{c, c.version}) {
		return true
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
	r.version, r.impact = c.version, c.unnamedImpact
	w.takeUnnamed(r)
	return true
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
	st := w.client.named[string(name)]
	if st == nil && !w.server.isReserved(string(name)) { // prepared by PREPARE, or not at all: both succeed
		w.pass(kindClose, m)
		return true
	}
	r := w.expect(kindClose, fake)
	if st != nil {
		w.dropNamed(string(name), r)
	}
	w.sendFakesNow()
	return true
}
