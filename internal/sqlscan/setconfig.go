package sqlscan

import "bytes"

// SetConfigNames returns the settings that the calls of set_config in text are
// about, in lower case. known is false if one of them cannot be told: the name
// is not a plain literal.
func SetConfigNames(text []byte) (names []string, known bool) {
	l := lexer{text: text}
	for t := l.next(); t.kind != endOfText; t = l.next() {
		switch t.kind {
		case word:
			if lookUp(l.bytes(t)) != nameSetConfig {
				continue
			}
		case quoted:
			if lookUp(unquoted(l.bytes(t))) != nameSetConfig {
				continue
			}
		case unicode:
			return nil, false
		default:
			continue
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
func firstArgument(l *lexer) (string, bool) {
	if !l.is(l.next(), '(') {
		return "", false
	}
	t := l.next()
	if t.kind != literal || l.text[t.start] != '\'' {
		return "", false
	}
	inside := unquoted(l.bytes(t))
	if len(inside) == 0 || bytes.ContainsAny(inside, `'\`) || !l.is(l.next(), ',') {
		return "", false
	}
	return string(bytes.ToLower(inside)), true
}
