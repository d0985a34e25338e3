package demo

import (
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// eventKind decides how an event is shown.
type eventKind int

const (
	eventInfo eventKind = iota
	eventGood
	eventBad
)

// event is something that happened during the demo.
type event struct {
	at   time.Duration // since the log began
	kind eventKind
	text string
}

// eventLog keeps events in order. It is safe for concurrent use.
type eventLog struct {
	began time.Time

	mu     sync.Mutex
	events []event
}

func newEventLog() *eventLog { return &eventLog{began: time.Now()} }

func (l *eventLog) add(kind eventKind, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, event{at: time.Since(l.began), kind: kind, text: text})
}

// since returns the events from the n-th on.
func (l *eventLog) since(n int) []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events[min(n, len(l.events)):])
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
	kind := eventBad
	if level == "level=INFO" {
		kind = eventInfo
	}
	l.add(kind, oneline.Text(strings.TrimPrefix(text, "lakebase: ")))
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
