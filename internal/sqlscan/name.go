package sqlscan

// AppendName appends the Name of a [Statement] as the server understands it, so
// that names can be compared: without quotes, in lower case where it is not
// quoted, without space or comments around dots, and each part cut to the server's
// limit of 63 bytes.
func AppendName(dst, name []byte) []byte {
	l := Lexer{text: name}
	for {
		switch t := l.Next(); t.Kind {
		case EndOfText:
			return dst
		case Word:
			for _, c := range Truncate(l.Text(t)) {
				dst = append(dst, lower(c))
			}
		case QuotedName:
			start := len(dst)
			dst = appendUndoubled(dst, unquoted(l.Text(t)), '"')
			dst = dst[:start+len(Truncate(dst[start:]))]
		default:
			dst = append(dst, l.Text(t)...)
		}
	}
}

// MaxName is the length limit of names in PostgreSQL, in bytes.
const MaxName = 63

// Truncate cuts a name as PostgreSQL does: to at most 63 bytes, in UTF-8 to whole
// characters.
func Truncate(name []byte) []byte {
	if len(name) <= MaxName {
		return name
	}
	end := MaxName
	for end > MaxName-4 && name[end]&0xc0 == 0x80 {
		end--
	}
	return name[:end]
}

// Fold returns a name in lower case, as PostgreSQL compares names of settings: only
// letters of ASCII have a lower case.
func Fold(name string) string {
	folded := []byte(name)
	for i, c := range folded {
		folded[i] = lower(c)
	}
	return string(folded)
}
