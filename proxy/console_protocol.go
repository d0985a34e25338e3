package proxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// maxConsoleStatements are prepared by one client at once.
const maxConsoleStatements = 1000

// consoleStatement is a command that has been understood. An empty one has no
// run.
type consoleStatement struct {
	tag      string // of CommandComplete
	counted  bool   // it ends in the number of rows
	argument string // for the log
	columns  []column
	admin    bool            // it takes one
	status   pgwire.TxStatus // what the client believes afterwards, 0 for as before
	run      func(context.Context, *console) ([]row, error)
}

// consolePortal is a statement that the client has bound.
type consolePortal struct {
	*consoleStatement
	formats []int16
	ran     bool
	rows    []row // not sent yet
	sent    int
}

// handle answers one message. Whatever it is, the client may go on.
func (c *console) handle(m pgwire.Message) {
	kind := pgwire.ClientType(m.Type)
	if c.skipping && kind != pgwire.ClientSync {
		return
	}
	switch kind {
	case pgwire.ClientQuery:
		if err := c.query(m.Body); err != nil {
			c.out = asError(err).Append(c.out)
		}
		c.ready()
	case pgwire.ClientSync:
		c.skipping = false
		c.ready()
	case pgwire.ClientFunctionCall:
		c.out = asError(&pgwire.Error{Code: "0A000", Message: "the proxy's console has no functions to call"}).Append(c.out)
		c.ready()
	case pgwire.ClientFlush, pgwire.ClientCopyData, pgwire.ClientCopyDone, pgwire.ClientCopyFail:
	default:
		c.owing = true
		if err := c.extended(kind, m.Body); err != nil {
			c.out = asError(err).Append(c.out)
			c.skipping = true
		}
	}
}

// asError makes an error of what leaves the session intact.
func asError(err error) *pgwire.Error {
	said := pgwire.Error{Code: "08P01", Message: err.Error()}
	var e *pgwire.Error
	if errors.As(err, &e) {
		said = *e
	}
	said.Severity = "ERROR"
	return &said
}

func (c *console) ready() {
	c.owing = false
	c.out = pgwire.AppendReadyForQuery(c.out, c.status)
	if c.status == pgwire.TxIdle {
		clear(c.portals)
	}
}

// query runs the statements of a Query message, up to the first error.
func (c *console) query(body []byte) error {
	text, err := pgwire.DecodeQuery(body)
	if err != nil {
		return err
	}
	statements, err := lex(string(text))
	if err != nil {
		return err
	}
	if len(statements) == 0 {
		c.out, _ = (&pgproto3.EmptyQueryResponse{}).Encode(c.out)
	}
	for _, tokens := range statements {
		s, err := c.prepare(tokens)
		if err != nil {
			return err
		}
		portal := &consolePortal{consoleStatement: s}
		if err := c.start(portal); err != nil {
			return err
		}
		if s.columns != nil {
			c.out = appendRowDescription(c.out, s.columns, nil)
		}
		c.send(portal, 0)
	}
	return nil
}

// extended answers a message of the extended protocol.
func (c *console) extended(kind pgwire.ClientType, body []byte) error {
	switch kind {
	case pgwire.ClientParse:
		return c.parse(body)
	case pgwire.ClientBind:
		return c.bind(body)
	case pgwire.ClientDescribe:
		return c.describeObject(body)
	case pgwire.ClientExecute:
		return c.execute(body)
	case pgwire.ClientClose:
		o, err := pgwire.DecodeClose(body)
		if err != nil {
			return err
		}
		if o.Kind == pgwire.PreparedStatement {
			delete(c.statements, string(o.Name))
		} else {
			delete(c.portals, string(o.Name))
		}
		c.out = pgwire.AppendCloseComplete(c.out)
		return nil
	}
	c.end(&pgwire.Error{Code: "08P01", Message: fmt.Sprintf("the proxy's console does not understand message type %q", byte(kind))})
	return nil
}

func (c *console) parse(body []byte) error {
	m, err := pgwire.DecodeParse(body)
	if err != nil {
		return err
	}
	statements, err := lex(string(m.Query))
	if err != nil {
		return err
	}
	s := &consoleStatement{}
	switch len(statements) {
	case 0:
	case 1:
		if s, err = c.prepare(statements[0]); err != nil {
			return err
		}
	default:
		return consoleSyntax("cannot insert multiple commands into a prepared statement")
	}
	if c.statements[string(m.Name)] != nil && len(m.Name) > 0 {
		return &pgwire.Error{Code: "42P05", Message: fmt.Sprintf("prepared statement %q already exists", m.Name)}
	}
	if len(c.statements) >= maxConsoleStatements {
		return &pgwire.Error{Code: "54000", Message: fmt.Sprintf("the console keeps at most %d prepared statements", maxConsoleStatements)}
	}
	c.statements[string(m.Name)] = s
	c.out = pgwire.AppendParseComplete(c.out)
	return nil
}

func (c *console) bind(body []byte) error {
	var m pgproto3.Bind
	if err := m.Decode(body); err != nil {
		return err
	}
	s := c.statements[m.PreparedStatement]
	if s == nil {
		return noSuchStatement(m.PreparedStatement)
	}
	if len(m.Parameters) > 0 {
		return &pgwire.Error{Code: "08P01", Message: fmt.Sprintf("bind message supplies %d parameters, but the console's commands take none", len(m.Parameters)),
			Hint: "write the argument into the command"}
	}
	if n := len(m.ResultFormatCodes); n > 1 && n != len(s.columns) {
		return &pgwire.Error{Code: "08P01", Message: fmt.Sprintf("bind message has %d result formats but query has %d columns", n, len(s.columns))}
	}
	if c.portals[m.DestinationPortal] != nil && m.DestinationPortal != "" {
		return &pgwire.Error{Code: "42P03", Message: fmt.Sprintf("portal %q already exists", m.DestinationPortal)}
	}
	c.portals[m.DestinationPortal] = &consolePortal{consoleStatement: s, formats: m.ResultFormatCodes}
	c.out, _ = (&pgproto3.BindComplete{}).Encode(c.out)
	return nil
}

func noSuchStatement(name string) error {
	return &pgwire.Error{Code: "26000", Message: fmt.Sprintf("prepared statement %q does not exist", name)}
}

func (c *console) portal(name []byte) (*consolePortal, error) {
	if p := c.portals[string(name)]; p != nil {
		return p, nil
	}
	return nil, &pgwire.Error{Code: "34000", Message: fmt.Sprintf("portal %q does not exist", name)}
}

func (c *console) describeObject(body []byte) error {
	o, err := pgwire.DecodeDescribe(body)
	if err != nil {
		return err
	}
	var s *consoleStatement
	var formats []int16
	if o.Kind == pgwire.PreparedStatement {
		if s = c.statements[string(o.Name)]; s == nil {
			return noSuchStatement(string(o.Name))
		}
		c.out, _ = (&pgproto3.ParameterDescription{}).Encode(c.out)
	} else {
		p, err := c.portal(o.Name)
		if err != nil {
			return err
		}
		s, formats = p.consoleStatement, p.formats
	}
	if s.columns == nil {
		c.out, _ = (&pgproto3.NoData{}).Encode(c.out)
	} else {
		c.out = appendRowDescription(c.out, s.columns, formats)
	}
	return nil
}

func (c *console) execute(body []byte) error {
	m, err := pgwire.DecodeExecute(body)
	if err != nil {
		return err
	}
	p, err := c.portal(m.Portal)
	if err != nil {
		return err
	}
	if p.run == nil {
		c.out, _ = (&pgproto3.EmptyQueryResponse{}).Encode(c.out)
		return nil
	}
	if err := c.start(p); err != nil {
		return err
	}
	c.send(p, int(m.MaxRows))
	return nil
}

// start runs p unless it has run.
func (c *console) start(p *consolePortal) (err error) {
	if p.ran {
		return nil
	}
	p.ran = true
	if p.rows, err = c.do(p.consoleStatement); err != nil {
		return err
	}
	if p.status != 0 {
		c.status = p.status
	}
	return nil
}

// send answers with up to limit rows of p, or all if that is 0.
func (c *console) send(p *consolePortal, limit int) {
	n := len(p.rows)
	if limit > 0 {
		n = min(n, limit)
	}
	for _, r := range p.rows[:n] {
		c.out = appendDataRow(c.out, r, p.formats)
	}
	p.rows = p.rows[n:]
	p.sent += n
	if len(p.rows) > 0 {
		c.out, _ = (&pgproto3.PortalSuspended{}).Encode(c.out)
		return
	}
	tag := p.tag
	if p.counted {
		tag = fmt.Sprintf("%s %d", tag, p.sent)
	}
	c.out = pgwire.AppendCommandComplete(c.out, tag)
}
