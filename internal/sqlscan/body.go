package sqlscan

import (
	"bytes"
	"slices"
	"strings"
)

// Body is what the body of a function does to the session of those who call it.
type Body struct {
	Effects Effects
	// Settings are those that it sets, for the session or the transaction, in
	// lower case.
	Settings []string
	// Unknown says that it sets some that are not named by a plain literal.
	Unknown bool
}

// bodyEffects are those that matter in a body. What currval reads there, a
// nextval of the same body has left nearly always.
const bodyEffects = Set | Reset | SetLocal | SetConfig | Discard | Temp | Listen | Unlisten | Prepare | Deallocate |
	Hold | Close | Load | AdvisoryLock | AdvisoryUnlock | Seed | Opaque

// maxNesting is how deep literals within literals are read.
const maxNesting = 8

// ReadBody reads the source of a function in SQL, PL/pgSQL or whatever has SQL
// in its literals: these are read as well, since they may be executed. Text
// that is put together in other ways to be executed makes the body Opaque.
// Which other functions the body calls is not its concern.
func ReadBody(text []byte) Body {
	var b bodyReader
	b.read(text, 0)
	b.Effects &= bodyEffects
	slices.Sort(b.Settings)
	b.Settings = slices.Compact(b.Settings)
	return b.Body
}

type bodyReader struct{ Body }

func (b *bodyReader) read(text []byte, depth int) {
	lex := lexer{text: text}
	var r reader
	var found Effects
	for begins := true; ; {
		t := lex.next()
		if t.kind == endOfText {
			break
		}
		if begins {
			found |= r.effects()
			r = reader{}
		}
		if begins && t.kind == word {
			r.verb = lookUp(lex.bytes(t))
			found |= b.statement(r.verb, &lex)
		}
		r.read(t, &lex)
		switch t.kind {
		case literal, quoted:
			if inside := contents(lex.bytes(t)); depth < maxNesting && len(inside) > 0 {
				b.read(inside, depth+1)
			}
		case word:
			if lookUp(lex.bytes(t)) == kwExecute && !executesLiteral(lex) {
				found |= Opaque
			}
		}
		begins = endsBefore(t, &lex)
	}
	found |= r.effects()
	if found&(SetConfig|SetLocal) != 0 {
		names, known := SetConfigNames(text)
		b.Settings = append(b.Settings, names...)
		b.Unknown = b.Unknown || !known
	}
	b.Effects |= found
}

// statement is what the statement does that begins with verb, as far as that
// word decides it.
func (b *bodyReader) statement(verb keyword, lex *lexer) Effects {
	switch verb {
	case kwSet, kwReset, kwDiscard, kwListen, kwUnlisten, kwPrepare, kwDeallocate, kwClose, kwLoad:
	default:
		return 0
	}
	effects, name := form(verb, lex)
	if effects&(Set|SetLocal) != 0 {
		if name != nil { // otherwise those of transactions
			b.Settings = append(b.Settings, strings.ToLower(string(AppendName(nil, name))))
		}
	}
	return effects
}

// endsBefore reports whether a statement may begin after t.
func endsBefore(t token, lex *lexer) bool {
	if lex.is(t, ';') {
		return true
	}
	if t.kind != word {
		return false
	}
	switch w := lex.bytes(t); len(w) {
	case 4:
		return bytes.EqualFold(w, []byte("then")) || bytes.EqualFold(w, []byte("else")) || bytes.EqualFold(w, []byte("loop"))
	case 5:
		return bytes.EqualFold(w, []byte("begin"))
	}
	return false
}

// executesLiteral reports whether what follows EXECUTE is a literal, or format
// of one; or not text to be executed at all, as in GRANT EXECUTE ON.
func executesLiteral(lex lexer) bool {
	h := head{lex: lex}.peek()
	if h.tok.kind == word && bytes.EqualFold(h.lex.bytes(h.tok), []byte("format")) {
		h.advance()
	}
	if h.lex.is(h.tok, '(') {
		h.advance()
		if h.tok.kind == quoted { // a string in another language
			return true
		}
	}
	return h.tok.kind == literal || h.kw == kwOn
}

// contents is what a literal or a quoted name says.
func contents(quoted []byte) []byte {
	if quoted[0] == '$' {
		tag := bytes.IndexByte(quoted[1:], '$') + 2
		return bytes.TrimSuffix(quoted[tag:], quoted[:tag])
	}
	open := bytes.IndexAny(quoted, `'"`)
	if open < 0 {
		return nil
	}
	quote := quoted[open]
	var out []byte
	for i := open + 1; i < len(quoted)-1; i++ {
		if c := quoted[i]; c == quote || c == '\\' && quoted[i+1] == quote {
			i++ // doubled or escaped
			out = append(out, quote)
		} else {
			out = append(out, c)
		}
	}
	return out
}
