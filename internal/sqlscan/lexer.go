package sqlscan

import "bytes"

// Kind is the kind of a [Token].
type Kind uint8

// Kinds of tokens.
const (
	EndOfText   Kind = iota
	Word             // a keyword, or a name without quotes
	QuotedName       // "name"
	UnicodeName      // U&"name"
	Literal          // a string literal of any form
	Symbol           // one byte of anything else, or all digits of a number or parameter
)

// Token is a part of the text of a [Lexer], from Start up to but excluding End.
type Token struct {
	Kind       Kind
	Start, End int
}

// Lexer splits SQL text into tokens where PostgreSQL does, and skips white space
// and comments. Only numbers are split more finely. It keeps the text and does not
// change it. A Lexer may be copied to look ahead.
type Lexer struct {
	text []byte
	pos  int
	// backslash: a backslash escapes in '...'; standard_conforming_strings is off.
	backslash bool
	// ambiguous: a literal ends elsewhere under the other value of backslash.
	ambiguous bool
	// unterminated: the text ends within a literal, quoted name or comment.
	unterminated bool
}

// NewLexer returns a lexer of text, with standard_conforming_strings on.
func NewLexer(text []byte) Lexer { return Lexer{text: text} }

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

// Next returns the next token. At the end of the text it returns one of the kind
// [EndOfText].
func (l *Lexer) Next() Token {
	l.skipSpace()
	t := Token{Kind: Symbol, Start: l.pos}
	if l.pos == len(l.text) {
		return Token{EndOfText, l.pos, l.pos}
	}
	switch c := l.text[l.pos]; {
	case classOf[c]&wordStart != 0:
		t.Kind = l.word()
	case classOf[c]&digitByte != 0:
		l.skip(digitByte)
	case c == '\'':
		t.Kind = Literal
		l.string(l.backslash)
	case c == '"':
		t.Kind = QuotedName
		l.quotedName()
	case c == '$':
		t.Kind = l.dollar()
	default:
		l.pos++
	}
	t.End = l.pos
	return t
}

// Text returns the text of t, including its quotes.
func (l *Lexer) Text(t Token) []byte { return l.text[t.Start:t.End] }

// Value returns the text between the quotes of a quoted name or of a literal
// '...', with doubled quotes as one. It does not interpret backslash escapes.
func (l *Lexer) Value(t Token) []byte {
	return appendUndoubled(nil, unquoted(l.Text(t)), l.text[t.Start])
}

// Is reports whether t is the symbol c.
func (l *Lexer) Is(t Token, c byte) bool { return t.Kind == Symbol && l.text[t.Start] == c }

// Unterminated reports whether the text that has been read so far ends within a
// literal, a quoted name or a comment.
func (l *Lexer) Unterminated() bool { return l.unterminated }

// Ambiguous reports whether a literal in the text that has been read so far ends
// elsewhere if the value of standard_conforming_strings is another one.
func (l *Lexer) Ambiguous() bool { return l.ambiguous }

// at returns the byte at i, 0 outside the text.
func (l *Lexer) at(i int) byte {
	if uint(i) < uint(len(l.text)) {
		return l.text[i]
	}
	return 0
}

// skip skips bytes of a class.
func (l *Lexer) skip(class uint8) {
	i := l.pos
	for i < len(l.text) && classOf[l.text[i]]&class != 0 {
		i++
	}
	l.pos = i
}

// skipSpace skips white space and comments.
func (l *Lexer) skipSpace() {
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

func (l *Lexer) lineComment() {
	for l.pos < len(l.text) && l.text[l.pos] != '\n' && l.text[l.pos] != '\r' {
		l.pos++
	}
}

// blockComment skips a comment and the comments nested in it.
func (l *Lexer) blockComment() {
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
	l.unterminated = true
}

// word skips a word, or a literal or quoted name that starts with E or U&.
func (l *Lexer) word() Kind {
	start := l.pos
	l.skip(wordByte)
	if l.pos != start+1 {
		return Word
	}
	switch first, c := l.text[start]|0x20, l.at(l.pos); {
	case (first == 'b' || first == 'x') && c == '\'':
		l.string(false) // a bit string, in which no backslash is an escape
		return Literal
	case first == 'e' && c == '\'':
		l.escapeString()
		return Literal
	case first == 'u' && c == '&' && l.at(l.pos+1) == '\'':
		l.pos++
		l.string(l.backslash)
		return Literal
	case first == 'u' && c == '&' && l.at(l.pos+1) == '"':
		l.pos++
		l.quotedName()
		return UnicodeName
	}
	return Word
}

// string skips '...'.
func (l *Lexer) string(backslash bool) {
	quote := -1 // the next at or after i, or the end: searched for once, because the time must stay linear
	for i := l.pos + 1; i < len(l.text); {
		if quote < i {
			quote = len(l.text)
			if n := bytes.IndexByte(l.text[i:], '\''); n >= 0 {
				quote = i + n
			}
		}
		switch n := bytes.IndexByte(l.text[i:quote], '\\'); {
		case n >= 0 && backslash:
			i += n + 2
		case n >= 0:
			i += n + 1
			l.ambiguous = l.ambiguous || l.at(i) == '\''
		case quote == len(l.text):
			i = quote
		case l.at(quote+1) == '\'':
			i = quote + 2
		default:
			l.pos = quote + 1
			return
		}
	}
	l.end()
}

// escapeString skips '...' with backslash escapes, and its continuations: a
// literal after a line break continues it, with the same escapes.
func (l *Lexer) escapeString() {
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

func (l *Lexer) quotedName() {
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
	l.end()
}

// dollar skips $tag$...$tag$, a parameter, or a dollar sign alone.
func (l *Lexer) dollar() Kind {
	start := l.pos
	l.pos++
	if classOf[l.at(l.pos)]&digitByte != 0 {
		l.skip(digitByte)
		return Symbol
	}
	i := l.pos
	for i < len(l.text) && l.text[i] != '$' && classOf[l.text[i]]&wordByte != 0 {
		i++
	}
	if l.at(i) != '$' {
		return Symbol
	}
	tag := l.text[start : i+1]
	if n := bytes.Index(l.text[i+1:], tag); n >= 0 {
		l.pos = i + 1 + n + len(tag)
	} else {
		l.end()
	}
	return Literal
}

// end skips the rest of the text, which lacks the end of a literal or name.
func (l *Lexer) end() { l.pos, l.unterminated = len(l.text), true }

// unquoted returns the text between the quotes of a quoted name or literal.
func unquoted(text []byte) []byte {
	if len(text) < 2 {
		return nil
	}
	return text[1 : len(text)-1]
}

// appendUndoubled appends text with each doubled quote as one.
func appendUndoubled(dst, text []byte, quote byte) []byte {
	for i := 0; i < len(text); i++ {
		dst = append(dst, text[i])
		if text[i] == quote {
			i++
		}
	}
	return dst
}
