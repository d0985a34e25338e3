package sqlscan

// Statement is one statement of a text.
type Statement struct {
	Effects Effects
	// Name is the name that the Effects speak of, as it is written or, where
	// the syntax has words of its own for it, that of the setting (timezone for
	// TIME ZONE). It is nil where there is none or it is in the form U&"...".
	// AppendName makes names comparable.
	Name []byte
	// Text is the statement without what is around it. The body of a function
	// in BEGIN ATOMIC counts as statements of their own, without effects.
	Text []byte
}

// Scanner splits a text into statements. Empty ones are left out.
type Scanner struct {
	lex    lexer
	atomic bool // in the body of BEGIN ATOMIC
}

// NewScanner returns a scanner of text, which it keeps. backslash says that a
// backslash in '...' escapes, which it does where standard_conforming_strings
// is off as the text arrives at the server.
func NewScanner(text []byte, backslash bool) Scanner {
	return Scanner{lex: lexer{text: text, backslash: backslash}}
}

// Next returns the next statement; ok is false at the end of the text.
func (s *Scanner) Next() (st Statement, ok bool) {
	first := s.lex.next()
	for s.lex.is(first, ';') {
		first = s.lex.next()
	}
	if first.kind == endOfText {
		return Statement{}, false
	}

	var r reader
	if first.kind == word {
		r.verb = lookUp(s.lex.bytes(first))
	}
	st.Effects, st.Name = form(r.verb, &s.lex)
	if s.atomic && r.verb == kwEnd {
		s.atomic = false // of a function, not of a transaction
		st.Effects = 0
	}

	depth, last := 0, first
	for t := first; t.kind != endOfText; t = s.lex.next() {
		if s.lex.is(t, ';') && depth == 0 {
			break
		}
		switch {
		case s.lex.is(t, '('):
			depth++
		case s.lex.is(t, ')'):
			depth--
		}
		r.read(t, &s.lex)
		last = t
	}
	s.atomic = s.atomic || r.atomic
	st.Text = s.lex.text[first.start:last.end]
	st.Effects |= r.effects()
	if st.Name == nil {
		st.Name = r.name
	}
	if st.Effects&(Set|SetLocal|SetConfig) != 0 && containsFold(st.Text, pgTemp) {
		st.Effects |= Temp
	}
	return st, true
}
