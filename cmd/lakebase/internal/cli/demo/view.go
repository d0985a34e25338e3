package demo

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// snapshot is the demo at one moment.
type snapshot struct {
	elapsed, total time.Duration
	apiAway        time.Duration // 0: it answers
	token          int64         // how many tokens have come
	tokenLeft      time.Duration // until it expires
	tokenLifetime  time.Duration
	open, busy     int32 // connections of the pool
	limit          int32
	logins         int64
	measurement    measurement // quantiles of the latest requests
	events         *eventLog
}

func (d *demo) snapshot() snapshot {
	tokens, pool := d.connector.Stats(), d.pool.Stat()
	s := snapshot{
		total:         d.flags.duration,
		token:         tokens.Tokens,
		tokenLifetime: d.flags.tokenLifetime,
		open:          pool.TotalConns(),
		busy:          pool.AcquiredConns(),
		limit:         pool.MaxConns(),
		logins:        d.server.Stats().Logins,
		measurement:   d.load.recent(),
		events:        d.events,
	}
	s.elapsed = s.measurement.elapsed
	if !tokens.TokenExpiry.IsZero() {
		s.tokenLeft = max(0, time.Until(tokens.TokenExpiry))
	}
	if d.outage.underway() {
		s.apiAway = d.outage.duration()
	}
	return s
}

// view shows a running demo to a person.
type view interface {
	interval() time.Duration // between two draws
	draw(s snapshot)
	close()
}

// newView returns a picture that is redrawn where w is a terminal that
// can do that, else plain lines.
func newView(w io.Writer) view {
	if f, ok := w.(*os.File); ok && terminal.IsTerminal(f) && os.Getenv("TERM") != "dumb" {
		return &screenView{file: f, paint: terminal.PainterFor(w).Paint}
	}
	return &lineView{w: w}
}

// lineView prints events as they come and the state every two seconds.
type lineView struct {
	w     io.Writer
	shown int // events
	drawn time.Time
}

func (v *lineView) interval() time.Duration { return 250 * time.Millisecond }

func (v *lineView) draw(s snapshot) {
	for _, e := range s.events.since(v.shown) {
		fmt.Fprintf(v.w, "%7s  * %s\n", seconds(e.at), e.text)
		v.shown++
	}
	if time.Since(v.drawn) < 2*time.Second {
		return
	}
	v.drawn = time.Now()
	api := "up"
	if s.apiAway > 0 {
		api = "AWAY"
	}
	fmt.Fprintf(v.w, "%7s  api %-4s  token %d (%.1f s left)  %d open  %d logins  %d queries  %d failed\n",
		seconds(s.elapsed), api, s.token, s.tokenLeft.Seconds(), s.open, s.logins, s.measurement.queries, s.measurement.failures)
}

func (v *lineView) close() {}

// screenView redraws one picture in place.
type screenView struct {
	file  *os.File
	paint func(terminal.Style, string) string

	lines   int           // of the picture on the screen
	elapsed time.Duration // and queries: at the last of rates
	queries int
	rates   []float64 // queries per second, one per interval
}

func (v *screenView) interval() time.Duration { return 200 * time.Millisecond }

// draw puts the cursor back to the picture's first line and paints over it.
// Everything goes out in one write, so that nothing flickers.
func (v *screenView) draw(s snapshot) {
	width, height, err := term.GetSize(int(v.file.Fd()))
	if err != nil || width < 40 || height < 12 {
		width, height = 80, 24
	}
	v.measureRate(s)
	picture := v.picture(s, min(width, 100)-1, height-1)
	var out strings.Builder
	if v.lines == 0 {
		out.WriteString("\x1b[?25l") // no cursor
	} else {
		fmt.Fprintf(&out, "\x1b[%dA", v.lines)
	}
	for _, line := range picture {
		out.WriteString("\r" + line + "\x1b[K\n")
	}
	out.WriteString("\x1b[J")
	v.lines = len(picture)
	fmt.Fprint(v.file, out.String())
}

func (v *screenView) close() { fmt.Fprint(v.file, "\x1b[?25h\n") }

// measureRate adds a value once per interval; the last draw may follow the
// one before at once, and would show a rate of nearly nothing over nothing.
func (v *screenView) measureRate(s snapshot) {
	passed := s.elapsed - v.elapsed
	if passed < v.interval()/2 {
		return
	}
	v.rates = append(v.rates, float64(s.measurement.queries-v.queries)/passed.Seconds())
	v.elapsed, v.queries = s.elapsed, s.measurement.queries
}

// picture is the demo in at most height lines of at most width columns.
func (v *screenView) picture(s snapshot, width, height int) []string {
	const label = 12
	row := func(name, value string) string {
		return v.paint(terminal.Dim, fmt.Sprintf("  %-*s", label, name)) + value
	}
	clock := fmt.Sprintf("%s / %s", seconds(min(s.elapsed, s.total)), seconds(s.total))
	title := "lakebase demo"

	api := v.paint(terminal.Green, "up")
	if s.apiAway > 0 {
		api = v.paint(terminal.Red, "AWAY for "+seconds(s.apiAway)) + ", every call answers 503"
	}
	tokenStyle := terminal.Green
	switch {
	case s.tokenLeft < s.tokenLifetime/10:
		tokenStyle = terminal.Red
	case s.tokenLeft < s.tokenLifetime/4:
		tokenStyle = terminal.Yellow
	}
	bar := width - label - 2 - 30
	m := s.measurement
	failed := v.paint(terminal.Green, "0 failed")
	if m.failures > 0 {
		failed = v.paint(terminal.Red, fmt.Sprintf("%d failed", m.failures))
	}
	lines := []string{
		v.paint(terminal.Bold, title) + strings.Repeat(" ", max(1, width-len(title)-len(clock))) + v.paint(terminal.Dim, clock),
		v.paint(terminal.Dim, strings.Repeat("─", width)),
		row("workspace", api),
		row("token", fmt.Sprintf("no. %-3d ", s.token)+v.paint(tokenStyle, gauge(s.tokenLeft, s.tokenLifetime, bar))+fmt.Sprintf(" %6s to expiry", seconds(s.tokenLeft))),
		row("pool", gauge(time.Duration(s.open), time.Duration(s.limit), int(s.limit))+fmt.Sprintf("  %d of %d open, %d busy", s.open, s.limit, s.busy)),
		row("logins", fmt.Sprintf("%d, each with the token of its moment", s.logins)),
		row("requests", fmt.Sprintf("%s, ", thousands(m.queries))+failed),
		row("latency", fmt.Sprintf("p50 %s   p99 %s", milliseconds(m.p50), milliseconds(m.p99))),
		row("requests/s", v.paint(terminal.Cyan, sparkline(v.rates, width-label-2))),
		"",
	}
	room := max(0, min(8, height-len(lines)))
	events := s.events.since(0)
	for _, e := range events[max(0, len(events)-room):] {
		lines = append(lines, v.event(e, width))
	}
	return lines
}

// event is one line; what does not fit is cut off before it is painted.
func (v *screenView) event(e event, width int) string {
	when := fmt.Sprintf("%8s  ", seconds(e.at))
	text := []rune(e.text)
	if room := width - len(when); len(text) > room {
		text = append(text[:max(0, room-1)], '…')
	}
	switch e.kind {
	case eventGood:
		return v.paint(terminal.Dim, when) + v.paint(terminal.Green, string(text))
	case eventBad:
		return v.paint(terminal.Dim, when) + v.paint(terminal.Red, string(text))
	}
	return v.paint(terminal.Dim, when) + string(text)
}

// gauge draws value of limit as a bar of the given width.
func gauge(value, limit time.Duration, width int) string {
	if limit <= 0 || width <= 0 {
		return ""
	}
	full := min(width, int(math.Round(float64(width)*float64(value)/float64(limit))))
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// sparkline draws the last values, as many as fit, against the largest.
func sparkline(values []float64, width int) string {
	const levels = "▁▂▃▄▅▆▇█"
	values = values[max(0, len(values)-width):]
	largest := 0.0
	for _, v := range values {
		largest = max(largest, v)
	}
	var line strings.Builder
	for _, v := range values {
		level := 0
		if largest > 0 {
			level = int(v / largest * 7)
		}
		line.WriteRune([]rune(levels)[level])
	}
	return line.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// thousands writes n as 12,345.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
