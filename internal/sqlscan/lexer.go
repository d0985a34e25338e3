package sqlscan

import "bytes"

type kind uint8

const (
	endOfText kind = iota
	word           // an unquoted name or a keyword
	quoted         // "name"
	unicode        // U&"name"
	literal        // a string of any form
	symbol         // one byte of anything else; of a number or parameter, all digits
)

// token is a piece of the text: text[start:end].
type token struct {
	kind       kind
	start, end int
}

// lexer cuts text into tokens where Postgres does. Numbers are cut more
// finely, since nothing here depends on them.
type lexer struct {
	text []byte
	pos  int
	// backslash: in '...' a backslash escapes, standard_conforming_strings = off.
	backslash bool
	// ambiguous: a literal was met that ends elsewhere with the other setting.
	ambiguous bool
}

const (
	spaceByte = 1 << iota
	wordStart
	wordByte
	digitByte
)

var classOf = func() (class [256]uint8) {
	for _, c := range " \t\n\r\f\v" {
		class[c] = spaceByte
	}
	for c := range class {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= 0x80:
			class[c] = wordStart | wordByte
		case c >= '0' && c <= '9':
			class[c] = wordByte | digitByte
		case c == '$':
			class[c] = wordByte
		}
	}
	return class
}()

// at returns the byte at i, 0 outside the text.
func (l *lexer) at(i int) byte {
	if uint(i) < uint(len(l.text)) {
		return l.text[i]
	}
	return 0
}

func (l *lexer) is(t token, c byte) bool { return t.kind == symbol && l.text[t.start] == c }

func (l *lexer) bytes(t token) []byte { return l.text[t.start:t.end] }

func (l *lexer) next() token {
	l.skipSpace()
	t := token{kind: symbol, start: l.pos}
	if l.pos == len(l.text) {
		return token{endOfText, l.pos, l.pos}
	}
	switch c := l.text[l.pos]; {
	case classOf[c]&wordStart != 0:
		t.kind = l.word()
	case classOf[c]&digitByte != 0:
		l.skip(digitByte)
	case c == '\'':
		t.kind = literal
		l.string(l.backslash)
	case c == '"':
		t.kind = quoted
		l.quotedName()
	case c == '$':
		t.kind = l.dollar()
	default:
		l.pos++
	}
	t.end = l.pos
	return t
}

func (l *lexer) skip(class uint8) {
	i := l.pos
	for i < len(l.text) && classOf[l.text[i]]&class != 0 {
		i++
	}
	l.pos = i
}

func (l *lexer) skipSpace() {
	for {
		l.skip(spaceByte)
		switch c := l.at(l.pos); {
		case c == '-' && l.at(l.pos+1) == '-':
			l.lineComment()
		case c == '/' && l.at(l.pos+1) == '*':
			l.blockComment()
		default:
			return
		}
	}
}

func (l *lexer) lineComment() {
	for l.pos < len(l.text) && l.text[l.pos] != '\n' && l.text[l.pos] != '\r' {
		l.pos++
	}
}

// blockComment skips a comment and those nested in it.
func (l *lexer) blockComment() {
	depth := 0
	for l.pos < len(l.text) {
		switch c, d := l.text[l.pos], l.at(l.pos+1); {
		case c == '/' && d == '*':
			depth++
			l.pos += 2
		case c == '*' && d == '/':
			depth--
			l.pos += 2
			if depth == 0 {
				return
			}
		default:
			l.pos++
		}
	}
}

// word reads a name, or what an E or U& makes of the quote after it.
func (l *lexer) word() kind {
	start := l.pos
	l.skip(wordByte)
	if l.pos != start+1 {
		return word
	}
	switch first, c := l.text[start]|0x20, l.at(l.pos); {
	case first == 'e' && c == '\'':
		l.escapeString()
		return literal
	case first == 'u' && c == '&' && l.at(l.pos+1) == '\'':
		l.pos++
		l.string(l.backslash)
		return literal
	case first == 'u' && c == '&' && l.at(l.pos+1) == '"':
		l.pos++
		l.quotedName()
		return unicode
	}
	return word
}

// string skips '...'.
func (l *lexer) string(backslash bool) {
	for i := l.pos + 1; i < len(l.text); i++ {
		switch l.text[i] {
		case '\\':
			if backslash {
				i++
			} else if l.at(i+1) == '\'' {
				l.ambiguous = true
			}
		case '\'':
			if l.at(i+1) != '\'' {
				l.pos = i + 1
				return
			}
			i++
		}
	}
	l.pos = len(l.text)
}

// escapeString skips '...' with backslashes and what continues it: after a
// line break another quote goes on with the same string and the same escapes.
func (l *lexer) escapeString() {
	for {
		l.string(true)
		after := l.pos
		for {
			l.skip(spaceByte)
			if l.at(l.pos) != '-' || l.at(l.pos+1) != '-' {
				break
			}
			l.lineComment()
		}
		if l.at(l.pos) != '\'' || !bytes.ContainsAny(l.text[after:l.pos], "\n\r") {
			l.pos = after
			return
		}
	}
}

func (l *lexer) quotedName() {
	for i := l.pos + 1; i < len(l.text); i++ {
		if l.text[i] != '"' {
			continue
		}
		if l.at(i+1) != '"' {
			l.pos = i + 1
			return
		}
		i++
	}
	l.pos = len(l.text)
}

// dollar skips $tag$...$tag$, a parameter, or a lone dollar sign.
func (l *lexer) dollar() kind {
	start := l.pos
	l.pos++
	if classOf[l.at(l.pos)]&digitByte != 0 {
		l.skip(digitByte)
		return symbol
	}
	i := l.pos
	for i < len(l.text) && l.text[i] != '$' && classOf[l.text[i]]&wordByte != 0 {
		i++
	}
	if l.at(i) != '$' {
		return symbol
	}
	tag := l.text[start : i+1]
	if n := bytes.Index(l.text[i+1:], tag); n >= 0 {
		l.pos = i + 1 + n + len(tag)
	} else {
		l.pos = len(l.text)
	}
	return literal
}
