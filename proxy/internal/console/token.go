package console

import (
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// token is the smallest part of a command that has a meaning.
type token struct {
	kind tokenKind
	text string // without quotes
	end  int    // in the text of the statements
}

type tokenKind uint8

const (
	word       tokenKind = iota + 1 // a keyword, a number, or a name without quotes
	quotedName                      // in double quotes
	literal                         // in single quotes
	symbol                          // one byte of anything else
)

// is reports whether t is the keyword.
func (t token) is(keyword string) bool { return t.kind == word && strings.EqualFold(t.text, keyword) }

// isSymbol reports whether t is this byte.
func (t token) isSymbol(b byte) bool { return t.kind == symbol && t.text[0] == b }

// lex splits text into statements, of which none is empty.
func lex(text string) (statements [][]token, err error) {
	lexer := sqlscan.NewLexer([]byte(text))
	var current []token
	for {
		t := lexer.Next()
		if lexer.Unterminated() {
			return nil, syntaxError("unterminated quote or comment")
		}
		if end := t.Kind == sqlscan.EndOfText; end || lexer.Is(t, ';') {
			if len(current) > 0 {
				statements, current = append(statements, current), nil
			}
			if end {
				return statements, nil
			}
			continue
		}
		made := makeToken(&lexer, t)
		if last := len(current) - 1; made.kind == word && last >= 0 && current[last].kind == word && current[last].end == t.Start {
			made.text = current[last].text + made.text
			current = current[:last]
		}
		current = append(current, made)
	}
}

// makeToken turns a token of SQL into one of a command. Names without quotes may
// have more symbols than in SQL, since targets and databases do: my-instance/a.b
func makeToken(lexer *sqlscan.Lexer, t sqlscan.Token) token {
	text := string(lexer.Text(t))
	switch {
	case text[0] == '"':
		return token{quotedName, string(lexer.Value(t)), t.End}
	case text[0] == '\'':
		return token{literal, string(lexer.Value(t)), t.End}
	case t.Kind == sqlscan.Symbol && strings.IndexByte("0123456789-./:$@", text[0]) < 0:
		return token{symbol, text, t.End}
	}
	return token{word, text, t.End}
}

func syntaxError(message string) *pgwire.Error {
	return &pgwire.Error{Severity: "ERROR", Code: "42601", Message: message}
}
