package sqlscan

// AppendName appends a Statement's Name as the server understands it, so that
// names can be compared: unquoted, lower case where it is not quoted, and
// without what may stand around dots. It does not cut names to the server's 63
// bytes.
func AppendName(dst, name []byte) []byte {
	l := lexer{text: name}
	for {
		switch t := l.next(); t.kind {
		case endOfText:
			return dst
		case word:
			for _, c := range l.bytes(t) {
				dst = append(dst, lower(c))
			}
		case quoted:
			inside := unquoted(l.bytes(t))
			for i := 0; i < len(inside); i++ {
				dst = append(dst, inside[i])
				if inside[i] == '"' {
					i++ // doubled
				}
			}
		default:
			dst = append(dst, l.bytes(t)...)
		}
	}
}
