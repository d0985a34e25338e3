package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/lakebase-go/lakebase/internal/doctor"
)

// doctorView writes a report line by line while it is made. On a terminal the
// line of the check that runs is there from the start, and is replaced.
type doctorView struct {
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

func newDoctorView(a *app, f *doctorFlags) *doctorView {
	v := &doctorView{notes: a.stderr}
	if f.output != outputJSON {
		v.text = &reportText{out: a.stdout, width: reportWidth(a.stdout), painter: painterFor(a.stdout), verbose: f.verbose}
	}
	dumb := os.Getenv("TERM") == "dumb"
	switch {
	case dumb:
	case f.output != outputJSON && isTerminal(a.stdout):
		v.terminal = a.stdout
	case isTerminal(a.stderr):
		v.terminal = a.stderr
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
func (v *doctorView) event(e doctor.Event) {
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
func (v *doctorView) begin(check string) {
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
func (v *doctorView) spin(frame int) {
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
		line = cutToWidth(line, width-1)
	}
	fmt.Fprintf(v.terminal, "\r%s\x1b[K", line)
}

// end erases the line of the running check, if there is one.
func (v *doctorView) end() {
	if v.stop == nil {
		return
	}
	close(v.stop)
	v.ended.Wait()
	v.stop = nil
	_, _ = io.WriteString(v.terminal, "\r\x1b[K") // decoration
}

// conclude writes the last line.
func (v *doctorView) conclude(r *doctor.Report) error {
	v.text.summary(r)
	return v.text.err
}
