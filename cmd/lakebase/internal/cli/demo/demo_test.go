package demo

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
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

func TestPictureFitsTheTerminal(t *testing.T) {
	events := newEventLog()
	events.add(eventBad, strings.Repeat("long ", 50))
	for range 30 {
		events.add(eventInfo, "token refreshed")
	}
	events.add(eventGood, strings.Repeat("Ä", 200))
	events.add(eventGood, strings.Repeat("漢", 200))
	paint := func(s terminal.Style, text string) string { return ansi.NewStyle(s).Styled(text) }
	view := &screenView{paint: paint, rates: make([]float64, 500)}
	s := snapshot{
		elapsed: 44 * time.Second, total: 45 * time.Second, apiAway: 6 * time.Second,
		token: 100, tokenLeft: 99 * time.Second, tokenLifetime: 15 * time.Second,
		open: 15, busy: 15, limit: 15, logins: 12345,
		measurement: measurement{queries: 123456789, failures: 1234, p50: time.Second, p99: 10 * time.Second},
		events:      events,
	}
	for _, width := range []int{1, 10, 40, 60, 79, 99, 250} {
		for _, height := range []int{2, 10, 18, 50} {
			picture := view.picture(s, width, height)
			if len(picture) >= height {
				t.Errorf("at %d by %d: %d lines", width, height, len(picture))
			}
			for _, line := range picture {
				if n := ansi.StringWidth(line); n >= width {
					t.Errorf("at %d by %d: a line of %d cells: %q", width, height, n, line)
				}
			}
		}
	}
}

func TestEventHandler(t *testing.T) {
	events := newEventLog()
	log := events.logger().With("target", "one", "name", "my instance").WithGroup("token")
	log.Debug("not shown")
	log.InfoContext(context.Background(), "refreshed", "took", 1234567*time.Nanosecond, "attempt", 2, "empty", "")
	log.Warn("failed", slog.String("error", "line\nbreak"))
	got := events.since(0)
	if len(got) != 2 {
		t.Fatalf("got %d events, want 2: %+v", len(got), got)
	}
	if want := `refreshed name="my instance" token.took=1ms token.attempt=2`; got[0].text != want || got[0].kind != eventInfo {
		t.Errorf("got %q (%d), want %q", got[0].text, got[0].kind, want)
	}
	if got[1].kind != eventBad || strings.Contains(got[1].text, "\n") {
		t.Errorf("got %+v", got[1])
	}
	if rest := events.since(1); len(rest) != 1 || rest[0] != got[1] {
		t.Errorf("since(1) = %+v", rest)
	}
}
