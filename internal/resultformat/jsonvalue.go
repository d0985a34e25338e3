package resultformat

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"
)

// appendJSON appends v as Postgres' to_json would write it, for the built-in
// types: numbers, booleans, JSON and arrays as such, everything else as a string.
func appendJSON(dst, v []byte, oid uint32) []byte {
	if v == nil {
		return append(dst, "null"...)
	}
	switch oid {
	case oidBool:
		if len(v) == 1 && v[0] == 't' {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case oidInt2, oidInt4, oidInt8, oidOID, oidFloat4, oidFloat8, oidNumeric:
		if isNumber(v) {
			return append(dst, v...)
		}
	case oidJSON, oidJSONB:
		b := bytes.NewBuffer(dst)
		if json.Compact(b, v) == nil {
			return b.Bytes()
		}
	default:
		if element := elementType(oid); element != 0 {
			if out, ok := appendJSONArray(dst, string(v), element); ok {
				return out
			}
		}
	}
	return appendJSONString(dst, v)
}

// isNumber reports whether v is a number in JSON, which NaN and the infinities
// are not. json.Valid alone would allow space around it.
func isNumber(v []byte) bool {
	return len(v) > 0 && (v[0] == '-' || isDigit(v[0])) && isDigit(v[len(v)-1]) && json.Valid(v)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// builtin has the types that have the same OID in every server.
var builtin = pgtype.NewMap()

// elementType returns the type of the elements of a built-in array type, or 0.
func elementType(oid uint32) uint32 {
	t, ok := builtin.TypeForOID(oid)
	if !ok {
		return 0
	}
	array, ok := t.Codec.(*pgtype.ArrayCodec)
	if !ok || array.ElementType == nil {
		return 0
	}
	return array.ElementType.OID
}

// appendJSONArray turns {1,"two",{3}} into [1,"two",[3]]. It returns false for
// anything of another form; the caller then drops the appended bytes.
func appendJSONArray(dst []byte, text string, element uint32) ([]byte, bool) {
	if strings.HasPrefix(text, "[") { // bounds that do not begin at 1, as in [0:1]={a,b}
		_, text, _ = strings.Cut(text, "=")
	}
	p := arrayParser{text: text, element: element, delimiter: ','}
	if element == pgtype.BoxOID {
		p.delimiter = ';'
	}
	dst, ok := p.array(dst)
	return dst, ok && p.pos == len(text)
}

// arrayParser reads the text format of arrays (PostgreSQL documentation,
// "Array Input and Output Syntax").
type arrayParser struct {
	text      string
	pos       int
	element   uint32
	delimiter byte
	depth     int
}

// maxDepth is Postgres' limit on dimensions (MAXDIM).
const maxDepth = 6

func (p *arrayParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *arrayParser) accept(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

func (p *arrayParser) array(dst []byte) ([]byte, bool) {
	if p.depth++; p.depth > maxDepth || !p.accept('{') {
		return dst, false
	}
	dst = append(dst, '[')
	for first := true; !p.accept('}'); first = false {
		if !first {
			if !p.accept(p.delimiter) {
				return dst, false
			}
			dst = append(dst, ',')
		}
		var ok bool
		if dst, ok = p.item(dst); !ok {
			return dst, false
		}
	}
	p.depth--
	return append(dst, ']'), true
}

func (p *arrayParser) item(dst []byte) ([]byte, bool) {
	switch p.peek() {
	case '{':
		return p.array(dst)
	case '"':
		v, ok := p.quoted()
		return appendJSON(dst, v, p.element), ok
	}
	start := p.pos
	for c := p.peek(); c != 0 && c != p.delimiter && c != '}' && c != '{' && c != '"'; c = p.peek() {
		p.pos++
	}
	v := p.text[start:p.pos]
	if strings.EqualFold(v, "null") {
		return append(dst, "null"...), true
	}
	return appendJSON(dst, []byte(v), p.element), v != ""
}

// quoted reads "...", in which a backslash takes the next byte as it is.
func (p *arrayParser) quoted() ([]byte, bool) {
	v := []byte{}
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; c {
		case '"':
			p.pos++
			return v, true
		case '\\':
			if p.pos++; p.pos == len(p.text) {
				return nil, false
			}
			fallthrough
		default:
			v = append(v, p.text[p.pos])
		}
	}
	return nil, false
}

const hexDigits = "0123456789abcdef"

// appendJSONString appends v in quotes. Invalid UTF-8 becomes U+FFFD.
func appendJSONString(dst, v []byte) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(v); {
		c := v[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRune(v[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		i++
	}
	return append(dst, '"')
}
