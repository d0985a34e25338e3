package console

import (
	"context"
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
	prepare func([]token) (*statement, error)
	execute func(*statement) ([]row, error)
	types   *pgtype.Map

	out        []byte          // answers that were not sent
	status     pgwire.TxStatus // that the client expects
	statements map[string]*statement
	portals    map[string]*portal
	syncing    bool   // a message of the extended protocol awaits its Sync
	skipping   bool   // after an error, until the Sync
	after      func() // to be called when the client has its answer
}

// handle answers one message. The error, a [pgwire.Error], ends the session.
func (c *conversation) handle(m pgwire.Message) error {
	kind := pgwire.ClientType(m.Type)
	if c.skipping && kind != pgwire.ClientSync {
		return nil
	}
	syncing := true
	var err error
	switch kind {
	case pgwire.ClientFlush, pgwire.ClientCopyData, pgwire.ClientCopyDone, pgwire.ClientCopyFail:
		return nil
	case pgwire.ClientQuery:
		syncing, err = false, decoded(m.Body, c.query)
	case pgwire.ClientFunctionCall:
		syncing, err = false, &pgwire.Error{Code: "0A000", Message: "the proxy's console has no functions to call"}
	case pgwire.ClientSync:
		syncing, c.skipping = false, false
	case pgwire.ClientParse:
		err = decoded(m.Body, c.parse)
	case pgwire.ClientBind:
		err = decoded(m.Body, c.bind)
	case pgwire.ClientDescribe:
		err = decoded(m.Body, c.describe)
	case pgwire.ClientExecute:
		err = decoded(m.Body, c.run)
	case pgwire.ClientClose:
		err = decoded(m.Body, c.close)
	default:
		return &pgwire.Error{Code: "08P01", Message: fmt.Sprintf("the proxy's console does not understand message type %q", byte(kind))}
	}
	c.syncing = syncing
	if err != nil {
		c.out = asError(err).Append(c.out)
		c.skipping = syncing
	}
	if !syncing {
		c.send(&pgproto3.ReadyForQuery{TxStatus: byte(c.status)})
		if c.status == pgwire.TxIdle {
			clear(c.portals)
		}
	}
	return nil
}

// decoded handles a message of type M.
func decoded[T any, M interface {
	*T
	pgproto3.FrontendMessage
}](body []byte, handle func(M) error) error {
	m := M(new(T))
	if err := m.Decode(body); err != nil {
		return err
	}
	return handle(m)
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

func (c *conversation) send(m pgproto3.BackendMessage) {
	c.out, _ = m.Encode(c.out) // fails only beyond a gigabyte
}

// query runs the statements of a Query message until the first error.
func (c *conversation) query(m *pgproto3.Query) error {
	statements, err := lex(m.String)
	if err != nil {
		return err
	}
	if len(statements) == 0 {
		c.send(&pgproto3.EmptyQueryResponse{})
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
			c.send(describe(st.columns, nil))
		}
		if err := c.sendRows(p, 0); err != nil {
			return err
		}
	}
	return nil
}

func (c *conversation) parse(m *pgproto3.Parse) error {
	statements, err := lex(m.Query)
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
	if c.statements[m.Name] != nil && m.Name != "" {
		return &pgwire.Error{Code: "42P05", Message: fmt.Sprintf("prepared statement %q already exists", m.Name)}
	}
	if len(c.statements) >= maxStatements {
		return &pgwire.Error{Code: "54000", Message: fmt.Sprintf("the console keeps at most %d prepared statements", maxStatements)}
	}
	c.statements[m.Name] = st
	c.send(&pgproto3.ParseComplete{})
	return nil
}

func (c *conversation) bind(m *pgproto3.Bind) error {
	st, err := c.statement(m.PreparedStatement)
	if err != nil {
		return err
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
	c.send(&pgproto3.BindComplete{})
	return nil
}

func (c *conversation) close(m *pgproto3.Close) error {
	if m.ObjectType == 'S' {
		delete(c.statements, m.Name)
	} else {
		delete(c.portals, m.Name)
	}
	c.send(&pgproto3.CloseComplete{})
	return nil
}

func (c *conversation) statement(name string) (*statement, error) {
	if st := c.statements[name]; st != nil {
		return st, nil
	}
	return nil, &pgwire.Error{Code: "26000", Message: fmt.Sprintf("prepared statement %q does not exist", name)}
}

func (c *conversation) portal(name string) (*portal, error) {
	if p := c.portals[name]; p != nil {
		return p, nil
	}
	return nil, &pgwire.Error{Code: "34000", Message: fmt.Sprintf("portal %q does not exist", name)}
}

func (c *conversation) describe(m *pgproto3.Describe) (err error) {
	p := &portal{}
	if m.ObjectType == 'S' {
		if p.statement, err = c.statement(m.Name); err != nil {
			return err
		}
		c.send(&pgproto3.ParameterDescription{})
	} else if p, err = c.portal(m.Name); err != nil {
		return err
	}
	if p.columns == nil {
		c.send(&pgproto3.NoData{})
	} else {
		c.send(describe(p.columns, p.formats))
	}
	return nil
}

func (c *conversation) run(m *pgproto3.Execute) error {
	p, err := c.portal(m.Portal)
	if err != nil {
		return err
	}
	if p.run == nil {
		c.send(&pgproto3.EmptyQueryResponse{})
		return nil
	}
	if err := c.start(p); err != nil {
		return err
	}
	return c.sendRows(p, int(m.MaxRows))
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

// sendRows sends up to limit rows of p, or all if limit is 0.
func (c *conversation) sendRows(p *portal, limit int) error {
	n := len(p.rows)
	if limit > 0 {
		n = min(n, limit)
	}
	for _, r := range p.rows[:n] {
		values, err := encode(c.types, p.columns, r, p.formats)
		if err != nil {
			return err
		}
		c.send(&pgproto3.DataRow{Values: values})
	}
	p.rows = p.rows[n:]
	p.sent += n
	if len(p.rows) > 0 {
		c.send(&pgproto3.PortalSuspended{})
	} else {
		c.send(&pgproto3.CommandComplete{CommandTag: p.complete()})
	}
	return nil
}

// statement is one that has been parsed. An empty one has no run.
type statement struct {
	tag      string // of CommandComplete
	counted  bool   // the number of rows follows the tag
	argument string // for the log
	columns  []column
	admin    bool            // it takes one
	status   pgwire.TxStatus // of the session afterwards, 0 for no change
	run      func(context.Context) ([]row, error)
	after    func() // to be called when the client has its answer; may be nil
}

// portal is a statement that the client has bound.
type portal struct {
	*statement
	formats []int16
	ran     bool
	rows    []row // not sent yet
	sent    int
}

// complete returns the command tag when all rows are sent.
func (p *portal) complete() []byte {
	if p.counted {
		return fmt.Appendf(nil, "%s %d", p.tag, p.sent)
	}
	return []byte(p.tag)
}
