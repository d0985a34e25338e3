package sqlscan

// Names of the settings that SET and RESET have keywords for.
var (
	timeZone             = []byte("timezone")
	clientEncoding       = []byte("client_encoding")
	sessionAuthorization = []byte("session_authorization")
	searchPath           = []byte("search_path")
	xmlOption            = []byte("xmloption")
)

// head reads the first words of a statement. Its lexer is a copy of the
// scanner's.
type head struct {
	lex Lexer
	tok Token
	kw  keyword // of tok
}

func (h *head) advance() {
	h.tok = h.lex.Next()
	h.kw = 0
	if h.tok.Kind == Word {
		h.kw = lookUp(h.lex.Text(h.tok))
	}
}

// peek returns a copy of the head, advanced by one token.
func (h head) peek() head {
	h.advance()
	return h
}

// namesSetting reports whether the current word, though a keyword, is the name
// of a setting, as in SET local.x = 1.
func (h head) namesSetting() bool {
	next := h.peek()
	return next.kw == kwTo || h.lex.Is(next.tok, '.') || h.lex.Is(next.tok, '=')
}

// name returns the name that starts at the current token, including its dots.
func (h head) name() []byte {
	start, end := h.tok.Start, h.tok.End
	switch h.tok.Kind {
	case Word, QuotedName:
	case Symbol:
		if h.lex.Is(h.tok, '*') {
			return h.lex.text[start:end]
		}
		return nil
	default:
		return nil
	}
	for {
		h.advance()
		if !h.lex.Is(h.tok, '.') {
			return h.lex.text[start:end]
		}
		h.advance()
		if h.tok.Kind != Word && h.tok.Kind != QuotedName {
			return nil
		}
		end = h.tok.End
	}
}

// form returns the effects and the name of a statement as its first word, verb,
// and the words at the position of lex determine them.
func form(verb keyword, lex *Lexer) (Effects, []byte) {
	h := head{lex: *lex}
	switch verb {
	case kwSet:
		return setForm(h.peek())
	case kwReset:
		_, name := setting(h.peek())
		return Reset, name
	case kwDiscard:
		return Discard, h.peek().name()
	case kwListen:
		return Listen, h.peek().name()
	case kwUnlisten:
		return Unlisten, h.peek().name()
	case kwPrepare:
		return prepareForm(h.peek())
	case kwDeallocate:
		return Deallocate, deallocateForm(h.peek())
	case kwDeclare: // Hold depends on WITH HOLD, which comes later
		return 0, h.peek().name()
	case kwClose:
		return Close, h.peek().name()
	case kwLoad:
		return Load, nil
	case kwDo, kwCall:
		return Opaque, nil
	case kwBegin, kwStart:
		return Begin, nil
	}
	return 0, nil
}

// prepareForm is form after PREPARE.
func prepareForm(h head) (Effects, []byte) {
	if next := h.peek(); h.kw == kwTransaction && next.kw != kwAs && !h.lex.Is(next.tok, '(') {
		return 0, nil // PREPARE TRANSACTION
	}
	return Prepare, h.name()
}

// deallocateForm returns the name after DEALLOCATE [PREPARE].
func deallocateForm(h head) []byte {
	if next := h.peek(); h.kw == kwPrepare && next.tok.Kind != EndOfText && !h.lex.Is(next.tok, ';') {
		h = next
	}
	return h.name()
}

// setForm is form after SET.
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

// setting returns the name of the setting in SET or RESET. local reports whether
// it applies to the transaction only.
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
		return false, nil // CHARACTERISTICS: several settings
	}
	return false, h.name()
}
