// Package terminal is how commands read from and write to people: their
// streams, colours, widths, tables, and a line that shows what a command is
// waiting for.
package terminal

import (
	"encoding/json"
	"io"
	"os"
	"text/tabwriter"

	"golang.org/x/term"
)

// Streams are what a command reads and writes.
type Streams struct {
	In  io.Reader
	Out io.Writer // results only
	Err io.Writer // everything for people
}

// PrintJSON writes v to Out as one line.
func (s *Streams) PrintJSON(v any) error { return json.NewEncoder(s.Out).Encode(v) }

// CanAsk reports whether a person can read and answer a question.
func (s *Streams) CanAsk() bool { return Is(s.In) && Is(s.Err) }

// Is reports whether a stream is a terminal.
func Is(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// CanRedraw reports whether w is a terminal that can overwrite what it shows.
func CanRedraw(w io.Writer) bool { return Is(w) && os.Getenv("TERM") != "dumb" }

// Size is the size of the terminal that w is, and 80 by 24 for anything else.
func Size(w io.Writer) (columns, rows int) {
	if f, ok := w.(*os.File); ok {
		if columns, rows, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 && rows > 0 {
			return columns, rows
		}
	}
	return 80, 24
}

// NewTable writes cells that are separated by tabs as aligned columns, once it
// is flushed.
func NewTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 3, ' ', 0) }
