package terminal

import (
	"io"
	"os"
)

// Style is an ANSI attribute.
type Style string

const (
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Painter adds styles to text, or leaves it as it is.
type Painter struct{ on bool }

// PainterFor returns a painter that colours only what a person will see as
// colour: a terminal, unless NO_COLOR is set to anything (no-color.org).
func PainterFor(w io.Writer) Painter {
	return Painter{on: IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p Painter) Paint(s Style, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}
