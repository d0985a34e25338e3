package terminal

import (
	"io"
	"os"

	"github.com/charmbracelet/x/ansi"
)

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
