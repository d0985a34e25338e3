package console

import (
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// token is the smallest part of a console command that means something.
type token struct {
	kind tokenKind
	text string // without quotes
}

type tokenKind uint8

const (
	endOfText  tokenKind = iota
	word                 // a keyword, a number, or a name without quotes
	quotedName           // in double quotes
	literal              // in single quotes
	symbol               // one byte of anything else
)

// is reports whether t is the keyword.
func (t token) is(keyword string) bool { return t.kind == word && strings.EqualFold(t.text, keyword) }

// isSymbol reports whether t is this byte.
func (t token) isSymbol(b byte) bool { return t.kind == symbol && t.text[0] == b }

// lex takes text apart into statements, of which none is empty.
func lex(text string) (statements [][]token, err error) {
	l := lexer{text}
	var current []token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		atEnd := t.kind == endOfText || t.isSymbol(';')
		if !atEnd {
			current = append(current, t)
			continue
		}
		if len(current) > 0 {
			statements = append(statements, current)
			current = nil
		}
		if t.kind == endOfText {
			return statements, nil
		}
	}
}

// lexer has the text that has not been looked at yet.
type lexer struct{ rest string }

func (l *lexer) next() (token, error) {
	if err := l.skipSpace(); err != nil || l.rest == "" {
		return token{}, err
	}
	switch quote := l.rest[0]; quote {
	case '"':
		text, err := l.quoted(quote)
		return token{quotedName, text}, err
	case '\'':
		text, err := l.quoted(quote)
		return token{literal, text}, err
	}
	n := 0
	for n < len(l.rest) && isWordByte(l.rest[n]) && !startsComment(l.rest[n:]) {
		n++
	}
	if n > 0 {
		return token{word, l.take(n)}, nil
	}
	return token{symbol, l.take(1)}, nil
}

func (l *lexer) take(n int) (text string) {
	text, l.rest = l.rest[:n], l.rest[n:]
	return text
}

// isWordByte tells what a database can be called without quotes.
func isWordByte(b byte) bool {
	return b >= 0x80 || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z' || strings.IndexByte("_-./:$@", b) >= 0
}

func startsComment(text string) bool {
	return strings.HasPrefix(text, "--") || strings.HasPrefix(text, "/*")
}

// skipSpace skips white space and comments; those in /* */ may be nested.
func (l *lexer) skipSpace() error {
	for {
		l.rest = strings.TrimLeft(l.rest, " \t\r\n\f\v")
		switch {
		case strings.HasPrefix(l.rest, "--"):
			_, l.rest, _ = strings.Cut(l.rest, "\n")
		case strings.HasPrefix(l.rest, "/*"):
			if !l.skipBlock() {
				return syntaxError("unterminated /* comment")
			}
		default:
			return nil
		}
	}
}

func (l *lexer) skipBlock() (ended bool) {
	depth := 0
	for len(l.rest) >= 2 {
		switch l.rest[:2] {
		case "/*":
			depth++
			l.take(2)
		case "*/":
			depth--
			l.take(2)
		default:
			l.take(1)
		}
		if depth == 0 {
			return true
		}
	}
	return false
}

// quoted takes what is in quotes; a quote in it is doubled.
func (l *lexer) quoted(quote byte) (string, error) {
	l.take(1)
	var b strings.Builder
	for {
		n := strings.IndexByte(l.rest, quote)
		if n < 0 {
			return "", syntaxError("unterminated quote")
		}
		b.WriteString(l.take(n))
		l.take(1)
		if l.rest == "" || l.rest[0] != quote {
			return b.String(), nil
		}
		b.WriteString(l.take(1))
	}
}

func syntaxError(message string) *pgwire.Error {
	return &pgwire.Error{Severity: "ERROR", Code: "42601", Message: message}
}
