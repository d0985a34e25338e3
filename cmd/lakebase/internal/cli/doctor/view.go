package doctor

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/doctor"
)

// view writes a report line by line while it is made. On a terminal the
// line of the check that runs is there from the start, and is replaced.
type view struct {
	text     *reportText // nil for JSON
	notes    io.Writer   // for what is to be said elsewhere than on a terminal
	terminal io.Writer   // nil if nobody looks on

	mu      sync.Mutex
	running string // the check
	note    string
	began   time.Time
	stop    chan struct{}
	ended   sync.WaitGroup
}

func newView(std *terminal.Streams, f *flags) *view {
	v := &view{notes: std.Err}
	if f.output != command.OutputJSON {
		v.text = &reportText{out: std.Out, width: reportWidth(std.Out), painter: terminal.PainterFor(std.Out), verbose: f.verbose}
	}
	dumb := os.Getenv("TERM") == "dumb"
	switch {
	case dumb:
	case f.output != command.OutputJSON && terminal.IsTerminal(std.Out):
		v.terminal = std.Out
	case terminal.IsTerminal(std.Err):
		v.terminal = std.Err
	}
	return v
}

// reportWidth is the width of a terminal; elsewhere lines are not folded.
func reportWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// event hears of the run as it goes.
func (v *view) event(e doctor.Event) {
	switch {
	case e.Result != nil:
		v.end()
		if v.text != nil {
			v.text.result(*e.Result)
		}
	case e.Note == "":
		v.begin(e.Check)
	case v.terminal == nil:
		fmt.Fprintln(v.notes, e.Note)
	default:
		v.mu.Lock()
		v.note = e.Note
		v.mu.Unlock()
	}
}

const spinnerInterval = 100 * time.Millisecond

// begin shows that a check runs, until end.
func (v *view) begin(check string) {
	if v.terminal == nil {
		return
	}
	v.running, v.note, v.began, v.stop = check, "", time.Now(), make(chan struct{})
	v.spin(0)
	v.ended.Go(func() {
		tick := time.NewTicker(spinnerInterval)
		defer tick.Stop()
		for frame := 1; ; frame++ {
			select {
			case <-tick.C:
				v.spin(frame)
			case <-v.stop:
				return
			}
		}
	})
}

// spin writes the line of the running check over itself.
func (v *view) spin(frame int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	dots := strings.Repeat(".", 1+frame%3)
	line := fmt.Sprintf("  %-4s  %-13s", dots, v.running)
	if took := time.Since(v.began); took >= time.Second {
		line += fmt.Sprintf("  %6.0f s", took.Seconds())
	}
	if v.note != "" {
		line += "  " + v.note
	}
	if width := reportWidth(v.terminal); width > 1 {
		line = terminal.Cut(line, width-1)
	}
	fmt.Fprintf(v.terminal, "\r%s\x1b[K", line)
}

// end erases the line of the running check, if there is one.
func (v *view) end() {
	if v.stop == nil {
		return
	}
	close(v.stop)
	v.ended.Wait()
	v.stop = nil
	_, _ = io.WriteString(v.terminal, "\r\x1b[K") // decoration
}

// conclude writes the last line.
func (v *view) conclude(r *doctor.Report) error {
	v.text.summary(r)
	return v.text.err
}
