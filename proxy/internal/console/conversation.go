package console

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// maxStatements bounds the prepared statements of a session.
const maxStatements = 1000

// conversation answers the messages of one client, in either query protocol. It
// does no I/O.
type conversation struct {
	proxy     Proxy
	commands  commands
	variables *variables
	execute   func(*statement) ([]row, error)
	types     *pgtype.Map

	out        []byte          // answers that were not sent
	status     pgwire.TxStatus // that the client expects
	statements map[string]*statement
	portals    map[string]*portal
	syncing    bool   // a message of the extended protocol awaits its Sync
	skipping   bool   // after an error, until the Sync
	after      func() // to be called when the client has its answer
}

// prepare parses one statement.
func (c *conversation) prepare(tokens []token) (*statement, error) {
	st, err := c.commands.prepare(c.proxy, tokens)
	if st != nil || err != nil {
		return st, err
	}
	if st = prepareForDriver(c.variables, c.proxy, tokens); st != nil {
		return st, nil
	}
	return nil, c.commands.unknown(tokens)
}

// handle answers one message. The error, a [pgwire.Error], ends the session.
func (c *conversation) handle(m pgwire.Message) error {
	kind := pgwire.ClientType(m.Type)
	if c.skipping && kind != pgwire.ClientSync {
		return nil
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
	case pgwire.ClientParse, pgwire.ClientBind, pgwire.ClientDescribe, pgwire.ClientExecute, pgwire.ClientClose:
		c.syncing = true
		if err := c.extended(kind, m.Body); err != nil {
			c.out = asError(err).Append(c.out)
			c.skipping = true
		}
	default:
		return &pgwire.Error{Code: "08P01", Message: fmt.Sprintf("the proxy's console does not understand message type %q", byte(kind))}
	}
	return nil
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

func (c *conversation) ready() {
	c.syncing = false
	c.out = pgwire.AppendReadyForQuery(c.out, c.status)
	if c.status == pgwire.TxIdle {
		clear(c.portals)
	}
}

// query runs the statements of a Query message until the first error.
func (c *conversation) query(body []byte) error {
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
		st, err := c.prepare(tokens)
		if err != nil {
			return err
		}
		p := &portal{statement: st}
		if err := c.start(p); err != nil {
			return err
		}
		if st.columns != nil {
			c.out = appendRowDescription(c.out, st.columns, nil)
		}
		if err := c.send(p, 0); err != nil {
			return err
		}
	}
	return nil
}

// extended answers a message of the extended protocol.
func (c *conversation) extended(kind pgwire.ClientType, body []byte) error {
	switch kind {
	case pgwire.ClientParse:
		return c.parse(body)
	case pgwire.ClientBind:
		return c.bind(body)
	case pgwire.ClientDescribe:
		return c.describe(body)
	case pgwire.ClientExecute:
		return c.run(body)
	}
	return c.close(body)
}

func (c *conversation) parse(body []byte) error {
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
		if st, err = c.prepare(statements[0]); err != nil {
			return err
		}
	default:
		return syntaxError("cannot insert multiple commands into a prepared statement")
	}
	if c.statements[string(m.Name)] != nil && len(m.Name) > 0 {
		return &pgwire.Error{Code: "42P05", Message: fmt.Sprintf("prepared statement %q already exists", m.Name)}
	}
	if len(c.statements) >= maxStatements {
		return &pgwire.Error{Code: "54000", Message: fmt.Sprintf("the console keeps at most %d prepared statements", maxStatements)}
	}
	c.statements[string(m.Name)] = st
	c.out = pgwire.AppendParseComplete(c.out)
	return nil
}

func (c *conversation) bind(body []byte) error {
	var m pgproto3.Bind
	if err := m.Decode(body); err != nil {
		return err
	}
	st := c.statements[m.PreparedStatement]
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
	if c.portals[m.DestinationPortal] != nil && m.DestinationPortal != "" {
		return &pgwire.Error{Code: "42P03", Message: fmt.Sprintf("portal %q already exists", m.DestinationPortal)}
	}
	c.portals[m.DestinationPortal] = &portal{statement: st, formats: m.ResultFormatCodes}
	c.out, _ = (&pgproto3.BindComplete{}).Encode(c.out)
	return nil
}

func (c *conversation) close(body []byte) error {
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

func noSuchStatement(name string) error {
	return &pgwire.Error{Code: "26000", Message: fmt.Sprintf("prepared statement %q does not exist", name)}
}

func (c *conversation) portal(name []byte) (*portal, error) {
	if p := c.portals[string(name)]; p != nil {
		return p, nil
	}
	return nil, &pgwire.Error{Code: "34000", Message: fmt.Sprintf("portal %q does not exist", name)}
}

func (c *conversation) describe(body []byte) error {
	o, err := pgwire.DecodeDescribe(body)
	if err != nil {
		return err
	}
	var st *statement
	var formats []int16
	if o.Kind == pgwire.PreparedStatement {
		if st = c.statements[string(o.Name)]; st == nil {
			return noSuchStatement(string(o.Name))
		}
		c.out, _ = (&pgproto3.ParameterDescription{}).Encode(c.out)
	} else {
		p, err := c.portal(o.Name)
		if err != nil {
			return err
		}
		st, formats = p.statement, p.formats
	}
	if st.columns == nil {
		c.out, _ = (&pgproto3.NoData{}).Encode(c.out)
	} else {
		c.out = appendRowDescription(c.out, st.columns, formats)
	}
	return nil
}

func (c *conversation) run(body []byte) error {
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
	return c.send(p, int(m.MaxRows))
}

// start runs p unless it has run.
func (c *conversation) start(p *portal) (err error) {
	if p.ran {
		return nil
	}
	p.ran = true
	if p.rows, err = c.execute(p.statement); err != nil {
		return err
	}
	if p.status != 0 {
		c.status = p.status
	}
	if p.after != nil {
		c.after = p.after
	}
	return nil
}

// send sends up to limit rows of p, or all if limit is 0.
func (c *conversation) send(p *portal, limit int) error {
	n := len(p.rows)
	if limit > 0 {
		n = min(n, limit)
	}
	for _, r := range p.rows[:n] {
		values, err := encode(c.types, p.columns, r, p.formats)
		if err != nil {
			return err
		}
		c.out, _ = (&pgproto3.DataRow{Values: values}).Encode(c.out) // fails only beyond a gigabyte
	}
	p.rows = p.rows[n:]
	p.sent += n
	if len(p.rows) > 0 {
		c.out, _ = (&pgproto3.PortalSuspended{}).Encode(c.out)
	} else {
		c.out = pgwire.AppendCommandComplete(c.out, p.complete(p.sent))
	}
	return nil
}
