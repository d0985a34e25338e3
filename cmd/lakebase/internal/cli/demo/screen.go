package demo

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// screenView draws a picture on the terminal's alternate screen, which a change
// of the window's size cannot garble. The last picture stays on the main screen.
type screenView struct {
	out   io.Writer
	paint func(terminal.Style, string) string

	last    []string      // picture
	elapsed time.Duration // at the last of rates, like queries
	queries int
	rates   []float64 // queries per second, one per interval
}

func (v *screenView) draw(s snapshot) {
	columns, rows := terminal.Size(v.out)
	v.measureRate(s)
	var out strings.Builder
	if v.last == nil {
		out.WriteString(ansi.SetModeAltScreenSaveCursor + ansi.HideCursor)
	}
	v.last = v.picture(s, columns, rows)
	out.WriteString(ansi.CursorHomePosition)
	out.WriteString(strings.Join(v.last, ansi.EraseLineRight+"\r\n"))
	out.WriteString(ansi.EraseLineRight + ansi.EraseScreenBelow)
	_, _ = io.WriteString(v.out, out.String()) // one write, so that nothing flickers
}

func (v *screenView) close() {
	fmt.Fprintf(v.out, "%s%s%s\n\n", ansi.ResetModeAltScreenSaveCursor, ansi.ShowCursor, strings.Join(v.last, "\n"))
}

// measureRate adds a rate per interval. The last draw may follow the one before
// at once, and has no rate of its own.
func (v *screenView) measureRate(s snapshot) {
	passed := s.elapsed - v.elapsed
	if passed < drawInterval/2 {
		return
	}
	v.rates = append(v.rates, float64(s.measurement.queries-v.queries)/passed.Seconds())
	v.elapsed, v.queries = s.elapsed, s.measurement.queries
}

// The picture is at most this wide and shows at most this many events.
const (
	pictureWidth  = 100
	pictureEvents = 8
	labelWidth    = 12
)

// picture returns at most height lines of at most width cells.
func (v *screenView) picture(s snapshot, width, height int) []string {
	width = min(width, pictureWidth) - 1
	lines := v.state(s, width)
	events := s.events.since(0)
	for _, e := range events[max(0, len(events)-pictureEvents):] {
		style := map[eventKind]terminal.Style{eventGood: terminal.Green, eventBad: terminal.Red}[e.kind]
		lines = append(lines, v.paint(terminal.Dim, fmt.Sprintf("%8s  ", seconds(e.at)))+v.paint(style, e.text))
	}
	lines = lines[:min(len(lines), height-1)]
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], width, "…")
	}
	return lines
}

// state returns the lines above the events. They may be too wide.
func (v *screenView) state(s snapshot, width int) []string {
	row := func(name, value string) string {
		return v.paint(terminal.Dim, fmt.Sprintf("  %-*s", labelWidth, name)) + value
	}
	clock := fmt.Sprintf("%s / %s", seconds(min(s.elapsed, s.total)), seconds(s.total))
	title := "lakebase demo"
	api := v.paint(terminal.Green, "up")
	if s.apiAway > 0 {
		api = v.paint(terminal.Red, "AWAY for "+seconds(s.apiAway)) + ", answers every call with 503"
	}
	token := terminal.Green
	switch {
	case s.tokenLeft < s.tokenLifetime/10:
		token = terminal.Red
	case s.tokenLeft < s.tokenLifetime/4:
		token = terminal.Yellow
	}
	m := s.measurement
	failed := v.paint(terminal.Green, "0 failed")
	if m.failures > 0 {
		failed = v.paint(terminal.Red, fmt.Sprintf("%d failed", m.failures))
	}
	room := width - labelWidth - 2
	return []string{
		v.paint(terminal.Bold, title) + strings.Repeat(" ", max(1, width-len(title)-len(clock))) + v.paint(terminal.Dim, clock),
		v.paint(terminal.Dim, strings.Repeat("─", max(0, width))),
		row("workspace", api),
		row("token", fmt.Sprintf("no. %-3d ", s.token)+v.paint(token, gauge(float64(s.tokenLeft), float64(s.tokenLifetime), room-28))+fmt.Sprintf(" %6s to expiry", seconds(s.tokenLeft))),
		row("pool", gauge(float64(s.open), float64(s.limit), int(s.limit))+fmt.Sprintf("  %d of %d open, %d busy", s.open, s.limit, s.busy)),
		row("logins", fmt.Sprintf("%d, each with the current token", s.logins)),
		row("requests", thousands(m.queries)+", "+failed),
		row("latency", fmt.Sprintf("p50 %.1f ms   p99 %.1f ms", inMS(m.p50), inMS(m.p99))),
		row("requests/s", v.paint(terminal.Cyan, sparkline(v.rates, room))),
		"",
	}
}

// gauge draws value of limit as a bar of that width.
func gauge(value, limit float64, width int) string {
	if limit <= 0 || width <= 0 {
		return ""
	}
	full := min(width, int(math.Round(float64(width)*value/limit)))
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// sparkline draws the last values, as many as fit, in proportion to the largest.
func sparkline(values []float64, width int) string {
	levels := []rune("▁▂▃▄▅▆▇█")
	values = values[max(0, len(values)-max(0, width)):]
	var line strings.Builder
	for _, v := range values {
		level := 0
		if largest := slices.Max(values); largest > 0 {
			level = int(v / largest * float64(len(levels)-1))
		}
		line.WriteRune(levels[level])
	}
	return line.String()
}
