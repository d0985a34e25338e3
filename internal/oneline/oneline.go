// Package oneline makes text from elsewhere fit for an error, a log or a
// terminal: nothing in it moves a cursor, changes a colour or reverses the
// direction of the text around it.
package oneline

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s on one line: each run of white space and of characters that
// do not print becomes one space, and invalid UTF-8 becomes U+FFFD.
func Text(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}

// Harmful reports whether r has an effect on how other text is shown: a control
// character, or one that changes the direction of writing.
func Harmful(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// Name returns s on one line with all that it consists of: what is harmful and
// what is no UTF-8 is written as psql does, \x1B or \u009B. Names that differ
// stay different.
func Name(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, Harmful) {
		return s
	}
	return string(AppendEscaped(nil, []byte(s), Harmful))
}

// AppendEscaped appends v with each character that escape reports, and each byte
// that is no UTF-8, written as psql does.
func AppendEscaped(dst, v []byte, escape func(rune) bool) []byte {
	for len(v) > 0 {
		r, size := utf8.DecodeRune(v)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = fmt.Appendf(dst, `\x%02X`, v[0])
		case !escape(r):
			dst = append(dst, v[:size]...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r < utf8.RuneSelf:
			dst = fmt.Appendf(dst, `\x%02X`, r)
		default:
			dst = fmt.Appendf(dst, `\u%04X`, r)
		}
		v = v[size:]
	}
	return dst
}

// NewWriter returns a writer of text for a terminal. What is harmful is written
// as in JSON, so that JSON keeps its meaning, except for line ends and tabs. A
// character must not be split over two writes.
func NewWriter(w io.Writer) io.Writer { return writer{w} }

type writer struct{ out io.Writer }

func (w writer) Write(p []byte) (int, error) {
	var text []byte
	for rest := p; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			text = fmt.Appendf(text, `\x%02X`, rest[0])
		case Harmful(r) && r != '\n' && r != '\t':
			text = fmt.Appendf(text, `\u%04X`, r)
		default:
			text = append(text, rest[:size]...)
		}
		rest = rest[size:]
	}
	if _, err := w.out.Write(text); err != nil {
		return 0, err
	}
	return len(p), nil
}
