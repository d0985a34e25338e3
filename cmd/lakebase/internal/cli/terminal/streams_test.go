package terminal

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// A log shows on a terminal what it has, and has each record on one line.
func TestLogHarmsNoTerminal(t *testing.T) {
	var log bytes.Buffer
	for r := range rune(0x2100) {
		NewLogger(&log, slog.LevelInfo).Info("m"+string(r), "value", string(r), "name"+string(r), "\xff\x9b", "text", struct{ S string }{string(r)})
	}
	if n := strings.Count(log.String(), "\n"); n != 0x2100 {
		t.Errorf("%d lines", n)
	}
	if i := strings.IndexFunc(strings.ReplaceAll(log.String(), "\n", ""), oneline.Harmful); i >= 0 {
		t.Errorf("%.100q", strings.ReplaceAll(log.String(), "\n", "")[i:])
	}
	if strings.ContainsRune(log.String(), '\u009b') || strings.Contains(log.String(), "\xff") {
		t.Error("bytes that are no text")
	}
}
