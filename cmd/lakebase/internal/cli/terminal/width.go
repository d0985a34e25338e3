package terminal

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/lakebase-go/lakebase/internal/resultformat"
)

// Width is that of the terminal that w is, or 80.
func Width(w any) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// Cut returns as much of text as fits into so many terminal cells.
func Cut(text string, cells int) string {
	for i, r := range text {
		if cells -= resultformat.RuneWidth(r); cells < 0 {
			return text[:i]
		}
	}
	return text
}

// Took words a duration for people.
func Took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// Cells is the width of text on a terminal.
func Cells(text []rune) int {
	cells := 0
	for _, r := range text {
		cells += resultformat.RuneWidth(r)
	}
	return cells
}
