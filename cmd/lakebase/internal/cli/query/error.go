package query

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

// rolledBack are the errors of a transaction that came into another's way: a
// serialization failure, a deadlock, a lock that was not available.
var rolledBack = []string{"40001", "40P01", "55P03"}

// statementError is the server's error for a statement: its message and
// SQLSTATE, the line of SQL with the error, its detail, context and hint.
func statementError(refused *pgconn.PgError, sql string) error {
	text := fmt.Sprintf("%s (SQLSTATE %s)", refused.Message, refused.Code)
	if refused.Severity == "FATAL" || refused.Severity == "PANIC" {
		text = "the server ended the connection: " + text
	}
	code := command.ExitSQL
	if slices.Contains(rolledBack, refused.Code) {
		code = command.ExitRetry
	}
	return &command.Error{Code: code, Message: text, Hint: command.ServerHint(refused), Details: func(w io.Writer) {
		columns := terminal.Width(w)
		writeExcerpt(w, sql, int(refused.Position), columns)
		writeExcerpt(w, refused.InternalQuery, int(refused.InternalPosition), columns)
		writePart(w, "detail", refused.Detail)
		writePart(w, "context", refused.Where)
	}}
}

// writePart writes a part of a message of the server, unless it is empty.
func writePart(w io.Writer, name, text string) {
	if text != "" {
		fmt.Fprintf(w, "%s: %s\n", name, oneline.Text(text))
	}
}

// writeExcerpt writes the line of sql that has the character at position,
// counted from 1 (0 for none), and a caret below that character. Of a line wider than the
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
	if oneline.Harmful(r) {
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
