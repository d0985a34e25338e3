package resultformat

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// cell is a value as a terminal shows it, line by line.
type cell []cellLine

type cellLine struct {
	text  []byte
	width int // in terminal cells
}

// appendCell appends the lines of v to dst, which is empty. It does not copy one
// plain line.
func appendCell(dst cell, v []byte) cell {
	if isPlain(v) {
		return append(dst, cellLine{v, len(v)})
	}
	for line := range bytes.SplitSeq(v, []byte{'\n'}) {
		dst = append(dst, newLine(line))
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

// newLine escapes control characters as psql does, so that no value moves the
// cursor or changes colours.
func newLine(v []byte) cellLine {
	var text []byte
	for len(v) > 0 {
		r, size := utf8.DecodeRune(v)
		switch {
		case r == utf8.RuneError && size == 1:
			text = fmt.Appendf(text, `\x%02X`, v[0])
		case r == '\t':
			text = fmt.Appendf(text, "%*s", 8-ansi.StringWidth(string(text))%8, "")
		case r == '\r':
			text = append(text, `\r`...)
		case r < ' ' || r == 0x7f:
			text = fmt.Appendf(text, `\x%02X`, r)
		case r < 0xa0 && r > 0x7f:
			text = fmt.Appendf(text, `\u%04X`, r)
		default:
			text = append(text, v[:size]...)
		}
		v = v[size:]
	}
	return cellLine{text, ansi.StringWidth(string(text))}
}
