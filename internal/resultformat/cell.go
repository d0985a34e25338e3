package resultformat

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
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
	for _, c := range v {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
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
	cells := 0
	escape := func(format string, args ...any) {
		n := len(text)
		text = fmt.Appendf(text, format, args...)
		cells += len(text) - n
	}
	for len(v) > 0 {
		r, size := utf8.DecodeRune(v)
		switch {
		case r == utf8.RuneError && size == 1:
			escape(`\x%02X`, v[0])
		case r == '\t':
			for spaces := 8 - cells%8; spaces > 0; spaces-- {
				text, cells = append(text, ' '), cells+1
			}
		case r == '\r':
			escape(`\r`)
		case r < ' ' || r == 0x7f:
			escape(`\x%02X`, r)
		case r < 0xa0 && r > 0x7f:
			escape(`\u%04X`, r)
		default:
			text = append(text, v[:size]...)
			cells += RuneWidth(r)
		}
		v = v[size:]
	}
	return cellLine{text, cells}
}

// RuneWidth is the number of terminal cells that r takes: two for East Asian
// wide characters and most emoji, none for what combines with the rune before
// it. Control characters have no width to speak of; for them it is 1.
func RuneWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}
