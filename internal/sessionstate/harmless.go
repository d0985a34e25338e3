package sessionstate

// Bytes that every word of interest has at a known place, so that most text
// is seen through with one look at each byte.
var telling = func() (t [256]bool) {
	for _, c := range ";&_vVmMdD" {
		t[c] = true
	}
	return t
}()

// harmless reports whether text is a single query or data modification in
// which nothing of interest is mentioned, not even in a literal or comment.
// It may say no without need, never yes.
func harmless(text []byte) bool {
	if !isQuery(text) {
		return false
	}
	for i, c := range text {
		if telling[c] && !harmlessAt(text, i) {
			return false
		}
	}
	return true
}

// isQuery reports whether text starts with a word that itself has no effect.
// No other word that starts a statement starts with the same letters.
func isQuery(text []byte) bool {
	l := lexer{text: text}
	l.skipSpace()
	if text = text[l.pos:]; len(text) == 0 {
		return false
	}
	switch lower(text[0]) {
	case 's':
		return hasPrefixFold(text, "select")
	case 'i':
		return hasPrefixFold(text, "insert")
	case 'u':
		return hasPrefixFold(text, "update")
	case 'd':
		return hasPrefixFold(text, "delete")
	case 'w':
		return hasPrefixFold(text, "with")
	}
	return false
}

// harmlessAt looks at what is around a telling byte.
func harmlessAt(text []byte, i int) bool {
	switch lower(text[i]) {
	case ';':
		return isSpace(text[i+1:])
	case '&': // U&"..."
		return i == 0 || lower(text[i-1]) != 'u'
	case 'v': // currval, lastval, pg_advisory, pg_try_advisory
		return !around(text, i, 4, "currval") && !around(text, i, 4, "lastval") && !around(text, i, 2, "advisory")
	case 'm': // temp, temporary, pg_temp
		return !around(text, i, 2, "temp")
	case 'd': // setseed
		return !around(text, i, 6, "setseed")
	default: // _
		return !around(text, i, 3, "set_config") && !around(text, i, 3, "set_limit") &&
			!around(text, i, 2, "pg_settings") && !around(text, i, 6, "dblink_connect")
	}
}

// around reports whether part lies in text with its byte at offset on i.
func around(text []byte, i, offset int, part string) bool {
	return i >= offset && text[i-1]|0x20 == part[offset-1]|0x20 && hasPrefixFold(text[i-offset:], part)
}

func isSpace(text []byte) bool {
	for _, c := range text {
		if classOf[c] != spaceByte {
			return false
		}
	}
	return true
}
