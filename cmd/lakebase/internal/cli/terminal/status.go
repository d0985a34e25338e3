package terminal

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// statusInterval is the time between two updates.
const statusInterval = 100 * time.Millisecond

// StatusLine shows on a terminal what a command is waiting for. Its methods may
// be called concurrently, and on a nil line, which shows nothing.
type StatusLine struct {
	out   io.Writer
	text  func(elapsed time.Duration) string
	began time.Time

	mu    sync.Mutex
	timer *time.Timer // for the next update
	shown bool
	ended bool
}

// StartStatus shows text on Err after a second, so that quick commands stay
// quiet, and updates it until End.
func (s *Streams) StartStatus(text func(elapsed time.Duration) string) *StatusLine {
	return NewStatusLine(s.Err, time.Second, text)
}

// NewStatusLine shows text on w after a delay and updates it until End. text
// is called from other goroutines, one at a time. If w is no terminal, the line is nil.
func NewStatusLine(w io.Writer, delay time.Duration, text func(elapsed time.Duration) string) *StatusLine {
	if !CanRedraw(w) {
		return nil
	}
	l := &StatusLine{out: w, text: text, began: time.Now()}
	l.mu.Lock()
	l.timer = time.AfterFunc(max(delay, statusInterval), l.show)
	l.mu.Unlock()
	if delay == 0 {
		l.show()
	}
	return l
}

func (l *StatusLine) show() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.shown = true
	Overwrite(l.out, l.text(time.Since(l.began)))
	l.timer.Reset(statusInterval)
}

// End erases the line for good. A second call does nothing.
func (l *StatusLine) End() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.timer.Stop()
	l.erase()
}

// Erase makes room for other output; the status appears again below it.
func (l *StatusLine) Erase() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
}

// erase is called with the lock held.
func (l *StatusLine) erase() {
	if l.shown {
		l.shown = false
		Overwrite(l.out, "")
	}
}

// Overwrite replaces the line that the cursor is in by as much of text as fits.
func Overwrite(w io.Writer, text string) {
	fmt.Fprintf(w, "\r%s%s", ansi.Truncate(text, Width(w)-1, ""), ansi.EraseLineRight)
}

// Elapsed returns d in a unit that suits it.
func Elapsed(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
