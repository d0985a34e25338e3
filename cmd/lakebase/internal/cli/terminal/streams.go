// Package terminal is how commands read from and write to people: their
// streams, colours, widths, tables, and a line that shows what a command is
// waiting for.
package terminal

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// Streams are what a command reads and writes.
type Streams struct {
	In  io.Reader
	Out io.Writer // results only
	Err io.Writer // everything for people

	Target, Database string // of the command line, as words of a shell; may be empty
}

// Plain returns Out for a result without styles, of which nothing changes how a
// terminal shows the rest. In a file or pipe it is as it is.
func (s *Streams) Plain() io.Writer {
	if Is(s.Out) {
		return oneline.NewWriter(s.Out)
	}
	return s.Out
}

// PrintJSON writes v to Out as one line.
func (s *Streams) PrintJSON(v any) error { return json.NewEncoder(s.Plain()).Encode(v) }

// NewLogger returns a logger to w. No value that it logs has an effect on a
// terminal that shows the log.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewTextHandler(oneline.NewWriter(w), &slog.HandlerOptions{Level: level}))
}

// CanAsk reports whether a person can read and answer a question.
func (s *Streams) CanAsk() bool { return Is(s.In) && Is(s.Err) }

// Is reports whether a stream is a terminal.
func Is(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// CanRedraw reports whether w is a terminal that can overwrite what it shows.
func CanRedraw(w io.Writer) bool { return Is(w) && os.Getenv("TERM") != "dumb" }

// Width is the width of the terminal that w is, and 80 for anything else.
func Width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return 80
}

// Style is the look of a text.
type Style = ansi.Attr

// The styles in use.
const (
	Bold   = ansi.AttrBold
	Dim    = ansi.AttrFaint
	Red    = ansi.AttrRedForegroundColor
	Green  = ansi.AttrGreenForegroundColor
	Yellow = ansi.AttrYellowForegroundColor
	Cyan   = ansi.AttrCyanForegroundColor
)

// Painter adds styles to text, or leaves it as it is.
type Painter struct{ on bool }

// PainterFor returns a painter that colours text only where w is a terminal
// and NO_COLOR is not set (no-color.org).
func PainterFor(w io.Writer) Painter {
	return Painter{on: CanRedraw(w) && os.Getenv("NO_COLOR") == ""}
}

// Paint returns text in a style. The zero Style adds nothing.
func (p Painter) Paint(s Style, text string) string {
	if !p.on || text == "" || s == 0 {
		return text
	}
	return ansi.NewStyle(s).Styled(text)
}
