package demo

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// eventKind says how an event looks.
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
	return append([]event(nil), l.events[min(n, len(l.events)):]...)
}

// logger makes events of what the library logs: the demo shows refreshes as
// any program's log would.
func (l *eventLog) logger() *slog.Logger { return slog.New(&eventHandler{log: l}) }

// eventHandler is the slog.Handler of an eventLog.
type eventHandler struct {
	log    *eventLog
	prefix string // attributes of With, as they are printed
	group  string
}

func (h *eventHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h *eventHandler) Handle(_ context.Context, r slog.Record) error {
	var attrs strings.Builder
	attrs.WriteString(h.prefix)
	r.Attrs(func(a slog.Attr) bool {
		attrs.WriteString(h.format(a))
		return true
	})
	kind := eventInfo
	if r.Level >= slog.LevelWarn {
		kind = eventBad
	}
	h.log.add(kind, strings.TrimPrefix(oneline.Text(r.Message+attrs.String()), "lakebase: "))
	return nil
}

func (h *eventHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	for _, a := range attrs {
		next.prefix += h.format(a)
	}
	return &next
}

func (h *eventHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.group += name + "."
	return &next
}

// format prints one attribute; durations and times are shortened to what a
// person reads.
func (h *eventHandler) format(a slog.Attr) string {
	if a.Key == "target" {
		return "" // the demo has only one
	}
	value := a.Value.Resolve()
	switch value.Kind() {
	case slog.KindDuration:
		return fmt.Sprintf(" %s%s=%s", h.group, a.Key, value.Duration().Round(time.Millisecond))
	case slog.KindTime:
		return fmt.Sprintf(" %s%s=%s", h.group, a.Key, value.Time().Local().Format(time.TimeOnly))
	}
	text := value.String()
	if text == "" {
		return ""
	}
	if strings.ContainsAny(text, " \t\n\"") {
		text = fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf(" %s%s=%s", h.group, a.Key, text)
}
