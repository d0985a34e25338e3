// Package oneline makes text from elsewhere fit for an error, a log or a
// terminal.
package oneline

import (
	"strings"
	"unicode"
)

// Text returns s on one line: each run of white space and of characters that
// do not print becomes one space, and invalid UTF-8 becomes U+FFFD. Nothing in
// the result moves a cursor, changes a colour or reverses the direction of text.
func Text(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}
