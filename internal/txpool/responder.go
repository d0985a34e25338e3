package txpool

import (
	"encoding/binary"
	"fmt"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// maxError is the size, in bytes, up to which an ErrorResponse is read.
const maxError = 64 << 10

// maxNotification is the size, in bytes, up to which a NotificationResponse is read.
// PostgreSQL's have less than 9 KB.
const maxNotification = 16 << 10

// responder forwards the messages of the server to the client, and handles those that
// end the response to a request.
type responder struct {
	*pipeline
	session        *session
	internal       *internalQueries
	fatalForwarded bool

	flows    bool     // rows, or data of a copy, may come
	complete bool     // the first request, a Query, has had an answer that ReadyForQuery may follow
	reports  []report // not yet in the parameters of the server and the client
	received int      // bytes of rows in response to an internal query, with what they take in memory

	asynchronous int // bytes of messages in the current chunk that can come at any time
}

const (
	// maxAnswer bounds received.
	maxAnswer = 64 << 20

	// rowOverhead is about what a row takes in memory besides its bytes.
	rowOverhead = 256
)

// report is a parameter that the server has reported.
type report struct {
	name, value string
	forwarded   bool
}

// read handles a chunk of the server's stream.
func (s *responder) read(chunk []byte) error {
	p := s.pipeline
	in := &p.fromServer
	// chunk[start:at] is to be forwarded but not yet appended.
	start, at := 0, 0
	s.asynchronous = 0
	for at < len(chunk) {
		span, err := in.scanner.Next(chunk[at:])
		if err != nil {
			p.toClient = append(p.toClient, chunk[start:at]...)
			return err
		}
		piece := chunk[at : at+span.Size]
		at += span.Size
		t := pgwire.ServerType(span.Type)
		if span.First() {
			data := t == pgwire.ServerDataRow || t == pgwire.ServerCopyData
			if !(data && s.flows) && !s.expects(t) {
				in.forwards = false
				p.toClient = append(p.toClient, chunk[start:at-span.Size]...)
				return errUnexpected(t)
			}
			if data {
				s.flows = true
				if p.internalPending == 0 {
					in.collects, in.forwards = false, true
					continue
				}
			}
			in.collects = isRead(t) || t == pgwire.ServerNotificationResponse && span.Length <= maxNotification ||
				t == pgwire.ServerDataRow && p.answering().hasRows() || isDescription(t) && p.queue.n > 0 && p.queue.front().learns
			in.forwards = !in.collects && s.isForwarded(t)
		}
		if isAsynchronous(t) {
			s.asynchronous += span.Size
		}
		if in.forwards && (!span.Last() || endsNothing(t)) {
			continue
		}
		// The message has an effect or must not be forwarded: append first what came
		// before it.
		if in.forwards {
			p.toClient = append(p.toClient, chunk[start:at]...)
		} else {
			p.toClient = append(p.toClient, chunk[start:at-span.Size]...)
		}
		start = at
		switch {
		case in.collects && span.Whole():
			err = s.whole(t, piece)
		case in.collects:
			err = s.collect(t, span, piece)
		case span.Last():
			err = s.end(t)
		}
		if err != nil {
			return err
		}
	}
	p.toClient = append(p.toClient, chunk[start:]...)
	return s.settle()
}

// expects reports whether a message of a type may come now.
func (s *responder) expects(t pgwire.ServerType) bool {
	if isAsynchronous(t) || t == pgwire.ServerErrorResponse || t == pgwire.ServerReadyForQuery && s.syncInCopy {
		return true
	}
	r := s.queue.front()
	if r == nil {
		return false
	}
	switch t {
	case pgwire.ServerReadyForQuery:
		return r.kind == kindSync || r.kind == kindQuery && s.complete
	case pgwire.ServerCommandComplete, pgwire.ServerEmptyQueryResponse, pgwire.ServerCopyInResponse,
		pgwire.ServerCopyOutResponse, pgwire.ServerCopyBothResponse, pgwire.ServerCopyDone:
		return r.kind == kindQuery || r.kind == kindExecute
	case pgwire.ServerRowDescription:
		return r.kind == kindQuery || r.kind == kindDescribe
	case pgwire.ServerDataRow, pgwire.ServerPortalSuspended:
		return r.kind == kindExecute
	case pgwire.ServerFunctionCallResponse:
		return r.kind == kindQuery
	case pgwire.ServerParameterDescription, pgwire.ServerNoData:
		return r.kind == kindDescribe
	case pgwire.ServerParseComplete:
		return r.kind == kindParse
	case pgwire.ServerBindComplete:
		return r.kind == kindBind
	case pgwire.ServerCloseComplete:
		return r.kind == kindClose
	}
	return false
}

// collect handles a part of a message that is collected.
func (s *responder) collect(t pgwire.ServerType, span pgwire.Span, piece []byte) error {
	in := &s.fromServer
	switch {
	case t == pgwire.ServerParameterStatus && span.Length > maxReported:
		return errTooManyParameters
	case t == pgwire.ServerDataRow && span.Length > maxAnswer:
		return errAnswerTooLong
	}
	in.collected = append(in.collected, piece...)
	switch {
	case span.Last():
		err := s.whole(t, in.collected)
		in.reset()
		return err
	case t == pgwire.ServerErrorResponse && span.Length > maxError:
		// It is forwarded, if it is for the client, without being read.
		forwards := s.answering() == notInternal
		s.failed(in.collected, pgwire.ErrorResponse{})
		in.reset()
		in.collects, in.forwards = false, forwards
	}
	return nil
}

// isRead reports whether the content of messages of a type matters.
func isRead(t pgwire.ServerType) bool {
	switch t {
	case pgwire.ServerReadyForQuery, pgwire.ServerCommandComplete, pgwire.ServerErrorResponse, pgwire.ServerParameterStatus:
		return true
	}
	return false
}

// isDescription reports whether messages of a type describe a statement.
func isDescription(t pgwire.ServerType) bool {
	return t == pgwire.ServerRowDescription || t == pgwire.ServerParameterDescription || t == pgwire.ServerNoData
}

// endsNothing reports whether messages of a type do not end a response.
func endsNothing(t pgwire.ServerType) bool {
	switch t {
	case pgwire.ServerDataRow, pgwire.ServerCopyData, pgwire.ServerCopyDone, pgwire.ServerParameterDescription,
		pgwire.ServerErrorResponse: // a long one, which has been handled
		return true
	}
	return false
}

// isAsynchronous reports whether messages of a type may come at any time.
func isAsynchronous(t pgwire.ServerType) bool {
	return t == pgwire.ServerNoticeResponse || t == pgwire.ServerNotificationResponse || t == pgwire.ServerParameterStatus
}

// isForwarded reports whether the client gets a message that now begins.
func (s *responder) isForwarded(t pgwire.ServerType) bool {
	r := s.queue.front()
	return r == nil || r.action == forward || isAsynchronous(t) && s.answering() == notInternal ||
		t == pgwire.ServerNotificationResponse && !s.disconnected
}

// end handles the end of a message that was expected and whose content does not
// matter.
func (s *responder) end(t pgwire.ServerType) error {
	switch t {
	case pgwire.ServerNoticeResponse, pgwire.ServerNotificationResponse:
		s.sendFakes()
	case pgwire.ServerRowDescription:
		if s.queue.front().kind == kindDescribe {
			s.next()
		} else {
			s.flows = true
		}
	case pgwire.ServerEmptyQueryResponse:
		if s.queue.front().kind == kindQuery {
			s.complete = true
		} else {
			s.next()
		}
		s.flows = false
	case pgwire.ServerParseComplete, pgwire.ServerBindComplete, pgwire.ServerCloseComplete, pgwire.ServerNoData:
		s.next()
	case pgwire.ServerPortalSuspended:
		s.flows = false
		s.next()
	case pgwire.ServerFunctionCallResponse:
		s.complete = true
	case pgwire.ServerCopyOutResponse:
		s.flows = true
	case pgwire.ServerCopyInResponse:
		if s.disconnected {
			return errDisconnectedBeforeCopy
		}
		s.beginCopy(s.queue.front().kind)
	case pgwire.ServerCopyBothResponse:
		s.flows = true
		s.session.pin(pinReplication, s.server.segment)
	}
	return nil
}

func errUnexpected(t pgwire.ServerType) error {
	return &pgwire.Error{Severity: "FATAL", Code: "08P01", Message: fmt.Sprintf("unexpected %s message from server", t)}
}

// errAnswerTooLong reports a server that answers an internal query without end.
var errAnswerTooLong = &pgwire.Error{Severity: "FATAL", Code: "08P01",
	Message: fmt.Sprintf("more than %d MiB from server about the session or its catalogs", maxAnswer>>20)}

// errDisconnectedBeforeCopy reports that the server waits for data that will not
// come.
var errDisconnectedBeforeCopy = &pgwire.Error{Code: "57014", Message: "the client disconnected before its copy began"}

// whole handles a message whose content matters.
func (s *responder) whole(t pgwire.ServerType, m []byte) error {
	body := m[pgwire.HeaderSize:]
	switch t {
	case pgwire.ServerErrorResponse:
		e, err := pgwire.DecodeErrorResponse(body)
		if err != nil {
			return err
		}
		if s.queue.n == 0 && !isFatal(e) && !s.syncInCopy {
			return errUnexpected(t)
		}
		s.failed(m, e)
		return nil
	case pgwire.ServerCommandComplete:
		tag, err := pgwire.DecodeCommandComplete(body)
		if err != nil {
			return err
		}
		return s.completed(tag, m)
	case pgwire.ServerParameterStatus:
		p, err := pgwire.DecodeParameterStatus(body)
		if err != nil {
			return err
		}
		s.parameter(p, m)
		return nil
	case pgwire.ServerNotificationResponse:
		s.notification(m)
		return nil
	case pgwire.ServerDataRow:
		if s.received += len(body) + rowOverhead; s.received > maxAnswer {
			return errAnswerTooLong
		}
		s.internal.row(body)
		return nil
	case pgwire.ServerRowDescription, pgwire.ServerParameterDescription, pgwire.ServerNoData:
		r := s.queue.front()
		if r.action == forward {
			s.toClient = append(s.toClient, m...)
		}
		s.learn(r, t, body)
		return s.end(t)
	default:
		status, err := pgwire.DecodeReadyForQuery(body)
		if err != nil {
			return err
		}
		return s.ready(status, m)
	}
}

func (s *responder) ready(status pgwire.TxStatus, m []byte) error {
	if err := s.settle(); err != nil {
		return err
	}
	r := s.queue.front()
	isExpected := r != nil && (r.kind == kindSync || r.kind == kindQuery) // or syncInCopy
	s.flows, s.complete, s.received = false, false, 0
	s.server.status = status
	s.copying, s.copyIn = false, false
	if isExpected && r.internal != notInternal {
		query := r.internal
		s.server.answeredSegment = r.segment
		s.next()
		return s.internal.done(query)
	}
	s.toClient = append(s.toClient, m...)
	s.server.answered++
	if status == pgwire.TxIdle {
		s.server.transactions++
	}
	if isExpected {
		s.server.answeredSegment = r.segment
		s.next()
	}
	s.session.ready(status)
	return nil
}

// parameter handles a ParameterStatus. It costs the same however many there are.
func (s *responder) parameter(p pgwire.ParameterStatus, m []byte) {
	forwarded := s.answering() == notInternal
	s.reports = append(s.reports, report{string(p.Name), string(p.Value), forwarded})
	if forwarded {
		s.toClient = append(s.toClient, m...)
		s.sendFakes()
	}
}

// settle makes the reports the parameters of the server and the client. If no request
// is outstanding, the client has not caused them.
func (s *responder) settle() (err error) {
	if len(s.reports) == 0 {
		return nil
	}
	of, known := s.server.reported.values(), s.client.reported.values()
	unasked := s.queue.n == 0
	for _, r := range s.reports {
		of[r.name] = r.value
		if r.forwarded {
			known[r.name] = r.value
		}
	}
	s.reports = nil
	if err := CheckReported(of); err != nil {
		return err
	}
	s.server.reported, s.client.reported = NewReported(of), NewReported(known)
	if unasked {
		s.session.baseline = s.server.reported
	}
	return nil
}

// notification handles a NotificationResponse. If the client's own NOTIFY is its cause,
// the client gets the process ID that it knows as its own.
func (s *responder) notification(m []byte) {
	if s.isForwarded(pgwire.ServerNotificationResponse) {
		start := len(s.toClient)
		s.toClient = append(s.toClient, m...)
		if pid := s.toClient[start+pgwire.HeaderSize:]; len(pid) >= 4 && binary.BigEndian.Uint32(pid) == s.server.pid {
			binary.BigEndian.PutUint32(pid, s.client.pid)
		}
	}
	s.sendFakes()
}

func (s *responder) completed(tag, m []byte) error {
	r := s.queue.front()
	s.flows, s.complete = false, true
	switch r.internal {
	case notInternal:
		s.toClient = append(s.toClient, m...)
		s.session.completed(string(tag), r.segment)
	case discardAll:
		s.dropAll()
	}
	if s.copying {
		s.endCopy()
	}
	if r.kind == kindExecute {
		s.complete = false
		s.next()
	}
	return nil
}

// isFatal reports whether an error ends the session.
func isFatal(e pgwire.ErrorResponse) bool {
	return string(e.Severity) == "FATAL" || string(e.Severity) == "PANIC"
}

// failed handles an error. m is the message, as far as it has come.
func (s *responder) failed(m []byte, e pgwire.ErrorResponse) {
	s.copying, s.copyIn = false, false
	s.flows, s.complete = false, true
	s.fatal = s.fatal || isFatal(e)
	r := s.queue.front()
	if r != nil && r.internal != notInternal {
		s.internal.failure = &pgwire.Error{Code: string(e.Code), Message: string(e.Message)}
		return
	}
	if string(e.Code) == objectInUse {
		s.vacate(firstQuoted(e.Message))
	}
	if r != nil && r.errorInstead != nil && (string(e.Code) == duplicateName || string(e.Code) == unknownName) {
		s.toClient = r.errorInstead.Append(s.toClient)
	} else {
		s.toClient = append(s.toClient, m...)
		s.fatalForwarded = s.fatal
	}
	if r != nil && r.kind == kindQuery && r.closed != nil { // DEALLOCATE, in a failed transaction
		s.undo(r)
		r.closed = nil
	}
	if r == nil || r.kind == kindQuery || r.kind == kindSync {
		return
	}
	code := string(e.Code)
	if (code == changedResult || code == unknownName) && r.uses != nil && s.server.remove(r.uses) {
		s.server.retire(r.uses) // so that it is prepared again when it is used next
		if code == changedResult {
			s.client.table.outdate(r.uses.statement)
		}
	}
	s.skip()
}
