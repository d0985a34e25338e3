package sqlscan

// reader looks at all tokens of a statement for what may stand anywhere in it.
type reader struct {
	verb       keyword // the first word
	previous   keyword // that the token before is
	beforeThat keyword
	found      Effects
	name       []byte

	atomic        bool // the body of a function has begun
	dropsOnCommit bool
	updates       bool
	settingsView  bool // pg_settings was mentioned
}

// read takes the next token; lex stands behind it.
func (r *reader) read(t token, lex *lexer) {
	var kw keyword
	switch t.kind {
	case word:
		kw = lookUp(lex.bytes(t))
		r.found |= r.phrase(kw, lex) | r.named(kw, lex)
	case quoted:
		r.found |= r.named(lookUp(unquoted(lex.bytes(t))), lex)
	case unicode:
		r.found |= byName
	case symbol:
		if lex.is(t, ')') {
			kw = closingParen
		}
	}
	r.beforeThat, r.previous = r.previous, kw
}

// effects are those of the tokens up to here, which are a statement.
func (r *reader) effects() Effects {
	if r.dropsOnCommit {
		return r.found &^ Temp // nothing of it is left after the transaction
	}
	return r.found
}

// phrase returns what kw completes together with the words before it.
func (r *reader) phrase(kw keyword, lex *lexer) Effects {
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
	case kwStandardStream:
		if r.verb == kwCopy && (r.previous == kwFrom || r.previous == kwTo) {
			return Copy
		}
	case kwChain:
		if r.previous == kwAnd && r.endsTransaction() {
			return Begin
		}
	case kwExecute:
		if r.explainsOrCreates() {
			r.name = head{lex: *lex}.peek().name()
			return Execute
		}
	case kwAtomic:
		r.atomic = r.atomic || r.verb == kwCreate && r.previous == kwBegin
	case kwEnd:
		if r.previous == kwAtomic {
			r.atomic = false
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

// explainsOrCreates reports whether EXECUTE, coming now, is the statement that
// EXPLAIN explains or that CREATE TABLE takes its rows from.
func (r *reader) explainsOrCreates() bool {
	switch r.previous {
	case kwAs:
		return r.verb == kwExplain || r.verb == kwCreate
	case kwExplain, kwAnalyze, kwVerbose, closingParen:
		return r.verb == kwExplain
	}
	return false
}

// named returns what the mention of a name does.
func (r *reader) named(kw keyword, lex *lexer) Effects {
	switch kw {
	case nameSetConfig:
		if endsWithTransaction(lex) {
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
		return Opaque
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

// endsWithTransaction reports whether the arguments at lex are two and the
// word true. It gives up at the next set_config, so that however they are
// nested no part of the text is read here twice.
func endsWithTransaction(lex *lexer) bool {
	h := head{lex: *lex}.peek()
	if !lex.is(h.tok, '(') {
		return false
	}
	arguments := 1
	for depth := 1; depth > 0; {
		h.advance()
		switch {
		case h.tok.kind == endOfText || h.kw == nameSetConfig || h.tok.kind == quoted || h.tok.kind == unicode:
			return false
		case h.tok.kind != symbol:
		case h.lex.is(h.tok, '('):
			depth++
		case h.lex.is(h.tok, ')'):
			depth--
		case h.lex.is(h.tok, ',') && depth == 1:
			arguments++
			if arguments == 3 {
				h.advance()
				return h.kw == kwTrue && h.lex.is(h.peek().tok, ')')
			}
		}
	}
	return false
}

// unquoted returns what is between the quotes.
func unquoted(name []byte) []byte {
	if len(name) < 2 {
		return nil
	}
	return name[1 : len(name)-1]
}
