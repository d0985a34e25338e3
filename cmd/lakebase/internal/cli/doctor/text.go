package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/doctor"
)

// reportText writes a report for people to read.
type reportText struct {
	out     io.Writer
	width   int // 0 for lines as long as they are
	painter terminal.Painter
	verbose bool
	err     error // the first of a write
}

// Columns of a result's line: two spaces, status, check, time, summary.
const (
	reportIndent  = 8  // of what follows under a line
	summaryColumn = 33 // where the summary begins
	roomyWidth    = 90 // under which the summary begins on a line of its own
	longestLine   = 120
)

var statusWords = map[doctor.Status]struct {
	word  string
	style terminal.Style
}{
	doctor.OK:      {"ok", terminal.Green},
	doctor.Warning: {"warn", terminal.Yellow},
	doctor.Failed:  {"FAIL", terminal.Red},
	doctor.Skipped: {"skip", terminal.Dim},
}

// result writes one check: a line and, where something is wrong, what that
// means and what to do.
func (t *reportText) result(r doctor.Result) {
	status := statusWords[r.Status]
	took := fmt.Sprintf("%.1f ms", r.Milliseconds)
	if r.Status == doctor.Skipped {
		took = ""
	} else if r.Milliseconds >= 1000 {
		took = fmt.Sprintf("%.1f s", r.Milliseconds/1000)
	}
	head := fmt.Sprintf("  %s%s  %-13s %9s", t.painter.Paint(status.style, status.word), strings.Repeat(" ", 4-len(status.word)), r.Name, took)
	if t.width > 0 && t.width < roomyWidth {
		t.line(strings.TrimRight(head, " "))
		t.paragraph(strings.Repeat(" ", reportIndent), reportIndent, r.Summary)
	} else {
		t.paragraph(head+"  ", summaryColumn, r.Summary)
	}
	t.labelled("means", r.Meaning)
	t.labelled("do", r.Action)
	if r.Command != "" { // never folded, so that it can be pasted
		t.line(strings.Repeat(" ", reportIndent+7) + t.painter.Paint(terminal.Bold, "$ "+r.Command))
	}
	for _, d := range r.Details {
		if d.Name == "error" || t.verbose {
			t.detail(d)
		}
	}
}

func (t *reportText) labelled(label, text string) {
	if text != "" {
		t.paragraph(strings.Repeat(" ", reportIndent)+t.painter.Paint(terminal.Cyan, fmt.Sprintf("%-7s", label)), reportIndent+7, text)
	}
}

func (t *reportText) detail(d doctor.Detail) {
	value := d.Value
	if value == "" {
		value = "-"
	}
	if d.Source != "" {
		value += " (" + d.Source + ")"
	}
	if d.Name == "error" {
		t.labelled("error", value)
		return
	}
	t.paragraph(strings.Repeat(" ", reportIndent)+t.painter.Paint(terminal.Dim, d.Name+": "), reportIndent+2, value)
}

// summary writes the last line of all.
func (t *reportText) summary(r *doctor.Report) {
	style := statusWords[r.Status].style
	text := fmt.Sprintf("%s (%.1f s)", r.Summary, r.Milliseconds/1000)
	t.line("")
	t.paragraph("", 0, t.painter.Paint(style, text))
}

// paragraph writes text after head, folded to the width, with its other lines
// indented. A word that is too long stays whole.
func (t *reportText) paragraph(head string, indent int, text string) {
	line, used := head, visibleWidth(head)
	limit := min(t.width, longestLine)
	empty := true
	for _, word := range strings.Fields(text) {
		n := visibleWidth(word)
		if limit > 0 && !empty && used+1+n > limit {
			t.line(line)
			line, used, empty = strings.Repeat(" ", indent), indent, true
		}
		if !empty {
			line, used = line+" ", used+1
		}
		line, used, empty = line+word, used+n, false
	}
	t.line(strings.TrimRight(line, " "))
}

func (t *reportText) line(text string) {
	if _, err := fmt.Fprintln(t.out, text); t.err == nil {
		t.err = err
	}
}

// visibleWidth counts the cells that text takes, without what colours it.
func visibleWidth(text string) int {
	n := 0
	for {
		before, after, found := strings.Cut(text, "\x1b[")
		n += terminal.Cells([]rune(before))
		if !found {
			return n
		}
		_, text, _ = strings.Cut(after, "m")
	}
}
