// Package resultstream runs SQL text on a connection and hands on what comes
// back while it comes: rows, COPY data, notices. pgx's own simple protocol
// cannot take COPY within a text, and reads no result beyond its error.
//
// A text is sent once. Nothing is repeated, whatever happens to the connection.
package resultstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Request is what to run.
type Request struct {
	// SQL is one statement, or several without Params. Postgres runs those as
	// one transaction unless they say otherwise.
	SQL string
	// Params are the values of $1, $2, ... in their types' text format.
	Params []string
	// CopyIn feeds COPY ... FROM STDIN, all of them together. Nil refuses such
	// statements. Run may leave a read on it behind when it fails.
	CopyIn io.Reader
	// CopyOut takes what COPY ... TO STDOUT writes.
	CopyOut io.Writer
}

// Receiver is told what comes back, in this order and by one goroutine. The
// error of any method ends the run: what was sent may have run all the same.
type Receiver interface {
	// Columns begins a result with rows. columns and what it holds are valid
	// during the call only.
	Columns(columns []pgproto3.FieldDescription) error
	// Row is one row, nil for NULL; valid during the call only.
	Row(values [][]byte) error
	// Complete ends a statement. tag is the server's, such as SELECT 3;
	// rows says whether it had Columns.
	Complete(tag string, rows bool) error
	// CopyIn says that data for COPY FROM STDIN is going to be read.
	CopyIn() error
	// Notice is a message of the server that is no error.
	Notice(notice *pgconn.PgError)
	// Notification is what another session sent by NOTIFY.
	Notification(n *pgconn.Notification)
	// Idle says that nothing more has arrived so far.
	Idle() error
}

// LostError says that the connection ended while the statement ran. Nobody
// knows how far it got.
type LostError struct{ Err error }

func (e *LostError) Error() string {
	return "the connection was lost while the statement ran: " + e.Err.Error()
}

func (e *LostError) Unwrap() error { return e.Err }

// Status is the state of the session's transaction after a run.
type Status byte

// The states, as ReadyForQuery has them.
const (
	Idle          Status = 'I'
	InTransaction Status = 'T'
	Failed        Status = 'E' // in a transaction that can only be rolled back
	Gone          Status = 0   // the connection cannot be used any more
)

// cancelTimeout bounds a request to cancel; cancelGrace is how long after it
// the server may take to end the statement before the connection is given up.
const (
	cancelTimeout = 5 * time.Second
	cancelGrace   = 10 * time.Second
)

// Run runs r on conn, which nothing else may use meanwhile. It returns a
// *pgconn.PgError where the server refused something, a *LostError where the
// connection broke, the Receiver's error, or that of ctx.
//
// The end of ctx asks the server to cancel. If that comes too late, the run
// has succeeded and Run says so.
func Run(ctx context.Context, conn *pgconn.PgConn, r Request, to Receiver) (Status, error) {
	if err := conn.SyncConn(ctx); err != nil {
		return Gone, fmt.Errorf("the connection does not work: %w", err)
	}
	s := &stream{conn: conn, frontend: conn.Frontend(), request: r, to: to}
	stop := s.cancelWith(ctx)
	status, err := s.run()
	stop()
	s.copying.end() // what fed the server has let go of the frontend
	var refused *pgconn.PgError
	if ctx.Err() != nil && (status == Gone && err != nil || errors.As(err, &refused) && refused.Code == queryCanceled) {
		err = context.Cause(ctx)
	}
	return status, err
}

// queryCanceled is what Postgres answers when it was asked to cancel.
const queryCanceled = "57014"

// stream is one Run.
type stream struct {
	conn     *pgconn.PgConn
	frontend *pgproto3.Frontend
	request  Request
	to       Receiver
	rows     bool            // the current statement has columns
	failure  *pgconn.PgError // of the server, the first
	copying  copyIn
}

// run sends the request and reads the answer to its end.
func (s *stream) run() (Status, error) {
	if err := s.send(); err != nil {
		return Gone, &LostError{err}
	}
	for {
		if s.frontend.ReadBufferLen() == 0 {
			if err := s.to.Idle(); err != nil {
				return s.abandon(err)
			}
		}
		message, err := s.frontend.Receive()
		switch {
		case err != nil && s.failure != nil:
			return Gone, s.failure // its last words say more than its end
		case err != nil:
			return Gone, &LostError{err}
		}
		if ready, ok := message.(*pgproto3.ReadyForQuery); ok {
			if s.failure != nil {
				return Status(ready.TxStatus), s.failure
			}
			return Status(ready.TxStatus), nil
		}
		if err := s.handle(message); err != nil {
			return s.abandon(err)
		}
	}
}

// send writes the whole request: as one Query, or, with parameters, as the
// messages of one prepared statement.
func (s *stream) send() error {
	f := s.frontend
	if s.request.Params == nil {
		f.SendQuery(&pgproto3.Query{String: s.request.SQL})
		return f.Flush()
	}
	values := make([][]byte, len(s.request.Params))
	for i, v := range s.request.Params {
		values[i] = []byte(v)
	}
	f.SendParse(&pgproto3.Parse{Query: s.request.SQL})
	f.SendBind(&pgproto3.Bind{Parameters: values})
	f.SendDescribe(&pgproto3.Describe{ObjectType: 'P'})
	f.SendExecute(&pgproto3.Execute{})
	f.SendSync(&pgproto3.Sync{})
	return f.Flush()
}

// handle passes one message on.
func (s *stream) handle(message pgproto3.BackendMessage) error {
	switch m := message.(type) {
	case *pgproto3.RowDescription:
		s.rows = true
		return s.to.Columns(m.Fields)
	case *pgproto3.DataRow:
		return s.to.Row(m.Values)
	case *pgproto3.CommandComplete:
		rows := s.rows
		s.rows = false
		return s.to.Complete(string(m.CommandTag), rows)
	case *pgproto3.ErrorResponse:
		s.copying.end()
		if s.failure == nil {
			s.failure = pgconn.ErrorResponseToPgError(m)
		}
	case *pgproto3.NoticeResponse:
		s.to.Notice(pgconn.ErrorResponseToPgError((*pgproto3.ErrorResponse)(m)))
	case *pgproto3.NotificationResponse:
		s.to.Notification(&pgconn.Notification{PID: m.PID, Channel: m.Channel, Payload: m.Payload})
	case *pgproto3.CopyInResponse:
		return s.startCopyIn()
	case *pgproto3.CopyData:
		_, err := s.request.CopyOut.Write(m.Data)
		return err
	case *pgproto3.CopyBothResponse:
		return errors.New("replication is not supported here")
	}
	return nil
}

// abandon gives the connection up for a reason on this side, and asks the
// server not to go on for nobody.
func (s *stream) abandon(err error) (Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelTimeout)
	defer cancel()
	_ = s.conn.CancelRequest(ctx) // the end of the connection tells it too, in time
	_ = s.conn.Conn().Close()
	return Gone, err
}
