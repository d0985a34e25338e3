package demo

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
)

func TestDemoVerdict(t *testing.T) {
	good := Report{Queries: 10, TokensUsed: 3, OutageMS: 1}
	if err := good.verdict(); err != nil {
		t.Errorf("good report: %v", err)
	}
	for name, spoil := range map[string]func(*Report){
		"a failure":      func(r *Report) { r.Failures, r.lastError = 1, errors.New("boom") },
		"too few tokens": func(r *Report) { r.TokensUsed = 2 },
		"no outage":      func(r *Report) { r.OutageMS = 0 },
	} {
		r := good
		spoil(&r)
		if err := r.verdict(); err == nil || command.ExitCode(err) != command.ExitFailure {
			t.Errorf("%s: verdict %v with exit code %d", name, err, command.ExitCode(err))
		}
	}
}

func TestEventHandler(t *testing.T) {
	var out bytes.Buffer
	log := newEventLog(&out).logger().With("target", "one", "name", "my instance").WithGroup("token")
	log.Debug("not shown")
	log.InfoContext(context.Background(), "refreshed", "took", 1234567*time.Nanosecond, "attempt", 2, "empty", "")
	log.Warn("failed", slog.String("error", "line\nbreak"))
	got := slices.Collect(strings.Lines(out.String()))
	if len(got) != 2 {
		t.Fatalf("got %d events, want 2: %q", len(got), got)
	}
	if want := `0.0 s  * refreshed name="my instance" token.took=1ms token.attempt=2`; strings.TrimSpace(got[0]) != want {
		t.Errorf("got %q, want %q", got[0], want)
	}
	if !strings.Contains(got[1], "failed") {
		t.Errorf("got %q", got[1])
	}
}

// On a terminal the state stays in the last line, below the events.
func TestStateStaysBelowTheEvents(t *testing.T) {
	var out bytes.Buffer
	log := newEventLog(&out)
	log.redraw = true
	log.state(strings.Repeat("long ", 50))
	log.add(0, "event")
	log.state("up")
	for line := range strings.Lines(strings.ReplaceAll(out.String(), "\r", "\n")) {
		if n := ansi.StringWidth(strings.TrimSpace(line)); n >= 80 {
			t.Errorf("a line of %d cells: %q", n, line)
		}
	}
	if want := ansi.EraseLineRight + "  0.0 s  * event\n\r  0.0 s  up" + ansi.EraseLineRight; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %q, want it to end in %q", out.String(), want)
	}
}
