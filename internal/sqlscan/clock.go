package sqlscan

import (
	"bytes"
	"slices"
	"unicode"
)

// clockWords are the words in a literal that PostgreSQL replaces by a time as it parses
// the text.
var clockWords = []string{"now", "today", "tomorrow", "yesterday"}

// ReadsClock reports whether a literal in text may mean the time when the text is
// prepared, as 'now' does.
func ReadsClock(text []byte) bool {
	if !bytes.ContainsAny(text, "'$") {
		return false
	}
	lex := NewLexer(text)
	for t := lex.Next(); t.Kind != EndOfText; t = lex.Next() {
		if t.Kind != Literal {
			continue
		}
		literal := lex.Text(t)
		if literal[0] != '\'' && literal[0] != '$' && bytes.IndexByte(literal, '\\') >= 0 {
			return true // the escapes may hide one
		}
		for word := range bytes.FieldsFuncSeq(literal, func(r rune) bool { return !unicode.IsLetter(r) }) {
			if slices.ContainsFunc(clockWords, func(w string) bool { return bytes.EqualFold(word, []byte(w)) }) {
				return true
			}
		}
	}
	return false
}
