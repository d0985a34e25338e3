package txpool

import (
	"fmt"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
)

// errorLimit is up to which size, in bytes, an ErrorResponse is read.
const errorLimit = 64 << 10

// FromServer takes bytes that the server sent and appends what is to be sent to
// the client. An error is a [*pgwire.Error]: the server cannot be relied upon,
// and both sessions must end.
func (x *Relay) FromServer(chunk, toClient []byte) (client []byte, err error) {
	x.toClient = toClient
	err = x.takeServer(chunk)
	client, x.toClient = x.toClient, nil
	return client, err
}

func (x *Relay) takeServer(chunk []byte) error {
	in := &x.fromServer
	// chunk[start:at] is passed on but not yet appended.
	start, at := 0, 0
	for at < len(chunk) {
		span, err := in.scanner.Next(chunk[at:])
		if err != nil {
			return err
		}
		piece := chunk[at : at+span.Size]
		at += span.Size
		t := pgwire.ServerType(span.Type)
		if span.First() {
			if x.errands == 0 && (t == pgwire.ServerDataRow || t == pgwire.ServerCopyData) {
				in.gather, in.pass = false, true
				continue
			}
			in.gather = wanted(t) || t == pgwire.ServerDataRow && x.errand().hasRows()
			in.pass = !in.gather && x.forwards(t)
		}
		if in.pass && !span.Last() {
			continue
		}
		if in.pass && quiet(t) {
			continue
		}
		// The answer has an effect, or must not be passed on: first what
		// came before it.
		if in.pass {
			x.toClient = append(x.toClient, chunk[start:at]...)
		} else {
			x.toClient = append(x.toClient, chunk[start:at-span.Size]...)
		}
		start = at
		if err := x.serverPiece(t, span, piece); err != nil {
			return err
		}
	}
	x.toClient = append(x.toClient, chunk[start:]...)
	return nil
}

// serverPiece takes a part of a message: of one that is gathered, or the last
// of one that is not.
func (x *Relay) serverPiece(t pgwire.ServerType, span pgwire.Span, piece []byte) error {
	in := &x.fromServer
	if !in.gather {
		if !span.Last() {
			return nil
		}
		return x.answer(t)
	}
	if span.Whole() {
		return x.answerWhole(t, piece)
	}
	in.gathered = append(in.gathered, piece...)
	switch {
	case span.Last():
		err := x.answerWhole(t, in.gathered)
		in.reset()
		return err
	case t == pgwire.ServerErrorResponse && span.Length > errorLimit:
		// Too long to be worth more than passing on, if it is the client's.
		pass := x.errand() == noErrand
		x.failed(in.gathered, pgwire.ErrorResponse{})
		in.reset()
		in.gather, in.pass = false, pass
	}
	return nil
}

// wanted reports whether messages of a type are needed whole.
func wanted(t pgwire.ServerType) bool {
	switch t {
	case pgwire.ServerReadyForQuery, pgwire.ServerCommandComplete, pgwire.ServerErrorResponse, pgwire.ServerParameterStatus:
		return true
	}
	return false
}

// quiet reports whether messages of a type answer nothing, or not yet all.
func quiet(t pgwire.ServerType) bool {
	switch t {
	case pgwire.ServerDataRow, pgwire.ServerCopyData, pgwire.ServerCopyDone, pgwire.ServerCopyOutResponse,
		pgwire.ServerParameterDescription, pgwire.ServerFunctionCallResponse,
		pgwire.ServerErrorResponse: // a long one, taken before
		return true
	}
	return false
}

// asynchronous reports whether messages of a type may come at any time.
func asynchronous(t pgwire.ServerType) bool {
	return t == pgwire.ServerNoticeResponse || t == pgwire.ServerNotificationResponse || t == pgwire.ServerParameterStatus
}

// forwards reports whether the client gets a message that now begins.
func (x *Relay) forwards(t pgwire.ServerType) bool {
	e := x.queue.front()
	return e == nil || e.how == forward || asynchronous(t) && x.errand() == noErrand || t == pgwire.ServerNotificationResponse && !x.leaving
}

// errand is what the server's next answer is to, if it is to one of the
// relay's own queries.
func (x *Relay) errand() errand {
	if x.errands == 0 {
		return noErrand
	}
	return x.queue.front().errand
}

// answer takes the end of a message whose content does not matter.
func (x *Relay) answer(t pgwire.ServerType) error {
	e := x.queue.front()
	if asynchronous(t) {
		x.fakes()
		return nil
	}
	if e == nil {
		return x.unexpected(t)
	}
	want := nothing
	switch t {
	case pgwire.ServerParseComplete:
		want = parse
	case pgwire.ServerBindComplete:
		want = bind
	case pgwire.ServerCloseComplete:
		want = closing
	case pgwire.ServerNoData:
		want = describe
	case pgwire.ServerRowDescription:
		if e.kind != describe {
			return nil
		}
		want = describe
	case pgwire.ServerEmptyQueryResponse:
		if e.kind == query {
			return nil
		}
		want = execute
	case pgwire.ServerPortalSuspended:
		want = execute
	case pgwire.ServerCopyInResponse:
		if x.leaving {
			return errGoneBeforeCopy
		}
		x.beginCopy(e.kind)
		return nil
	case pgwire.ServerCopyBothResponse:
		x.keep(pinReplication, x.server.segment)
		return nil
	default:
		return nil
	}
	if e.kind != want {
		return x.unexpected(t)
	}
	x.next()
	return nil
}

func (x *Relay) unexpected(t pgwire.ServerType) error {
	return &pgwire.Error{Severity: "FATAL", Code: "08P01", Message: fmt.Sprintf("unexpected %s message from server", t)}
}

// beginCopy is COPY FROM STDIN: the server ignores each Sync up to the end of
// the copy, those included that the client sent before it knew.
func (x *Relay) beginCopy(k kind) {
	x.copying, x.copyIn = true, true
	ignored, counted := false, false
	for i := 1; i < x.queue.n; i++ {
		switch e := x.queue.at(i); {
		case e.kind == copyEnd:
			x.copyIn = false
		case e.kind != synced:
		case x.copyIn:
			e.kind, ignored = nothing, true
		default:
			counted = true
		}
	}
	if k == execute && ignored && !counted {
		x.unsynced = true
	}
	// What changed before such a Sync is as of the current segment.
	if x.namesChanged > x.server.answered {
		x.namesChanged = x.server.segment
	}
	if x.unnamedChanged > x.server.answered {
		x.unnamedChanged = x.server.segment
	}
}

// endCopy is the end of a copy that may be followed by another one of the same
// query.
func (x *Relay) endCopy() {
	x.copying, x.copyIn = false, false
	for i := 1; i < x.queue.n; i++ {
		if e := x.queue.at(i); e.kind == copyEnd {
			e.kind = nothing
			return
		}
	}
}

// answerWhole takes a message whose content matters.
func (x *Relay) answerWhole(t pgwire.ServerType, m []byte) error {
	body := m[pgwire.HeaderSize:]
	switch t {
	case pgwire.ServerErrorResponse:
		e, err := pgwire.DecodeErrorResponse(body)
		if err != nil {
			return err
		}
		x.failed(m, e)
		return nil
	case pgwire.ServerCommandComplete:
		tag, err := pgwire.DecodeCommandComplete(body)
		if err != nil {
			return err
		}
		return x.complete(tag, m)
	case pgwire.ServerParameterStatus:
		p, err := pgwire.DecodeParameterStatus(body)
		if err != nil {
			return err
		}
		x.parameter(p, m)
		return nil
	case pgwire.ServerDataRow:
		if x.errand() == surveying {
			x.noteDefinition(body)
		} else {
			x.found.note(body)
		}
		return nil
	default:
		status, err := pgwire.DecodeReadyForQuery(body)
		if err != nil {
			return err
		}
		return x.ready(status, m)
	}
}

func (x *Relay) ready(status pgwire.TxStatus, m []byte) error {
	e := x.queue.front()
	known := e != nil && (e.kind == synced || e.kind == query)
	if !known && !x.syncInCopy {
		return x.unexpected(pgwire.ServerReadyForQuery)
	}
	x.server.status = status
	x.copying, x.copyIn = false, false
	if known && e.errand != noErrand {
		return x.errandAnswered(e)
	}
	x.toClient = append(x.toClient, m...)
	x.server.replies++
	if status == pgwire.TxIdle {
		x.server.transactions++
	}
	if known {
		x.server.answered = e.segment
		x.next()
	}
	if x.age != 0 && status == pgwire.TxIdle {
		x.age = 0
		x.client.table.beginAge()
	}
	if x.blurred && status == pgwire.TxIdle {
		x.refocus()
	}
	return nil
}

func (x *Relay) errandAnswered(e *expected) error {
	what := e.errand
	x.server.answered = e.segment
	x.next()
	return x.errandDone(what)
}

// parameter takes what the server reports. With nothing asked it is not the
// client's doing.
func (x *Relay) parameter(p pgwire.ParameterStatus, m []byte) {
	s := x.server
	unasked := x.queue.n == 0
	s.reported = s.reported.with(string(p.Name), string(p.Value))
	if x.errand() != noErrand {
		return
	}
	x.toClient = append(x.toClient, m...)
	x.client.reported = x.client.reported.with(string(p.Name), string(p.Value))
	if unasked {
		x.base = s.reported
	}
	x.fakes()
}

func (x *Relay) complete(tag, m []byte) error {
	e := x.queue.front()
	if e == nil || e.kind != query && e.kind != execute {
		return x.unexpected(pgwire.ServerCommandComplete)
	}
	switch e.errand {
	case noErrand:
		x.toClient = append(x.toClient, m...)
		x.completed(string(tag), e.segment)
	case discarding:
		x.forget()
	}
	if x.copying {
		x.endCopy()
	}
	if e.kind == execute {
		x.next()
	}
	return nil
}

// completed is for what the text alone may not have told.
func (x *Relay) completed(tag string, segment uint64) {
	switch tag {
	case "DISCARD ALL":
		x.discarded(segment)
		x.forget()
	case "DEALLOCATE ALL":
		x.forget()
	case "LISTEN":
		x.suspects |= routines.Listens
	case "PREPARE":
		x.suspects |= routines.Prepares
	case "LOAD":
		x.keep(pinLoad, segment)
	case "DROP TABLE", "DROP VIEW", "DROP SEQUENCE", "DROP FUNCTION", "DROP TYPE":
		if x.client.pin != "" {
			x.suspects |= routines.Inspectable
		}
	}
	if redefines(tag) {
		x.redefine()
	}
}

// redefines reports whether a command changes what texts mean.
func redefines(tag string) bool {
	verb, object, _ := strings.Cut(tag, " ")
	switch verb {
	case "CREATE", "ALTER", "DROP":
		return object != "INDEX" && object != "ROLE" && object != "DATABASE" && object != "STATISTICS"
	}
	return false
}

// forget is for when the server has dropped all its prepared statements on
// behalf of this client.
func (x *Relay) forget() {
	x.client.forgetNamed()
	x.server.forgetPrepared()
}

// failed takes an error, m as far as it has come.
func (x *Relay) failed(m []byte, report pgwire.ErrorResponse) {
	x.copying, x.copyIn = false, false
	if severity := string(report.Severity); severity == "FATAL" || severity == "PANIC" {
		x.fatal = true
	}
	e := x.queue.front()
	if e != nil && e.errand != noErrand {
		x.failure = &pgwire.Error{Code: string(report.Code), Message: string(report.Message)}
		return
	}
	if e != nil && e.refusal != nil && string(report.Code) == duplicateName {
		x.toClient = e.refusal.Append(x.toClient)
	} else {
		x.toClient = append(x.toClient, m...)
		x.explained = x.fatal
	}
	if e != nil && e.kind == query && e.closed != nil { // DEALLOCATE, in a failed transaction
		x.undo(e)
		e.closed = nil
	}
	if e == nil || e.kind == query || e.kind == synced {
		return
	}
	// The plan's result has changed, perhaps by somebody else: as the client
	// does after Close and Parse, prepare it anew.
	if string(report.Code) == "0A000" && e.uses != nil && x.server.remove(e.uses) {
		e.uses.stale = true
		x.server.insert(e.uses)
		x.client.table.beginAge()
	}
	x.skip()
}
