package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// A demo with short tokens goes through everything the long one does.
func TestDemo(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"demo", "--duration", "8s", "--token-lifetime", "3s", "--clients", "4", "-o", "json"},
		strings.NewReader(""), &stdout, &stderr)
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	var report demoReport
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("%v in %q", err, stdout.String())
	}
	t.Logf("%+v", report)
	wantContract(t, "lakebase demo", stdout.String())
	if report.Queries == 0 || report.Failures != 0 {
		t.Errorf("%d queries, %d failures", report.Queries, report.Failures)
	}
	if report.TokensUsed < demoTokensWanted {
		t.Errorf("%d tokens used, want at least %d", report.TokensUsed, demoTokensWanted)
	}
	if want := int64(2 * demoTokensWanted); report.Logins < want {
		t.Errorf("%d logins, want at least %d: the pool did not replace its connections", report.Logins, want)
	}
	if report.OutageMS < 1000 || report.CallsRefused == 0 {
		t.Errorf("the outage of %.0f ms refused %d calls, so it did not meet a refresh", report.OutageMS, report.CallsRefused)
	}
	for _, want := range []string{"workspace API away", "workspace API back"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("the view does not show %q:\n%s", want, stderr.String())
		}
	}
	if strings.Contains(stderr.String()+stdout.String(), "\x1b") {
		t.Error("the output has colours, but is not a terminal")
	}
}

func TestDemoRefusesWhatShowsNothing(t *testing.T) {
	for _, args := range [][]string{
		{"--duration", "5s"},
		{"--duration", "20s", "--token-lifetime", "15s"},
		{"--clients", "0"},
		{"extra"},
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"demo"}, args...), strings.NewReader(""), io.Discard, &stderr); code != exitUsage {
			t.Errorf("demo %v: exit code %d, want %d: %s", args, code, exitUsage, stderr.String())
		}
	}
}

func TestDemoVerdict(t *testing.T) {
	good := demoReport{Queries: 10, TokensUsed: 3, OutageMS: 1}
	if err := good.verdict(); err != nil {
		t.Errorf("good report: %v", err)
	}
	for name, spoil := range map[string]func(*demoReport){
		"a failure":      func(r *demoReport) { r.Failures, r.lastError = 1, errors.New("boom") },
		"too few tokens": func(r *demoReport) { r.TokensUsed = 2 },
		"no outage":      func(r *demoReport) { r.OutageMS = 0 },
	} {
		r := good
		spoil(&r)
		if err := r.verdict(); err == nil || exitCode(err) != exitFailure {
			t.Errorf("%s: verdict %v with exit code %d", name, err, exitCode(err))
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
	view := &screenView{paint: painter{}.paint, rates: make([]float64, 500)}
	s := snapshot{
		elapsed: 44 * time.Second, total: 45 * time.Second, apiAway: 6 * time.Second,
		token: 100, tokenLeft: 99 * time.Second, tokenLifetime: 15 * time.Second,
		open: 15, busy: 15, limit: 15, logins: 12345,
		measurement: measurement{queries: 123456789, failures: 1234, p50: time.Second, p99: 10 * time.Second},
		events:      events,
	}
	for _, width := range []int{60, 79, 99} {
		picture := view.picture(s, width, 18)
		if len(picture) > 18 {
			t.Errorf("%d lines, want at most 18", len(picture))
		}
		for _, line := range picture {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("line of %d columns, want at most %d: %q", n, width, line)
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
