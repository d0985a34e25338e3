package routines

import (
	"bytes"
	"slices"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// execute handles EXECUTE in PL/pgSQL: what it executes is read if it is a literal.
// Otherwise it may be anything; but if it begins with a verb, it is no SET.
func (r *reader) execute() {
	lex := r.lex
	t := lex.Next()
	if t.Kind == sqlscan.Literal && !hasEscapes(lex.Text(t)) {
		text := sqlscan.Contents(lex.Text(t))
		if next := lex.Next(); r.nesting < maxNesting && endsOperand(&lex, next) {
			inner := newReader(text, r.names, false)
			inner.nesting = r.nesting + 1
			r.impact |= inner.read()
			return
		}
		r.impact |= Unknown | Hides | beginning(text)
		return
	}
	if t.Kind == sqlscan.Word && bytes.EqualFold(lex.Text(t), []byte("format")) && lex.Is(lex.Next(), '(') {
		if t = lex.Next(); t.Kind == sqlscan.Literal && !hasEscapes(lex.Text(t)) {
			r.impact |= Unknown | Hides | beginning(sqlscan.Contents(lex.Text(t)))
			return
		}
	}
	r.impact |= Unknown | anything
}

// anything is the impact, besides Unknown, of a text of which nothing is known.
const anything = Hides | Defines

// hasEscapes reports whether a literal may be another text than it contains.
func hasEscapes(literal []byte) bool {
	return literal[0] != '$' && (literal[0] != '\'' || bytes.IndexByte(literal, '\\') >= 0)
}

// block handles DO, whose block is read for what may change definitions or is hidden.
// Languages other than PL/pgSQL may do anything.
func (r *reader) block() {
	lex := r.lex
	isLanguage := false
	for t := lex.Next(); t.Kind != sqlscan.EndOfText && !lex.Is(t, ';'); t = lex.Next() {
		text := lex.Text(t)
		source := text
		if t.Kind == sqlscan.Literal {
			source = sqlscan.Contents(text)
		}
		switch {
		case isLanguage:
			isLanguage = false
			if !bytes.EqualFold(source, []byte("plpgsql")) {
				r.impact |= anything
			}
		case t.Kind != sqlscan.Literal:
			isLanguage = true
			if !bytes.EqualFold(text, []byte("language")) {
				r.impact |= anything
			}
		case r.nesting >= maxNesting, text[0] != '$' && bytes.ContainsAny(source, `\'`):
			r.impact |= anything
		default:
			inner := newReader(source, r.names, true)
			inner.nesting = r.nesting + 1
			r.impact |= inner.read() & anything
		}
	}
}

// definition notes what the body of a function hides that CREATE defines. The function may
// be called before the catalog is scanned, without being named.
func (r *reader) definition() {
	lex := r.lex
	for t := lex.Next(); t.Kind != sqlscan.EndOfText && !lex.Is(t, ';'); t = lex.Next() {
		switch text := lex.Text(t); {
		case t.Kind == sqlscan.Literal && hasEscapes(text):
			r.impact |= Hides
		case t.Kind == sqlscan.Literal && r.nesting < maxNesting:
			inner := newReader(sqlscan.Contents(text), r.names, true)
			inner.nesting = r.nesting + 1
			r.impact |= inner.read() & Hides
		case t.Kind == sqlscan.Word && bytes.EqualFold(text, []byte("language")):
			name := lex.Text(lex.Next())
			if !bytes.EqualFold(name, []byte("sql")) && !bytes.EqualFold(name, []byte("plpgsql")) {
				r.impact |= Hides
			}
		}
	}
}

// endsOperand reports whether a token after EXECUTE and a literal is no part of the
// text to execute.
func endsOperand(lex *sqlscan.Lexer, t sqlscan.Token) bool {
	switch t.Kind {
	case sqlscan.EndOfText:
		return true
	case sqlscan.Word:
		w := lex.Text(t)
		return slices.ContainsFunc([]string{"into", "using", "loop"}, func(s string) bool { return bytes.EqualFold(w, []byte(s)) })
	}
	return lex.Is(t, ';')
}

// beginning returns the impact, besides Unknown, of a text of which only the beginning
// is known.
func beginning(text []byte) Impact {
	lex := sqlscan.NewLexer(text)
	switch verb := lex.Text(lex.Next()); {
	case bytes.EqualFold(verb, []byte("set")):
		return setsUnknown(text)
	case bytes.EqualFold(verb, []byte("create")), bytes.EqualFold(verb, []byte("alter")):
		return Defines
	case bytes.EqualFold(verb, []byte("select")), bytes.EqualFold(verb, []byte("with")):
		if containsFold(text, "config") {
			return ConfiguresUnknown
		}
		return 0
	case slices.ContainsFunc([]string{"insert", "update", "delete", "merge", "drop", "truncate", "analyze", "vacuum", "refresh",
		"grant", "revoke", "comment", "lock", "copy", "listen", "unlisten", "notify", "reindex", "cluster"},
		func(s string) bool { return bytes.EqualFold(verb, []byte(s)) }):
		return 0
	}
	return Defines
}

// setsUnknown returns ConfiguresUnknown if a text, to which others may be appended,
// begins with SET and does not contain all of the name of the setting.
func setsUnknown(text []byte) Impact {
	lex := sqlscan.NewLexer(text)
	if t := lex.Next(); t.Kind != sqlscan.Word || !bytes.EqualFold(lex.Text(t), []byte("set")) {
		return 0
	}
	for t := lex.Next(); t.Kind != sqlscan.EndOfText && !lex.Is(t, '%'); t = lex.Next() {
		if lex.Is(t, '=') || t.Kind == sqlscan.Word && bytes.EqualFold(lex.Text(t), []byte("to")) {
			return 0
		}
	}
	return ConfiguresUnknown
}
