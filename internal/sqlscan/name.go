package sqlscan

// AppendName appends the Name of a [Statement] as the server understands it, so
// that names can be compared: without quotes, in lower case where it is not
// quoted, and without space or comments around dots. It does not truncate names
// to the server's limit of 63 bytes.
func AppendName(dst, name []byte) []byte {
	l := Lexer{text: name}
	for {
		switch t := l.Next(); t.Kind {
		case EndOfText:
			return dst
		case Word:
			for _, c := range l.Text(t) {
				dst = append(dst, lower(c))
			}
		case QuotedName:
			dst = appendUndoubled(dst, unquoted(l.Text(t)), '"')
		default:
			dst = append(dst, l.Text(t)...)
		}
	}
}
