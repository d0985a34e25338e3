package query

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

// statementError is the server's error for a statement.
type statementError struct {
	*pgconn.PgError
	sql string
}

// Error is the server's message and SQLSTATE.
func (e *statementError) Error() string {
	text := fmt.Sprintf("%s (SQLSTATE %s)", e.Message, e.Code)
	if e.Severity == "FATAL" || e.Severity == "PANIC" {
		return "the server ended the connection: " + text
	}
	return text
}

func (e *statementError) Unwrap() error { return e.PgError }

// ExitCode is the exit code of the process.
func (e *statementError) ExitCode() int { return command.ExitSQL }

// Advice is the server's hint.
func (e *statementError) Advice() string { return e.Hint }

// WriteDetails writes the line of SQL with the error, and the server's detail
// and context.
func (e *statementError) WriteDetails(w io.Writer) {
	columns, _ := terminal.Size(w)
	switch {
	case e.Position > 0:
		writeExcerpt(w, e.sql, int(e.Position), columns)
	case e.InternalPosition > 0:
		writeExcerpt(w, e.InternalQuery, int(e.InternalPosition), columns)
	}
	for _, part := range []struct{ name, text string }{{"detail", e.Detail}, {"context", e.Where}} {
		if part.text != "" {
			fmt.Fprintf(w, "%s: %s\n", part.name, oneline.Text(part.text))
		}
	}
}

// writeExcerpt writes the line of sql that has the character at position,
// counted from 1, and a caret below that character. Of a line wider than the
// terminal it writes the part around the caret.
func writeExcerpt(w io.Writer, sql string, position, width int) {
	runes := []rune(sql)
	if position < 1 || position > len(runes)+1 {
		return
	}
	sql = string(runes) // valid UTF-8
	before := string(runes[:position-1])
	lineStart := strings.LastIndexByte(before, '\n') + 1
	head := fmt.Sprintf("LINE %d: ", 1+strings.Count(before, "\n"))
	line, _, _ := strings.Cut(sql[lineStart:], "\n")
	line = strings.Map(spaceForControl, line)
	caret := ansi.StringWidth(strings.Map(spaceForControl, before[lineStart:]))
	line, caret = cutAround(line, caret, max(width-len(head)-1, 20))
	fmt.Fprintf(w, "%s%s\n%*s^\n", head, line, len(head)+caret, "")
}

func spaceForControl(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// cutAround returns the part of line that fits into room cells and contains the
// cell caret, with dots in place of the rest.
func cutAround(line string, caret, room int) (string, int) {
	const dots = "..."
	if ansi.StringWidth(line) <= room {
		return line, caret
	}
	start := max(0, caret-room*2/3)
	part := ansi.TruncateLeft(line, start, "")
	if start > 0 {
		part = dots + part
		caret += len(dots) - start
	}
	return ansi.Truncate(part, room, dots), caret
}
