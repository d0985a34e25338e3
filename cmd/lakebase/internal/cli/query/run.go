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

// resultPrinter prints what statements return: rows on stdout, everything
// else on stderr.
type resultPrinter struct {
	std    *terminal.Streams
	quiet  bool
	out    *bufio.Writer
	writer resultformat.Writer
	status *terminal.StatusLine

	rows   atomic.Int64 // of the statement that runs
	copied atomic.Int64 // bytes of COPY TO STDOUT
	began  time.Time    // of the statement that runs
	tables int
}

// outputBuffer is how much is written to stdout at once at most.
const outputBuffer = 64 << 10

// newResultPrinter returns a printer whose runs end with ctx.
func newResultPrinter(ctx context.Context, std *terminal.Streams, format resultformat.Format, quiet bool) *resultPrinter {
	out := bufio.NewWriterSize(terminal.PatientWriter{Ctx: ctx, Out: std.Out}, outputBuffer)
	return &resultPrinter{std: std, quiet: quiet, out: out, writer: resultformat.New(format, out)}
}

// run runs sql to its end, or until ctx ends.
func (p *resultPrinter) run(ctx context.Context, conn *pgconn.PgConn, sql string, params []string, copyIn io.Reader) (resultstream.Status, error) {
	p.began = time.Now()
	p.rows.Store(0)
	p.copied.Store(0)
	p.status = terminal.StartStatus(p.std, p.progress)
	status, err := resultstream.Run(ctx, conn, resultstream.Request{SQL: sql, Params: params, CopyIn: copyIn, CopyOut: copyOut{p}}, p)
	if flushErr := p.flush(); err == nil {
		err = flushErr
	}
	p.status.End()
	return status, p.explain(ctx, err, sql)
}

// explain turns how a run ended into what the command ends with.
func (p *resultPrinter) explain(ctx context.Context, err error, sql string) error {
	var refused *pgconn.PgError
	var lost *resultstream.LostError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		fmt.Fprintf(p.std.Err, "cancelled after %s\n", terminal.Took(time.Since(p.began)))
		return command.ErrInterrupted
	case errors.As(err, &refused):
		return &statementError{PgError: refused, sql: sql}
	case errors.As(err, &lost):
		return &command.Error{Code: command.ExitFailure, Err: err, Hint: "find out whether it took effect before you run it again"}
	}
	return err
}

// progress words how far the statement is.
func (p *resultPrinter) progress(elapsed time.Duration) string {
	text := fmt.Sprintf("%d s", int(elapsed.Seconds()))
	switch rows, copied := p.rows.Load(), p.copied.Load(); {
	case rows > 0:
		text = countOf(rows, "row") + ", " + text
	case copied > 0:
		text = fmt.Sprintf("%d KiB, %s", copied>>10, text)
	}
	return text + "; Ctrl-C cancels"
}

// countOf is "1 row" or "2 rows".
func countOf(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// flush writes what is held back. On a terminal the rows take the place of
// the status line.
func (p *resultPrinter) flush() error {
	if p.out.Buffered() > 0 && terminal.IsTerminal(p.std.Out) {
		p.status.End()
	}
	return p.out.Flush()
}

// say prints a line for people, below the results so far.
func (p *resultPrinter) say(format string, args ...any) {
	if p.flush() != nil {
		return // which is going to be reported
	}
	p.status.Erase()
	fmt.Fprintf(p.std.Err, format+"\n", args...)
}

// Columns, Row, Complete, CopyIn, Notice, Notification and Idle make it a
// resultstream.Receiver.
func (p *resultPrinter) Columns(fields []pgproto3.FieldDescription) error {
	columns := make([]resultformat.Column, len(fields))
	for i, f := range fields {
		columns[i] = resultformat.Column{Name: string(f.Name), Type: f.DataTypeOID}
	}
	return p.writer.Begin(columns)
}

func (p *resultPrinter) Row(values [][]byte) error {
	p.rows.Add(1)
	return p.writer.Row(values)
}

func (p *resultPrinter) Complete(tag string, rows bool) error {
	if rows {
		if err := p.writer.End(); err != nil {
			return err
		}
		tag = countOf(p.rows.Load(), "row")
	}
	if err := p.flush(); err != nil {
		return err
	}
	switch elapsed := terminal.Took(time.Since(p.began)); {
	case p.quiet:
	case rows:
		p.say("(%s, %s)", tag, elapsed)
	default:
		p.say("%s (%s)", tag, elapsed)
	}
	p.rows.Store(0)
	p.began = time.Now()
	return nil
}

func (p *resultPrinter) CopyIn() error {
	if terminal.IsTerminal(p.std.In) {
		p.say("Enter the data, and Ctrl-D on a line of its own after it.")
		p.status.End() // it would be in the way of what is typed
	}
	return nil
}

func (p *resultPrinter) Notice(n *pgconn.PgError) {
	p.say("%s: %s", strings.ToLower(n.Severity), oneline.Text(n.Message))
	p.sayNoticePart("detail", n.Detail)
	p.sayNoticePart("hint", n.Hint)
}

func (p *resultPrinter) sayNoticePart(name, text string) {
	if text != "" {
		p.say("%s: %s", name, oneline.Text(text))
	}
}

func (p *resultPrinter) Notification(n *pgconn.Notification) {
	p.say("notification on %s from process %d: %s", oneline.Text(n.Channel), n.PID, oneline.Text(n.Payload))
}

func (p *resultPrinter) Idle() error { return p.flush() }

// copyOut is where COPY TO STDOUT writes.
type copyOut struct{ printer *resultPrinter }

func (c copyOut) Write(data []byte) (int, error) {
	c.printer.copied.Add(int64(len(data)))
	return c.printer.out.Write(data)
}
