package doctor

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/doctor"
)

// view prints the results of checks as they come. On a terminal, a line shows
// the check that runs until its result replaces it.
type view struct {
	text     *reportText // nil for JSON
	notes    io.Writer   // of checks, if there is no terminal
	terminal io.Writer   // nil if there is none
	status   *terminal.StatusLine
	note     atomic.Pointer[string] // of the check that runs
}

func newView(std *terminal.Streams, o *options) *view {
	v := &view{notes: std.Err}
	if !o.output.JSON() {
		v.text = &reportText{out: std.Out, painter: terminal.PainterFor(std.Out), verbose: o.verbose}
		if terminal.Is(std.Out) { // other output is not wrapped
			v.text.width = terminal.Width(std.Out)
		}
	}
	switch {
	case !o.output.JSON() && terminal.CanRedraw(std.Out):
		v.terminal = std.Out
	case terminal.CanRedraw(std.Err):
		v.terminal = std.Err
	}
	return v
}

// event shows an event of the run.
func (v *view) event(e doctor.Event) {
	switch {
	case e.Result != nil:
		v.status.End()
		if v.text != nil {
			v.text.result(*e.Result)
		}
	case e.Note == "" && v.terminal != nil:
		v.note.Store(new(string))
		v.status = terminal.NewStatusLine(v.terminal, 0, func(elapsed time.Duration) string { return v.progress(e.Check, elapsed) })
	case e.Note != "" && v.terminal == nil:
		fmt.Fprintln(v.notes, e.Note)
	default:
		v.note.Store(&e.Note)
	}
}

// progress is the line of the check that runs.
func (v *view) progress(check string, elapsed time.Duration) string {
	line := fmt.Sprintf("  %-4s  %-13s", strings.Repeat(".", 1+int(elapsed.Milliseconds()/300)%3), check)
	if elapsed >= time.Second {
		line += fmt.Sprintf("  %6.0f s", elapsed.Seconds())
	}
	if note := *v.note.Load(); note != "" {
		line += "  " + note
	}
	return line
}

// reportText writes a report for people.
type reportText struct {
	out     io.Writer
	width   int // 0 for unlimited
	painter terminal.Painter
	verbose bool
	err     error // the first one of a write
}

// A result has a line of status, check, time and summary, and lines below it.
const (
	reportIndent  = 8  // of the lines below
	summaryColumn = 33 // where the summary begins
	narrowWidth   = 90 // below it, the summary has a line of its own
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

// result writes the result of a check, and what a problem means and needs.
func (t *reportText) result(r doctor.Result) {
	status := statusWords[r.Status]
	took := fmt.Sprintf("%.1f ms", r.Milliseconds)
	if r.Status == doctor.Skipped {
		took = ""
	} else if r.Milliseconds >= 1000 {
		took = fmt.Sprintf("%.1f s", r.Milliseconds/1000)
	}
	head := fmt.Sprintf("  %s%s  %-13s %9s", t.painter.Paint(status.style, status.word), strings.Repeat(" ", 4-len(status.word)), r.Name, took)
	if t.width > 0 && t.width < narrowWidth {
		t.line(strings.TrimRight(head, " "))
		t.paragraph(strings.Repeat(" ", reportIndent), reportIndent, r.Summary)
	} else {
		t.paragraph(head+"  ", summaryColumn, r.Summary)
	}
	t.labelled("means", r.Meaning)
	t.labelled("do", r.Action)
	t.command(r.Command)
	for _, d := range r.Details {
		value := cmp.Or(d.Value, "-")
		if d.Source != "" {
			value += " (" + d.Source + ")"
		}
		if d.Name == "error" {
			t.labelled("error", value)
		} else if t.verbose {
			t.paragraph(strings.Repeat(" ", reportIndent)+t.painter.Paint(terminal.Dim, d.Name+": "), reportIndent+2, value)
		}
	}
	if r.Schema != nil {
		t.schema(r.Schema)
	}
}

// command writes a command, which is never wrapped, so that it can be pasted.
func (t *reportText) command(text string) {
	if text != "" {
		t.line(strings.Repeat(" ", reportIndent+7) + t.painter.Paint(terminal.Bold, "$ "+text))
	}
}

func (t *reportText) labelled(label, text string) {
	if text != "" {
		t.paragraph(strings.Repeat(" ", reportIndent)+t.painter.Paint(terminal.Cyan, fmt.Sprintf("%-7s", label)), reportIndent+7, text)
	}
}

// summary writes the last line.
func (t *reportText) summary(r *doctor.Report) {
	t.line("")
	t.paragraph("", 0, t.painter.Paint(statusWords[r.Status].style, fmt.Sprintf("%s (%.1f s)", r.Summary, r.Milliseconds/1000)))
}

// paragraph writes text after head, wrapped to the width, and indents further
// lines. Words are never broken.
func (t *reportText) paragraph(head string, indent int, text string) {
	t.line(terminal.Paragraph(head, indent, min(t.width, longestLine), text))
}

func (t *reportText) line(text string) {
	if _, err := fmt.Fprintln(t.out, text); t.err == nil {
		t.err = err
	}
}
