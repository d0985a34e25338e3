package sqlscan

import "bytes"

// SetConfigNames returns the names, in lower case, of the settings that the calls of
// set_config in text set. known is false if the name in one of the calls is not a
// plain literal.
func SetConfigNames(text []byte) (names []string, known bool) {
	l := Lexer{text: text}
	for t := l.Next(); t.Kind != EndOfText; t = l.Next() {
		switch t.Kind {
		case Word:
			if lookUp(l.Text(t)) != nameSetConfig {
				continue
			}
		case QuotedName:
			if lookUp(unquoted(l.Text(t))) != nameSetConfig {
				continue
			}
		case UnicodeName:
			return nil, false
		default:
			continue
		}
		if ahead := l; !l.Is(ahead.Next(), '(') {
			continue // the name of a column
		}
		name, ok := firstArgument(&l)
		if !ok {
			return nil, false
		}
		names = append(names, name)
	}
	return names, !l.ambiguous
}

// firstArgument reads the literal between a parenthesis and a comma.
func firstArgument(l *Lexer) (string, bool) {
	if !l.Is(l.Next(), '(') {
		return "", false
	}
	t := l.Next()
	if t.Kind != Literal || l.text[t.Start] != '\'' {
		return "", false
	}
	inside := unquoted(l.Text(t))
	if len(inside) == 0 || bytes.ContainsAny(inside, `'\`) {
		return "", false
	}
	next := l.Next()
	for l.Is(next, ':') || next.Kind == Word { // ::text, as PostgreSQL writes it
		next = l.Next()
	}
	if !l.Is(next, ',') {
		return "", false
	}
	return Fold(string(inside)), true
}
