package sqlscan

// Statement is one statement of a text.
type Statement struct {
	Effects Effects
	// Name is the name of the object or setting that Effects are about, as it is
	// written, or the name of the setting that a keyword stands for (timezone for
	// TIME ZONE). It is nil if there is none or if it has the form U&"...".
	// [AppendName] makes names comparable.
	Name []byte
	// Text is the text of the statement without space, comments and semicolons
	// around it. Each statement in a function's body in BEGIN ATOMIC is a statement
	// of its own.
	Text []byte
}

// Scanner splits a text into statements. It omits empty ones.
type Scanner struct {
	lex Lexer
}

// NewScanner returns a scanner of text, which it keeps. backslash reports whether a
// backslash in '...' is an escape, as it is if standard_conforming_strings is off
// when the server parses the text.
func NewScanner(text []byte, backslash bool) Scanner {
	return Scanner{lex: Lexer{text: text, backslash: backslash}}
}

// Next returns the next statement; ok is false at the end of the text.
func (s *Scanner) Next() (st Statement, ok bool) {
	first := s.lex.Next()
	for s.lex.Is(first, ';') {
		first = s.lex.Next()
	}
	if first.Kind == EndOfText {
		return Statement{}, false
	}

	var r reader
	if first.Kind == Word {
		r.verb = lookUp(s.lex.Text(first))
	}
	st.Effects, st.Name = form(r.verb, &s.lex)

	depth, last := 0, first
	for t := first; t.Kind != EndOfText; t = s.lex.Next() {
		if s.lex.Is(t, ';') && depth == 0 {
			break
		}
		switch {
		case s.lex.Is(t, '('): // semicolons in CREATE RULE
			depth++
		case s.lex.Is(t, ')'):
			depth--
		}
		r.read(t, &s.lex)
		last = t
	}
	st.Text = s.lex.text[first.Start:last.End]
	st.Effects |= r.effects()
	if st.Effects&(Set|SetLocal|SetConfig) != 0 && containsFold(st.Text, pgTemp) {
		st.Effects |= Temp
	}
	return st, true
}
