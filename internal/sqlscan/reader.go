package sqlscan

// reader finds the effects that depend on words anywhere in a statement. It reads
// all tokens of the statement.
type reader struct {
	verb       keyword // the first word
	previous   keyword // the token before
	beforeThat keyword // the token before previous
	found      Effects

	dropsOnCommit bool
	updates       bool
	settingsView  bool // pg_settings occurred
}

// read handles the next token. lex is positioned after it.
func (r *reader) read(t Token, lex *Lexer) {
	var kw keyword
	switch t.Kind {
	case Word:
		kw = lookUp(lex.Text(t))
		r.found |= r.phrase(kw) | r.named(kw, lex)
	case QuotedName:
		r.found |= r.named(lookUp(unquoted(lex.Text(t))), lex)
	case UnicodeName:
		r.found |= byName
	}
	r.beforeThat, r.previous = r.previous, kw
}

// effects returns the effects of the statement whose tokens have been read.
func (r *reader) effects() Effects {
	if r.dropsOnCommit {
		return r.found&^Temp | TempLocal
	}
	return r.found
}

// phrase returns the effects of a phrase that ends with kw.
func (r *reader) phrase(kw keyword) Effects {
	switch kw {
	case kwTemp:
		switch r.previous {
		case kwCreate, kwReplace, kwLocal, kwGlobal:
			return Temp
		case kwInto:
			if r.beforeThat != kwInsert && r.beforeThat != kwMerge {
				return Temp
			}
		}
	case kwHold:
		if r.verb == kwDeclare && r.previous == kwWith {
			return Hold
		}
	case kwChain:
		if r.previous == kwAnd && r.endsTransaction() {
			return Begin
		}
	case kwDrop:
		if r.verb == kwCreate && r.previous == kwCommit && r.beforeThat == kwOn {
			r.dropsOnCommit = true
		}
	case kwUpdate:
		r.updates = true
		return r.updatesSettings()
	}
	return 0
}

func (r *reader) endsTransaction() bool {
	switch r.verb {
	case kwCommit, kwEnd, kwRollback, kwAbort:
		return true
	}
	return false
}

// named returns the effects of a name, wherever it is in the statement.
func (r *reader) named(kw keyword, lex *Lexer) Effects {
	switch kw {
	case nameSetConfig:
		if isLocal(lex) {
			return SetLocal
		}
		return SetConfig
	case nameSetLimit:
		return SetConfig
	case nameAdvisoryLock:
		return AdvisoryLock
	case nameAdvisoryUnlock:
		return AdvisoryUnlock
	case nameSetSeed:
		return Seed
	case nameSequence:
		return Sequence
	case nameDblink:
		return Connect
	case namePgTemp:
		return Temp
	case namePgSettings:
		r.settingsView = true
		return r.updatesSettings()
	}
	return 0
}

func (r *reader) updatesSettings() Effects {
	if r.updates && r.settingsView {
		return SetConfig
	}
	return 0
}

// isLocal reports whether the arguments of set_config at lex are two expressions
// and the word true. It stops at the next set_config, so that no part of the text is
// read here twice, however the calls are nested.
func isLocal(lex *Lexer) bool {
	h := head{lex: *lex}.peek()
	if !lex.Is(h.tok, '(') {
		return false
	}
	arguments := 1
	for depth := 1; depth > 0; {
		h.advance()
		switch {
		case h.tok.Kind == EndOfText || h.kw == nameSetConfig || h.tok.Kind == QuotedName || h.tok.Kind == UnicodeName:
			return false
		case h.tok.Kind != Symbol:
		case h.lex.Is(h.tok, '('):
			depth++
		case h.lex.Is(h.tok, ')'):
			depth--
		case h.lex.Is(h.tok, ',') && depth == 1:
			arguments++
			if arguments == 3 {
				h.advance()
				return h.kw == kwTrue && h.lex.Is(h.peek().tok, ')')
			}
		}
	}
	return false
}
