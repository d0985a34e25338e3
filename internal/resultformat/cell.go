package resultformat

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// cell is a value as a terminal can show it, by lines.
type cell []cellLine

type cellLine struct {
	text  string
	width int // in terminal cells
}

// newCell keeps nothing of v.
func newCell(v []byte) cell {
	if isPlain(v) {
		return cell{{string(v), len(v)}}
	}
	lines := bytes.Split(v, []byte{'\n'})
	c := make(cell, len(lines))
	for i, l := range lines {
		c[i] = newLine(l)
	}
	return c
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

// newLine spells control characters out as psql does, so that no value moves
// the cursor or changes colours.
func newLine(v []byte) cellLine {
	var text []byte
	cells := 0
	spell := func(format string, args ...any) {
		n := len(text)
		text = fmt.Appendf(text, format, args...)
		cells += len(text) - n
	}
	for len(v) > 0 {
		r, size := utf8.DecodeRune(v)
		switch {
		case r == utf8.RuneError && size == 1:
			spell(`\x%02X`, v[0])
		case r == '\t':
			for spaces := 8 - cells%8; spaces > 0; spaces-- {
				text, cells = append(text, ' '), cells+1
			}
		case r == '\r':
			spell(`\r`)
		case r < ' ' || r == 0x7f:
			spell(`\x%02X`, r)
		case r < 0xa0 && r > 0x7f:
			spell(`\u%04X`, r)
		default:
			text = append(text, v[:size]...)
			cells += RuneWidth(r)
		}
		v = v[size:]
	}
	return cellLine{string(text), cells}
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
