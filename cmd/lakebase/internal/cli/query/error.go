package query

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/resultformat"
)

// statementError is what the server says against a statement.
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

// ExitCode, Advice and WriteDetails are what the report of the error takes.
func (e *statementError) ExitCode() int  { return command.ExitSQL }
func (e *statementError) Advice() string { return e.Hint }

// WriteDetails writes where in the SQL the error is, and what else the server
// says about it.
func (e *statementError) WriteDetails(w io.Writer) {
	switch {
	case e.Position > 0:
		writeExcerpt(w, e.sql, int(e.Position), terminal.Width(w))
	case e.InternalPosition > 0:
		writeExcerpt(w, e.InternalQuery, int(e.InternalPosition), terminal.Width(w))
	}
	for _, part := range []struct{ name, text string }{{"detail", e.Detail}, {"context", e.Where}} {
		if part.text != "" {
			fmt.Fprintf(w, "%s: %s\n", part.name, oneline.Text(part.text))
		}
	}
}

// writeExcerpt writes the line of sql in which the character at position is,
// counted from 1, and a caret under it. Of a line wider than the terminal it
// writes the part around the caret.
func writeExcerpt(w io.Writer, sql string, position, width int) {
	line, number, column := lineAt([]rune(sql), position-1)
	if column < 0 {
		return
	}
	head := fmt.Sprintf("LINE %d: ", number)
	text, caret := showLine(line, column)
	room := max(width-len(head)-1, 20)
	text, caret = cutAround(text, caret, room)
	fmt.Fprintf(w, "%s%s\n%s^\n", head, string(text), strings.Repeat(" ", len(head)+terminal.Cells(text[:caret])))
}

// lineAt returns the line that holds sql[at], its number, and where in it that
// is; -1 if it is nowhere.
func lineAt(sql []rune, at int) (line []rune, number, column int) {
	if at < 0 || at > len(sql) {
		return nil, 0, -1
	}
	start, number := 0, 1
	for i := range at {
		if sql[i] == '\n' {
			start, number = i+1, number+1
		}
	}
	end := at
	for end < len(sql) && sql[end] != '\n' {
		end++
	}
	return sql[start:end], number, at - start
}

// showLine replaces what would move the cursor by one space each.
func showLine(line []rune, column int) ([]rune, int) {
	shown := make([]rune, len(line))
	for i, r := range line {
		if unicode.IsControl(r) {
			r = ' '
		}
		shown[i] = r
	}
	return shown, column
}

// cutAround returns the part of text that fits into room cells and has caret
// in it, with dots where something is missing.
func cutAround(text []rune, caret, room int) ([]rune, int) {
	const dots = "..."
	if terminal.Cells(text) <= room {
		return text, caret
	}
	start := 0
	for terminal.Cells(text[start:caret]) > room*2/3 {
		start++
	}
	end := start
	for budget := room - 2*len(dots); end < len(text); end++ {
		if budget -= resultformat.RuneWidth(text[end]); budget < 0 && end > caret {
			break
		}
	}
	part := append([]rune{}, text[start:end]...)
	caret -= start
	if start > 0 {
		part, caret = append([]rune(dots), part...), caret+len(dots)
	}
	if end < len(text) {
		part = append(part, []rune(dots)...)
	}
	return part, caret
}
