package doctor

import (
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
			v.text.width, _ = terminal.Size(std.Out)
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

// conclude prints the last line of the report.
func (v *view) conclude(r *doctor.Report) error {
	v.text.summary(r)
	return v.text.err
}
