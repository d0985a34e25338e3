// Package resultstream runs SQL text on a connection and passes on the results
// as they arrive: rows, COPY data, notices. pgx's own simple protocol does not
// support COPY within a text, and reads no result after an error.
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

// Request is the SQL to run.
type Request struct {
	// SQL is one statement, or several without Params. Postgres runs several as
	// one transaction, unless they begin and end transactions themselves.
	SQL string
	// Params are the values of $1, $2, ... in their types' text format.
	Params []string
	// CopyIn is the data of all COPY ... FROM STDIN together. If it is nil, such
	// statements fail. A Run that fails may leave a pending Read on it.
	CopyIn io.Reader
	// CopyOut receives the data of COPY ... TO STDOUT.
	CopyOut io.Writer
}

// Receiver handles the results, in their order and in one goroutine. The error
// of any method ends the run; the statements may have run all the same.
type Receiver interface {
	// Columns begins a result with rows. columns is valid during the call only.
	Columns(columns []pgproto3.FieldDescription) error
	// Row is one row, nil for NULL; valid during the call only.
	Row(values [][]byte) error
	// Complete ends a statement. tag is the server's, such as SELECT 3; rows
	// reports whether it had Columns.
	Complete(tag string, rows bool) error
	// CopyIn is called before data for COPY FROM STDIN is read.
	CopyIn() error
	// Notice is a message of the server that is not an error.
	Notice(notice *pgconn.PgError)
	// Idle is called when nothing more has arrived yet.
	Idle() error
}

// LostError is the error of a connection that ended while the statement ran.
// How much of it has run is unknown.
type LostError struct{ Err error }

func (e *LostError) Error() string {
	return "the connection was lost while the statement ran: " + e.Err.Error()
}

func (e *LostError) Unwrap() error { return e.Err }

// cancelTimeout bounds a cancel request; cancelGrace is how long after it the
// server may take to end the statement before the connection is cut. Servers do
// both in milliseconds, and a program that is asked to end has a few seconds.
const (
	cancelTimeout = 2 * time.Second
	cancelGrace   = 3 * time.Second
)

// Run runs r on conn, which nothing else may use meanwhile. It returns a
// *pgconn.PgError if the server reported an error, a *LostError if the
// connection broke, the Receiver's error, or that of ctx.
//
// When ctx ends, Run sends a cancel request. If that comes too late, the run
// succeeds and Run returns no error.
func Run(ctx context.Context, conn *pgconn.PgConn, r Request, to Receiver) error {
	if err := conn.SyncConn(ctx); err != nil {
		return fmt.Errorf("the connection does not work: %w", err)
	}
	s := &stream{conn: conn, frontend: conn.Frontend(), request: r, to: to}
	stop := s.cancelWith(ctx)
	err := s.run()
	stop()
	s.copying.end() // so that feed no longer uses the frontend
	var refused *pgconn.PgError
	if err != nil && ctx.Err() != nil && (!errors.As(err, &refused) || refused.Code == queryCanceled) {
		return context.Cause(ctx)
	}
	return err
}

// queryCanceled is the SQLSTATE of a statement that a cancel request ended.
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

// run sends the request and reads the reply to its end.
func (s *stream) run() error {
	if err := s.send(); err != nil {
		return &LostError{err}
	}
	for {
		if s.frontend.ReadBufferLen() == 0 {
			if err := s.to.Idle(); err != nil {
				return s.abandon(err)
			}
		}
		message, err := s.frontend.Receive()
		_, ready := message.(*pgproto3.ReadyForQuery)
		switch {
		case s.failure != nil && (ready || err != nil):
			return s.failure // says more than the end of the connection
		case err != nil:
			return &LostError{err}
		case ready:
			return nil
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

// handle handles one message of the server.
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

// abandon closes the connection because of err, which arose here, and cancels
// the statement, which has no receiver any more.
func (s *stream) abandon(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), cancelTimeout)
	defer cancel()
	_ = s.conn.CancelRequest(ctx) // the server notices the closed connection too, later
	_ = s.conn.Conn().Close()
	return err
}

// startCopyIn begins to send the data of CopyIn.
func (s *stream) startCopyIn() error {
	if err := s.to.CopyIn(); err != nil {
		return err
	}
	s.copying.begin(s.frontend)
	if s.request.CopyIn == nil {
		s.copying.fail("there is no data for COPY FROM STDIN")
		return nil
	}
	go s.copying.feed(s.request.CopyIn)
	return nil
}

// cancelWith cancels the statement when ctx ends. stop waits until a cancel
// request that is being sent has arrived: later it would hit another statement.
func (s *stream) cancelWith(ctx context.Context) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	unregister := context.AfterFunc(ctx, func() {
		defer close(done)
		s.cancel(over)
	})
	return func() {
		close(over)
		if !unregister() {
			<-done
		}
	}
}

// cancel sends a cancel request, and cuts the connection if that fails or the
// statement does not end within cancelGrace.
func (s *stream) cancel(over <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelTimeout)
	defer cancel()
	grace := cancelGrace
	if s.conn.CancelRequest(ctx) != nil {
		grace = 0
	}
	// A server that waits for COPY data ignores the request. Sending may block
	// on data that the server does not read, for as long as the grace lasts.
	go s.copying.fail("interrupted")
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-over:
	case <-patience.C:
		_ = s.conn.Conn().SetDeadline(time.Now())
	}
}
