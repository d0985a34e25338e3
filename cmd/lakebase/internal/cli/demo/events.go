package demo

import (
	"context"
	"log/slog"
	"slices"
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
func (l *eventLog) logger() *slog.Logger { return slog.New(&eventHandler{log: l}) }

// eventHandler is the slog.Handler of an eventLog.
type eventHandler struct {
	log  *eventLog
	with []func(slog.Handler) slog.Handler // the attributes and groups so far
}

// Enabled leaves out debug records.
func (h *eventHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

// Handle adds the message and its attributes as an event.
func (h *eventHandler) Handle(ctx context.Context, r slog.Record) error {
	var attrs strings.Builder
	text := slog.Handler(slog.NewTextHandler(&attrs, &slog.HandlerOptions{ReplaceAttr: shorten}))
	for _, add := range h.with {
		text = add(text)
	}
	kind := eventInfo
	if r.Level >= slog.LevelWarn {
		kind = eventBad
	}
	message := strings.TrimPrefix(r.Message, "lakebase: ")
	r.Time, r.Message = time.Time{}, ""
	if err := text.Handle(ctx, r); err != nil {
		return err
	}
	h.log.add(kind, oneline.Text(message+" "+attrs.String()))
	return nil
}

// WithAttrs returns a handler with more attributes.
func (h *eventHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(text slog.Handler) slog.Handler { return text.WithAttrs(attrs) })
}

// WithGroup returns a handler with a group for further attributes.
func (h *eventHandler) WithGroup(name string) slog.Handler {
	return h.and(func(text slog.Handler) slog.Handler { return text.WithGroup(name) })
}

func (h *eventHandler) and(add func(slog.Handler) slog.Handler) slog.Handler {
	return &eventHandler{h.log, append(slices.Clip(h.with), add)}
}

// shorten leaves out level, message and target, which are shown otherwise or
// the same in all records, and empty values. Times and durations are rounded.
func shorten(_ []string, a slog.Attr) slog.Attr {
	switch value := a.Value.Resolve(); {
	case a.Key == slog.LevelKey, a.Key == slog.MessageKey, a.Key == "target", value.String() == "":
		return slog.Attr{}
	case value.Kind() == slog.KindDuration:
		return slog.Duration(a.Key, value.Duration().Round(time.Millisecond))
	case value.Kind() == slog.KindTime:
		return slog.String(a.Key, value.Time().Local().Format(time.TimeOnly))
	}
	return a
}
