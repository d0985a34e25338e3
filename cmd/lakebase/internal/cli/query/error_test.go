package query

import (
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
