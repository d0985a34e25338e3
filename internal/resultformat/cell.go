package resultformat

import (
	"bytes"
	"fmt"

	"github.com/charmbracelet/x/ansi"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// cell is a value as a terminal shows it, line by line.
type cell []cellLine

type cellLine struct {
	text  []byte
	width int // in terminal cells
}

// appendCell appends the lines of v to dst, which is empty, with the characters
// that escape reports escaped. It does not copy one plain line.
func appendCell(dst cell, v []byte, escape func(rune) bool) cell {
	if isPlain(v) {
		return append(dst, cellLine{v, len(v)})
	}
	for line := range bytes.SplitSeq(v, []byte{'\n'}) {
		dst = append(dst, newLine(line, escape))
	}
	return dst
}

// isPlain reports whether every byte is one terminal cell.
func isPlain(v []byte) bool {
	return !bytes.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' })
}

// width is that of the widest line.
func (c cell) width() int {
	widest := 0
	for _, l := range c {
		widest = max(widest, l.width)
	}
	return widest
}

// newLine writes v as psql does, so that no value moves the cursor or changes
// colours: tabs become spaces.
func newLine(v []byte, escape func(rune) bool) cellLine {
	var text []byte
	for i, part := range bytes.Split(v, []byte{'\t'}) {
		if i > 0 {
			text = fmt.Appendf(text, "%*s", 8-ansi.StringWidth(string(text))%8, "")
		}
		text = oneline.AppendEscaped(text, part, escape)
	}
	return cellLine{text, ansi.StringWidth(string(text))}
}
