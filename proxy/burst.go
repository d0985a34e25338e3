package proxy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/console"
)

// burstInterval is the least time between two lines of one message, because clients, or a
// lack of resources, can cause most messages at any rate.
const burstInterval = time.Second

// burstHandler leaves out lines that repeat a message within burstInterval. The next line
// of that message has their number. Errors, debug messages and the commands of admins are
// never left out.
type burstHandler struct {
	slog.Handler
	bursts *bursts
}

// bursts are those of all messages, of which there are few.
type bursts struct {
	mu sync.Mutex // guards what follows
	of map[string]*burst
}

type burst struct {
	logged time.Time
	more   int // lines left out since
}

func newBurstHandler(h slog.Handler) slog.Handler {
	return &burstHandler{h, &bursts{of: map[string]*burst{}}}
}

func (h *burstHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo || r.Level > slog.LevelWarn || r.Message == console.CommandMessage {
		return h.Handler.Handle(ctx, r)
	}
	more, ok := h.bursts.begin(r.Message, r.Time)
	if !ok {
		return nil
	}
	if more > 0 {
		r = r.Clone()
		r.Add("before", more)
	}
	return h.Handler.Handle(ctx, r)
}

// begin reports whether a message is to be logged, and how many lines of it have been
// left out.
func (b *bursts) begin(message string, now time.Time) (more int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.of[message]
	if one == nil {
		one = &burst{}
		b.of[message] = one
	}
	if now.Sub(one.logged) < burstInterval {
		one.more++
		return 0, false
	}
	more = one.more
	*one = burst{logged: now}
	return more, true
}

func (h *burstHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &burstHandler{h.Handler.WithAttrs(attributes), h.bursts}
}

func (h *burstHandler) WithGroup(name string) slog.Handler {
	return &burstHandler{h.Handler.WithGroup(name), h.bursts}
}
