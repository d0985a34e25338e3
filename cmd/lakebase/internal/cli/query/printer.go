package query

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/resultformat"
	"github.com/lakebase-go/lakebase/internal/resultstream"
)

// printer prints the results of statements: rows on stdout, everything else on
// stderr. It is a resultstream.Receiver.
type printer struct {
	std     *terminal.Streams
	quiet   bool
	out     *bufio.Writer
	copyOut io.Writer // to out
	writer  resultformat.Writer
	status  *terminal.StatusLine

	rows  atomic.Int64 // of the current statement
	began time.Time    // of the current statement
}

// outputBuffer is the size of a write to stdout, in bytes.
const outputBuffer = 64 << 10

func newPrinter(ctx context.Context, std *terminal.Streams, format resultformat.Format, quiet bool) *printer {
	out := bufio.NewWriterSize(patientWriter{ctx, std.Out}, outputBuffer)
	if terminal.Is(std.Out) {
		return &printer{std: std, quiet: quiet, out: out, copyOut: oneline.NewWriter(out), writer: resultformat.NewForTerminal(format, out)}
	}
	return &printer{std: std, quiet: quiet, out: out, copyOut: out, writer: resultformat.New(format, out)}
}

// run runs sql until it is complete or ctx ends.
func (p *printer) run(ctx context.Context, conn *pgconn.PgConn, sql string, params []string, copyIn io.Reader) error {
	p.began = time.Now()
	p.status = p.std.StartStatus(p.progress)
	err := resultstream.Run(ctx, conn, resultstream.Request{SQL: sql, Params: params, CopyIn: copyIn, CopyOut: p.copyOut}, p)
	if flushErr := p.flush(); err == nil {
		err = flushErr
	}
	p.status.End()
	return p.explain(ctx, err, sql)
}

// explain returns the error of the command for that of the statement.
func (p *printer) explain(ctx context.Context, err error, sql string) error {
	var refused *pgconn.PgError
	var lost *resultstream.LostError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		fmt.Fprintf(p.std.Err, "cancelled after %s\n", terminal.Elapsed(time.Since(p.began)))
		return command.ErrInterrupted
	case errors.As(err, &refused):
		return statementError(refused, sql)
	case errors.As(err, &lost):
		return &command.Error{Code: command.ExitFailure, Err: err, Hint: "find out whether it took effect before you run it again"}
	}
	return err
}

// progress is the text of the status line.
func (p *printer) progress(elapsed time.Duration) string {
	text := fmt.Sprintf("%d s", int(elapsed.Seconds()))
	if rows := p.rows.Load(); rows > 0 {
		text = countRows(rows) + ", " + text
	}
	return text + "; Ctrl-C cancels"
}

func countRows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// flush writes what is buffered. On a terminal, rows replace the status line.
func (p *printer) flush() error {
	if p.out.Buffered() > 0 && terminal.Is(p.std.Out) {
		p.status.End()
	}
	return p.out.Flush()
}

// note prints a line on stderr, below the results so far.
func (p *printer) note(format string, args ...any) {
	if p.flush() != nil {
		return // the next write reports the error
	}
	p.status.Erase()
	fmt.Fprintln(p.std.Err, oneline.Text(fmt.Sprintf(format, args...)))
}

func (p *printer) Columns(fields []pgproto3.FieldDescription) error {
	columns := make([]resultformat.Column, len(fields))
	for i, f := range fields {
		columns[i] = resultformat.Column{Name: string(f.Name), Type: f.DataTypeOID}
	}
	return p.writer.Begin(columns)
}

func (p *printer) Row(values [][]byte) error {
	p.rows.Add(1)
	return p.writer.Row(values)
}

func (p *printer) Complete(tag string, rows bool) error {
	if rows {
		if err := p.writer.End(); err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	switch elapsed := terminal.Elapsed(time.Since(p.began)); {
	case p.quiet:
	case rows:
		p.note("(%s, %s)", countRows(p.rows.Load()), elapsed)
	default:
		p.note("%s (%s)", tag, elapsed)
	}
	p.rows.Store(0)
	p.began = time.Now()
	return nil
}

// CopyIn asks for data that a person has to type.
func (p *printer) CopyIn() error {
	if terminal.Is(p.std.In) {
		p.note("Enter the data, and Ctrl-D on a line of its own after it.")
		p.status.End() // it would overwrite what is typed
	}
	return nil
}

func (p *printer) Notice(n *pgconn.PgError) {
	for _, part := range []struct{ name, text string }{{strings.ToLower(n.Severity), n.Message}, {"detail", n.Detail}, {"hint", n.Hint}} {
		if part.text != "" {
			p.note("%s: %s", part.name, part.text)
		}
	}
}

// Idle prints the rows so far while the server sends no more.
func (p *printer) Idle() error { return p.flush() }

// patience is how long a write may take after an interrupt: a reader of the
// pipe that has stopped reading must not keep the command alive.
const patience = 500 * time.Millisecond

// patientWriter passes writes on to out. A write that blocks fails once ctx has
// ended and the patience has run out.
type patientWriter struct {
	ctx context.Context
	out io.Writer
}

// Write returns the cause of the end of ctx for a write that blocks. That write
// goes on in the background, so the caller must not change data after it.
func (p patientWriter) Write(data []byte) (int, error) {
	var n int
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, err = p.out.Write(data)
	}()
	select {
	case <-done:
		return n, err
	case <-p.ctx.Done():
	}
	select {
	case <-done:
		return n, err
	case <-time.After(patience):
		return 0, context.Cause(p.ctx)
	}
}
