package demo

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

// eventLog prints what happens during the demo, and its state below that. It is
// safe for concurrent use.
type eventLog struct {
	began time.Time
	paint terminal.Painter

	mu     sync.Mutex
	out    io.Writer
	redraw bool // out is a terminal, where the state stays in the last line
	last   []event
}

// event is one that the page shows.
type event struct{ After, Text string }

// shownEvents is how many events the page shows.
const shownEvents = 15

func newEventLog(out io.Writer) *eventLog {
	return &eventLog{began: time.Now(), paint: terminal.PainterFor(out), out: out, redraw: terminal.CanRedraw(out)}
}

// add prints an event with its time since the log began.
func (l *eventLog) add(style terminal.Style, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	after := seconds(time.Since(l.began))
	fmt.Fprintf(l.out, "%7s  * %s\n", after, l.paint.Paint(style, text))
	l.last = append(l.last[max(0, len(l.last)+1-shownEvents):], event{after, text})
}

// latest returns the last events, the latest first.
func (l *eventLog) latest() []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := slices.Clone(l.last)
	slices.Reverse(events)
	return events
}

// state prints the state, on a terminal in place of the one before.
func (l *eventLog) state(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text = fmt.Sprintf("%7s  %s", seconds(time.Since(l.began)), text)
	if l.redraw {
		terminal.Overwrite(l.out, text)
	} else {
		fmt.Fprintln(l.out, text)
	}
}

// close erases the state.
func (l *eventLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	fmt.Fprintln(l.out)
}

// clear is called with the lock held.
func (l *eventLog) clear() {
	if l.redraw {
		terminal.Overwrite(l.out, "")
	}
}

// logger returns a logger that adds an event for each record, so that the demo
// shows what the log of any program would.
func (l *eventLog) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: shorten}))
}

// Write adds a record of the logger as an event.
func (l *eventLog) Write(record []byte) (int, error) {
	level, text, _ := strings.Cut(strings.TrimSpace(string(record)), " msg=")
	if quoted, err := strconv.QuotedPrefix(text); err == nil {
		message, _ := strconv.Unquote(quoted) // a prefix that is quoted
		text = message + text[len(quoted):]
	}
	style := terminal.Red
	if level == "level=INFO" {
		style = 0
	}
	l.add(style, oneline.Text(strings.TrimPrefix(text, "lakebase: ")))
	return len(record), nil
}

// shorten leaves out the time, which an event has anyway, the target, which is
// always the same, and empty values. It rounds times and durations.
func shorten(_ []string, a slog.Attr) slog.Attr {
	switch value := a.Value.Resolve(); {
	case a.Key == slog.TimeKey, a.Key == "target", value.String() == "":
		return slog.Attr{}
	case value.Kind() == slog.KindDuration:
		return slog.Duration(a.Key, value.Duration().Round(time.Millisecond))
	case value.Kind() == slog.KindTime:
		return slog.String(a.Key, value.Time().Local().Format(time.TimeOnly))
	}
	return a
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
