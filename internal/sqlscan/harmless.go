package sqlscan

// hints has one byte of each name that has effects, and as bits the last five bits
// of the bytes that come before it in these names. Most texts need no more than this
// lookup for each of their bytes.
var hints = func() (before [256]uint32) {
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

// harmless reports whether text is a single query or data modification that
// contains no name with effects, not even in a literal or comment. It may return
// false for a text without effects, but never true for one with effects.
func harmless(text []byte) bool {
	if !isQuery(text) {
		return false
	}
	var previous byte
	for i, c := range text {
		if hints[c]>>(previous&31)&1 != 0 && !harmlessAt(text, i) {
			return false
		}
		previous = c
	}
	return true
}

// isQuery reports whether text starts with a verb that has no effect. No other verb
// starts with the same letters.
func isQuery(text []byte) bool {
	l := Lexer{text: text}
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

// harmlessAt reports whether the hint at i is not part of a name with effects.
func harmlessAt(text []byte, i int) bool {
	switch lower(text[i]) {
	case ';':
		return isSpace(text[i+1:])
	case '&': // U&"..."
		return i == 0 || lower(text[i-1]) != 'u'
	case 'v':
		return !hasAt(text, i-4, "currval") && !hasAt(text, i-4, "lastval") && !hasAt(text, i-2, "advisory")
	case 'm':
		return !hasAt(text, i-2, "temp")
	case 'd':
		return !hasAt(text, i-6, "setseed")
	default: // _
		return !hasAt(text, i-3, "set_config") && !hasAt(text, i-3, "set_limit") &&
			!hasAt(text, i-2, "pg_settings") && !hasAt(text, i-6, "dblink_connect")
	}
}

// hasAt reports whether part, in lower case, starts at start.
func hasAt(text []byte, start int, part string) bool {
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
