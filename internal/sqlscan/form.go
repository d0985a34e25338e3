package sqlscan

// Names of the settings that have a syntax of their own.
var (
	timeZone             = []byte("timezone")
	clientEncoding       = []byte("client_encoding")
	sessionAuthorization = []byte("session_authorization")
	searchPath           = []byte("search_path")
	xmlOption            = []byte("xmloption")
)

// head reads the first words of a statement. It works on a copy of the
// scanner's lexer.
type head struct {
	lex lexer
	tok token
	kw  keyword // of tok
}

func (h *head) advance() {
	h.tok = h.lex.next()
	h.kw = 0
	if h.tok.kind == word {
		h.kw = lookUp(h.lex.bytes(h.tok))
	}
}

// peek returns the head after the next advance.
func (h head) peek() head {
	h.advance()
	return h
}

// namesSetting reports whether the current word, though a keyword, is the
// name of a setting: SET local.x = 1.
func (h head) namesSetting() bool {
	next := h.peek()
	return next.kw == kwTo || h.lex.is(next.tok, '.') || h.lex.is(next.tok, '=')
}

// name returns the name that starts at the current token, dots included.
func (h head) name() []byte {
	start, end := h.tok.start, h.tok.end
	switch h.tok.kind {
	case word, quoted:
	case symbol:
		if h.lex.is(h.tok, '*') {
			return h.lex.text[start:end]
		}
		return nil
	default:
		return nil
	}
	for {
		h.advance()
		if !h.lex.is(h.tok, '.') {
			return h.lex.text[start:end]
		}
		h.advance()
		if h.tok.kind != word && h.tok.kind != quoted {
			return nil
		}
		end = h.tok.end
	}
}

// form returns what a statement does by its first word, verb, and the words
// that follow at the lexer's position.
func form(verb keyword, lex *lexer) (Effects, []byte) {
	var effect Effects
	switch verb {
	case kwSet, kwReset, kwPrepare, kwDeallocate, kwCommit, kwEnd, kwRollback, kwAbort:
		h := head{lex: *lex}
		h.advance()
		return longForm(verb, h)
	case kwDo, kwCall:
		return Opaque, nil
	case kwLoad:
		return Load, nil
	case kwCreate:
		return createForm(head{lex: *lex}.peek()), nil
	case kwBegin, kwStart:
		return Begin, nil
	case kwDiscard:
		effect = Discard
	case kwListen:
		effect = Listen
	case kwUnlisten:
		effect = Unlisten
	case kwNotify:
		effect = Notify
	case kwExecute:
		effect = Execute
	case kwClose:
		effect = Close
	case kwSavepoint, kwRelease:
		return Savepoint, nil
	case kwDeclare: // WITH HOLD comes later
	default:
		return 0, nil
	}
	return effect, head{lex: *lex}.peek().name()
}

// createForm is CREATE after its first word.
func createForm(h head) Effects {
	if h.kw == kwOr {
		h.advance()
		h.advance()
	}
	if h.kw == kwFunction || h.kw == kwProcedure {
		return Routine
	}
	return 0
}

func longForm(verb keyword, h head) (Effects, []byte) {
	switch verb {
	case kwSet:
		return setForm(h)
	case kwReset:
		_, name := setting(h)
		return Reset, name
	case kwPrepare:
		if next := h.peek(); h.kw == kwTransaction && next.kw != kwAs && !h.lex.is(next.tok, '(') {
			return TwoPhase, nil
		}
		return Prepare, h.name()
	case kwDeallocate:
		if next := h.peek(); h.kw == kwPrepare && next.tok.kind != endOfText && !h.lex.is(next.tok, ';') {
			h = next
		}
		return Deallocate, h.name()
	case kwRollback, kwAbort:
		// ROLLBACK [WORK | TRANSACTION] TO
		if h.kw == kwTo || h.peek().kw == kwTo {
			return Savepoint, nil
		}
		if h.kw != kwPrepared {
			return Rollback, nil
		}
		return TwoPhase, nil
	default: // COMMIT, END
		if h.kw == kwPrepared {
			return TwoPhase, nil
		}
		return Commit, nil
	}
}

// setForm is SET after its first word.
func setForm(h head) (Effects, []byte) {
	effect := Set
	if !h.namesSetting() {
		next := h.peek()
		switch {
		case h.kw == kwLocal:
			effect, h = SetLocal, next
		case h.kw == kwSession && next.kw != kwAuthorization && next.kw != kwCharacteristics:
			h = next
		}
	}
	local, name := setting(h)
	if local {
		effect = SetLocal
	}
	return effect, name
}

// setting returns which setting the words are about; local if it is one of
// the transaction.
func setting(h head) (local bool, name []byte) {
	if h.namesSetting() {
		return false, h.name()
	}
	switch h.kw {
	case kwTransaction, kwConstraints:
		return true, nil
	case kwTime:
		return false, timeZone
	case kwNames:
		return false, clientEncoding
	case kwSchema:
		return false, searchPath
	case kwXML:
		return false, xmlOption
	case kwSession:
		if h.peek().kw == kwAuthorization {
			return false, sessionAuthorization
		}
		return false, nil // CHARACTERISTICS: several
	}
	return false, h.name()
}
