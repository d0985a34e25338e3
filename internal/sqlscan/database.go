package sqlscan

import "bytes"

// VacatedDatabase returns the name of the database that must have no other connections
// while the server runs text: the one that it drops, renames, moves or copies. It
// returns "" if there is none, or the name has the form U&"...". PostgreSQL runs such a
// statement only on its own, so the first one of the text counts.
func VacatedDatabase(text []byte) string {
	lex := NewLexer(text)
	verb := lex.Next()
	for lex.Is(verb, ';') {
		verb = lex.Next()
	}
	if !lex.isWord(lex.Next(), "database") {
		return ""
	}
	name := lex.Next()
	switch {
	case lex.isWord(verb, "drop"):
		if ahead := lex; lex.isWord(name, "if") && ahead.isWord(ahead.Next(), "exists") {
			lex, name = ahead, ahead.Next()
		}
		return lex.nameOf(name)
	case lex.isWord(verb, "alter"):
		switch t := lex.Next(); {
		case lex.isWord(t, "rename"), lex.isWord(t, "set") && lex.isWord(lex.Next(), "tablespace"):
			return lex.nameOf(name)
		}
	case lex.isWord(verb, "create"):
		return lex.template()
	}
	return ""
}

// template returns the database that CREATE DATABASE copies, from its options on.
func (l *Lexer) template() string {
	for t := l.Next(); t.Kind != EndOfText && !l.Is(t, ';'); t = l.Next() {
		if !l.isWord(t, "template") {
			continue
		}
		value := l.Next()
		if l.Is(value, '=') {
			value = l.Next()
		}
		switch {
		case l.isWord(value, "default"):
		case value.Kind == Literal:
			return string(Truncate(l.Value(value)))
		default:
			return l.nameOf(value)
		}
	}
	return "template1"
}

// nameOf returns a name as the server understands it, "" if it is none.
func (l *Lexer) nameOf(t Token) string {
	if t.Kind != Word && t.Kind != QuotedName {
		return ""
	}
	return string(AppendName(nil, l.Text(t)))
}

// isWord reports whether t is a word, which is given in lower case.
func (l *Lexer) isWord(t Token, word string) bool {
	return t.Kind == Word && bytes.EqualFold(l.Text(t), []byte(word))
}
