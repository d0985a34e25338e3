package postgres

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// tailLines is the number of lines of a server's log in an error message.
const tailLines = 8

// serverLog receives the output of a PostgreSQL program: each line becomes a
// debug record, and the last lines are kept for error messages.
type serverLog struct {
	logger *slog.Logger
	keep   int // number of lines

	mu      sync.Mutex
	partial []byte
	lines   []string
}

func newServerLog(logger *slog.Logger) *serverLog {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &serverLog{logger: logger, keep: tailLines}
}

func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.partial = rest
		l.add(string(line))
	}
}

// add requires l.mu.
func (l *serverLog) add(line string) {
	l.logger.LogAttrs(context.Background(), slog.LevelDebug, "postgres", slog.String("line", line))
	if l.lines = append(l.lines, line); len(l.lines) > l.keep {
		l.lines = l.lines[1:]
	}
}

// tail returns the last lines in one line.
func (l *serverLog) tail() string { return strings.Join(l.last(), "; ") }

func (l *serverLog) last() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := slices.Clone(l.lines)
	if len(l.partial) > 0 {
		lines = append(lines, string(l.partial))
	}
	return lines
}
