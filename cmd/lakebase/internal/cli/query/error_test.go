package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

func TestExcerpt(t *testing.T) {
	long := "select " + strings.Repeat("a, ", 60) + "wrong, " + strings.Repeat("b, ", 60) + "c"
	for name, test := range map[string]struct {
		sql      string
		position int
		width    int
		want     string
	}{
		"first":     {"selct 1", 1, 80, "LINE 1: selct 1\n        ^\n"},
		"last":      {"select", 7, 80, "LINE 1: select\n              ^\n"},
		"line":      {"select 1,\n  foo,\n  2", 13, 80, "LINE 2:   foo,\n          ^\n"},
		"tab":       {"\tselect\tx", 9, 80, "LINE 1:  select x\n                ^\n"},
		"wide":      {"select '漢字', x", 14, 80, "LINE 1: select '漢字', x\n                       ^\n"},
		"control":   {"a\x1b[31m x", 7, 80, "LINE 1: a [31m x\n              ^\n"},
		"nowhere":   {"select", 99, 80, ""},
		"long":      {long, strings.Index(long, "wrong") + 1, 60, "LINE 1: ... a, a, a, a, a, a, a, a, a, a, a, wrong, b, b...\n                                             ^\n"},
		"at an end": {long, 8, 40, "LINE 1: select a, a, a, a, a, a, a, ...\n               ^\n"},
	} {
		var b strings.Builder
		writeExcerpt(&b, test.sql, test.position, test.width)
		if b.String() != test.want {
			t.Errorf("%s: got\n%swant\n%s", name, b.String(), test.want)
		}
		for line := range strings.Lines(b.String()) {
			if n := ansi.StringWidth(line); n > test.width {
				t.Errorf("%s: a line of %d cells on a terminal of %d", name, n, test.width)
			}
		}
	}
}

func TestStatementErrorIsReported(t *testing.T) {
	var b strings.Builder
	std := &terminal.Streams{Err: &b}
	command.Report(std, statementError(&pgconn.PgError{
		Severity: "ERROR", Code: "42703", Message: "column \"x\"\ndoes not\x1b[0m exist", Position: 8,
		Detail: "d\nd", Hint: "h", Where: "PL/pgSQL\nfunction f()",
	}, "select x"))
	want := "lakebase: column \"x\" does not [0m exist (SQLSTATE 42703)\nLINE 1: select x\n               ^\ndetail: d d\ncontext: PL/pgSQL function f()\nhint: h\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	b.Reset()
	command.Report(std, statementError(&pgconn.PgError{
		Severity: "ERROR", Code: "42703", Message: "m", InternalPosition: 8, InternalQuery: "select y",
	}, "select f()"))
	if want := "lakebase: m (SQLSTATE 42703)\nLINE 1: select y\n               ^\n"; b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// What a role may not do, and a read-only server, come with the next step; other errors
// with what the server has to say.
func TestRefusalsComeWithTheNextStep(t *testing.T) {
	for _, test := range []struct{ code, message, hint, want string }{
		{"42501", "permission denied for schema sales", "", "lakebase doctor --schema sales shows"},
		{"42501", "permission denied for schema it's", "", `lakebase doctor --schema 'it'\''s' shows`},
		{"42501", "permission denied for table orders", "", "lakebase doctor --schema SCHEMA shows"},
		{"42501", "must be owner of table orders", "", "lakebase doctor --schema SCHEMA shows"},
		{"42501", "permission denied for table orders", "of the server", "of the server"},
		{"42501", "permission denied to create role", "", ""},
		{"42501", "raised by a function", "", ""},
		{"25006", "cannot execute INSERT in a read-only transaction", "", "lakebase doctor shows"},
		{"42703", "column x does not exist", "", ""},
	} {
		hint := command.Hint(statementError(&pgconn.PgError{Code: test.code, Message: test.message, Hint: test.hint}, "select"))
		if !strings.HasPrefix(hint, test.want) && !strings.Contains(hint, ": "+test.want) || hint != "" && test.want == "" {
			t.Errorf("%s, %s: hint %q, want %q", test.code, test.message, hint, test.want)
		}
		if wrapped := command.Hint(fmt.Errorf("nothing was changed: %w", &pgconn.PgError{Code: test.code, Message: test.message, Hint: test.hint})); hint != "" && wrapped != hint {
			t.Errorf("%s, %s: hint %q of a statement, and %q of another command", test.code, test.message, hint, wrapped)
		}
	}
}
