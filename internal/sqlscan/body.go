package sqlscan

import (
	"bytes"
	"slices"
)

// Body describes the effects of a function's body on the session that calls it.
type Body struct {
	Effects Effects
	// Settings are the names, in lower case, of the settings that it sets for the
	// session or the transaction.
	Settings []string
	// Unknown reports whether it also sets settings whose names are not plain
	// literals.
	Unknown bool
}

// bodyEffects are the effects that matter in a body.
const bodyEffects = Set | Reset | SetLocal | SetConfig | Discard | Temp | Listen | Unlisten | Prepare | Deallocate |
	Hold | Close | Load | AdvisoryLock | AdvisoryUnlock | Seed | Connect | Sequence | Opaque

// maxNesting limits how deep literals within literals are read. Deeper ones may have any
// effect.
const maxNesting = 8

// ReadBody reads the source of a function in SQL, PL/pgSQL or another language. It
// reads the text in literals as well, because that may be executed. A body that
// executes text from elsewhere is [Opaque]. ReadBody does not consider which other
// functions the body calls.
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
	lex := Lexer{text: text}
	var r reader
	var found Effects
	for starts := true; ; {
		t := lex.Next()
		if t.Kind == EndOfText {
			break
		}
		if starts {
			found |= r.effects()
			r = reader{}
		}
		if starts && t.Kind == Word {
			r.verb = lookUp(lex.Text(t))
			found |= b.statement(r.verb, &lex)
		}
		r.read(t, &lex)
		switch t.Kind {
		case Literal, QuotedName:
			inside := Contents(lex.Text(t))
			switch {
			case len(inside) == 0:
			case depth < maxNesting:
				b.read(inside, depth+1)
			default: // may be any text
				found, b.Unknown = bodyEffects, true
			}
		case Word:
			if lookUp(lex.Text(t)) == kwExecute && !executesLiteral(lex) {
				found |= Opaque
			}
		}
		starts = precedesStatement(t, &lex)
	}
	found |= r.effects()
	if found&(SetConfig|SetLocal) != 0 {
		names, known := SetConfigNames(text)
		b.Settings = append(b.Settings, names...)
		b.Unknown = b.Unknown || !known
	}
	b.Effects |= found
}

// statement returns the effects of a statement as its first word, verb, and the
// words after it determine them.
func (b *bodyReader) statement(verb keyword, lex *Lexer) Effects {
	switch verb {
	case kwSet, kwReset, kwDiscard, kwListen, kwUnlisten, kwPrepare, kwDeallocate, kwClose, kwLoad:
	default:
		return 0
	}
	effects, name := form(verb, lex)
	if effects&(Set|SetLocal) != 0 {
		if name != nil { // SET TRANSACTION and the like have none
			b.Settings = append(b.Settings, Fold(string(AppendName(nil, name))))
		}
	}
	return effects
}

// precedesStatement reports whether a statement may start after t.
func precedesStatement(t Token, lex *Lexer) bool {
	if lex.Is(t, ';') {
		return true
	}
	if t.Kind != Word {
		return false
	}
	switch w := lex.Text(t); len(w) {
	case 4:
		return bytes.EqualFold(w, []byte("then")) || bytes.EqualFold(w, []byte("else")) || bytes.EqualFold(w, []byte("loop"))
	case 5:
		return bytes.EqualFold(w, []byte("begin"))
	}
	return false
}

// executesLiteral reports whether EXECUTE is followed by a literal or by a call of
// format with a literal, or does not execute text, as in GRANT EXECUTE ON.
func executesLiteral(lex Lexer) bool {
	h := head{lex: lex}.peek()
	if h.tok.Kind == Word && bytes.EqualFold(h.lex.Text(h.tok), []byte("format")) {
		h.advance()
	}
	if h.lex.Is(h.tok, '(') {
		h.advance()
		if h.tok.Kind == QuotedName { // a string in another language
			return true
		}
	}
	return h.tok.Kind == Literal || h.kw == kwOn
}

// Contents returns the text in a literal or quoted name. Whether a backslash is an
// escape is not known there, so a backslash before a quote counts as one.
func Contents(quoted []byte) []byte {
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
