package sqlscan

// telling has the bytes that each name of interest has at a known place, and
// for each of them, as bits, the last five bits of those that stand before it
// there. Most text is seen through with this one look at each byte.
var telling = func() (before [256]uint32) {
	for c, letters := range map[byte]string{
		'_': "gtk", // pg_settings, set_config, set_limit, dblink_connect
		'v': "rtd", // currval, lastval, pg_advisory
		'm': "e",   // temp, pg_temp
		'd': "e",   // setseed
		'&': "u",
	} {
		for _, letter := range letters {
			before[c] |= 1 << (letter & 31)
		}
	}
	before['V'], before['M'], before['D'] = before['v'], before['m'], before['d']
	before[';'] = ^uint32(0)
	return before
}()

// harmless reports whether text is a single query or data modification in
// which nothing of interest is mentioned, not even in a literal or comment.
// It may say no without need, never yes.
func harmless(text []byte) bool {
	if !isQuery(text) {
		return false
	}
	var previous byte
	for i, c := range text {
		if telling[c]>>(previous&31)&1 != 0 && !harmlessAt(text, i) {
			return false
		}
		previous = c
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
	case 'v':
		return !liesAt(text, i-4, "currval") && !liesAt(text, i-4, "lastval") && !liesAt(text, i-2, "advisory")
	case 'm':
		return !liesAt(text, i-2, "temp")
	case 'd':
		return !liesAt(text, i-6, "setseed")
	default: // _
		return !liesAt(text, i-3, "set_config") && !liesAt(text, i-3, "set_limit") &&
			!liesAt(text, i-2, "pg_settings") && !liesAt(text, i-6, "dblink_connect")
	}
}

// liesAt reports whether part, which is lower case, starts at start.
func liesAt(text []byte, start int, part string) bool {
	return start >= 0 && hasPrefixFold(text[start:], part)
}

func isSpace(text []byte) bool {
	for _, c := range text {
		if classOf[c] != spaceByte {
			return false
		}
	}
	return true
}
