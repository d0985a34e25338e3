package console

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// maxStatements bounds the prepared statements of a session, and its settings.
const maxStatements = 1000

// statement is one that has been parsed. An empty one has no run.
type statement struct {
	tag      string // of CommandComplete
	counted  bool   // the number of rows follows the tag
	argument string // for the log
	columns  []column
	admin    bool            // it takes one
	status   pgwire.TxStatus // of the session afterwards, 0 for no change
	run      func(context.Context, *Session) ([]row, error)
}

// portal is a statement that the client has bound.
type portal struct {
	*statement
	formats []int16
	ran     bool
	rows    []row // not sent yet
	sent    int
}

// handle answers one message.
func (s *Session) handle(m pgwire.Message) {
	kind := pgwire.ClientType(m.Type)
	if s.skipping && kind != pgwire.ClientSync {
		return
	}
	switch kind {
	case pgwire.ClientQuery:
		if err := s.query(m.Body); err != nil {
			s.out = asError(err).Append(s.out)
		}
		s.ready()
	case pgwire.ClientSync:
		s.skipping = false
		s.ready()
	case pgwire.ClientFunctionCall:
		s.out = asError(&pgwire.Error{Code: "0A000", Message: "the proxy's console has no functions to call"}).Append(s.out)
		s.ready()
	case pgwire.ClientFlush, pgwire.ClientCopyData, pgwire.ClientCopyDone, pgwire.ClientCopyFail:
	default:
		s.syncing = true
		if err := s.extended(kind, m.Body); err != nil {
			s.out = asError(err).Append(s.out)
			s.skipping = true
		}
	}
}

// asError returns err with the severity that keeps the session open.
func asError(err error) *pgwire.Error {
	wire := pgwire.Error{Code: "08P01", Message: err.Error()}
	var e *pgwire.Error
	if errors.As(err, &e) {
		wire = *e
	}
	wire.Severity = "ERROR"
	return &wire
}

func (s *Session) ready() {
	s.syncing = false
	s.out = pgwire.AppendReadyForQuery(s.out, s.status)
	if s.status == pgwire.TxIdle {
		clear(s.portals)
	}
}

// query runs the statements of a Query message until the first error.
func (s *Session) query(body []byte) error {
	text, err := pgwire.DecodeQuery(body)
	if err != nil {
		return err
	}
	statements, err := lex(string(text))
	if err != nil {
		return err
	}
	if len(statements) == 0 {
		s.out, _ = (&pgproto3.EmptyQueryResponse{}).Encode(s.out)
	}
	for _, tokens := range statements {
		st, err := s.prepare(tokens)
		if err != nil {
			return err
		}
		p := &portal{statement: st}
		if err := s.start(p); err != nil {
			return err
		}
		if st.columns != nil {
			s.out = appendRowDescription(s.out, st.columns, nil)
		}
		s.send(p, 0)
	}
	return nil
}

// extended answers a message of the extended protocol.
func (s *Session) extended(kind pgwire.ClientType, body []byte) error {
	switch kind {
	case pgwire.ClientParse:
		return s.parse(body)
	case pgwire.ClientBind:
		return s.bind(body)
	case pgwire.ClientDescribe:
		return s.describe(body)
	case pgwire.ClientExecute:
		return s.executePortal(body)
	case pgwire.ClientClose:
		o, err := pgwire.DecodeClose(body)
		if err != nil {
			return err
		}
		if o.Kind == pgwire.PreparedStatement {
			delete(s.statements, string(o.Name))
		} else {
			delete(s.portals, string(o.Name))
		}
		s.out = pgwire.AppendCloseComplete(s.out)
		return nil
	}
	s.end(&pgwire.Error{Code: "08P01", Message: fmt.Sprintf("the proxy's console does not understand message type %q", byte(kind))})
	return nil
}

func (s *Session) parse(body []byte) error {
	m, err := pgwire.DecodeParse(body)
	if err != nil {
		return err
	}
	statements, err := lex(string(m.Query))
	if err != nil {
		return err
	}
	st := &statement{}
	switch len(statements) {
	case 0:
	case 1:
		if st, err = s.prepare(statements[0]); err != nil {
			return err
		}
	default:
		return syntaxError("cannot insert multiple commands into a prepared statement")
	}
	if s.statements[string(m.Name)] != nil && len(m.Name) > 0 {
		return &pgwire.Error{Code: "42P05", Message: fmt.Sprintf("prepared statement %q already exists", m.Name)}
	}
	if len(s.statements) >= maxStatements {
		return &pgwire.Error{Code: "54000", Message: fmt.Sprintf("the console keeps at most %d prepared statements", maxStatements)}
	}
	s.statements[string(m.Name)] = st
	s.out = pgwire.AppendParseComplete(s.out)
	return nil
}

func (s *Session) bind(body []byte) error {
	var m pgproto3.Bind
	if err := m.Decode(body); err != nil {
		return err
	}
	st := s.statements[m.PreparedStatement]
	if st == nil {
		return noSuchStatement(m.PreparedStatement)
	}
	if len(m.Parameters) > 0 {
		return &pgwire.Error{Code: "08P01", Message: fmt.Sprintf("bind message supplies %d parameters, but the console's commands take none", len(m.Parameters)),
			Hint: "write the argument into the command"}
	}
	if n := len(m.ResultFormatCodes); n > 1 && n != len(st.columns) {
		return &pgwire.Error{Code: "08P01", Message: fmt.Sprintf("bind message has %d result formats but query has %d columns", n, len(st.columns))}
	}
	if s.portals[m.DestinationPortal] != nil && m.DestinationPortal != "" {
		return &pgwire.Error{Code: "42P03", Message: fmt.Sprintf("portal %q already exists", m.DestinationPortal)}
	}
	s.portals[m.DestinationPortal] = &portal{statement: st, formats: m.ResultFormatCodes}
	s.out, _ = (&pgproto3.BindComplete{}).Encode(s.out)
	return nil
}

func noSuchStatement(name string) error {
	return &pgwire.Error{Code: "26000", Message: fmt.Sprintf("prepared statement %q does not exist", name)}
}

func (s *Session) portal(name []byte) (*portal, error) {
	if p := s.portals[string(name)]; p != nil {
		return p, nil
	}
	return nil, &pgwire.Error{Code: "34000", Message: fmt.Sprintf("portal %q does not exist", name)}
}

func (s *Session) describe(body []byte) error {
	o, err := pgwire.DecodeDescribe(body)
	if err != nil {
		return err
	}
	var st *statement
	var formats []int16
	if o.Kind == pgwire.PreparedStatement {
		if st = s.statements[string(o.Name)]; st == nil {
			return noSuchStatement(string(o.Name))
		}
		s.out, _ = (&pgproto3.ParameterDescription{}).Encode(s.out)
	} else {
		p, err := s.portal(o.Name)
		if err != nil {
			return err
		}
		st, formats = p.statement, p.formats
	}
	if st.columns == nil {
		s.out, _ = (&pgproto3.NoData{}).Encode(s.out)
	} else {
		s.out = appendRowDescription(s.out, st.columns, formats)
	}
	return nil
}

func (s *Session) executePortal(body []byte) error {
	m, err := pgwire.DecodeExecute(body)
	if err != nil {
		return err
	}
	p, err := s.portal(m.Portal)
	if err != nil {
		return err
	}
	if p.run == nil {
		s.out, _ = (&pgproto3.EmptyQueryResponse{}).Encode(s.out)
		return nil
	}
	if err := s.start(p); err != nil {
		return err
	}
	s.send(p, int(m.MaxRows))
	return nil
}

// start runs p unless it has run.
func (s *Session) start(p *portal) (err error) {
	if p.ran {
		return nil
	}
	p.ran = true
	if p.rows, err = s.execute(p.statement); err != nil {
		return err
	}
	if p.status != 0 {
		s.status = p.status
	}
	return nil
}

// send sends up to limit rows of p, or all if limit is 0.
func (s *Session) send(p *portal, limit int) {
	n := len(p.rows)
	if limit > 0 {
		n = min(n, limit)
	}
	for _, r := range p.rows[:n] {
		s.out = appendDataRow(s.out, r, p.formats)
	}
	p.rows = p.rows[n:]
	p.sent += n
	if len(p.rows) > 0 {
		s.out, _ = (&pgproto3.PortalSuspended{}).Encode(s.out)
		return
	}
	tag := p.tag
	if p.counted {
		tag = fmt.Sprintf("%s %d", tag, p.sent)
	}
	s.out = pgwire.AppendCommandComplete(s.out, tag)
}
