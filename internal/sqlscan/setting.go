package sqlscan

import (
	"bytes"
	"slices"
	"strings"
)

// neutralSettings cannot change the meaning of a text when it is prepared: they
// limit or log the execution, or affect its output.
var neutralSettings = []string{
	"application_name", "bytea_output", "client_min_messages", "deadlock_timeout", "default_transaction_deferrable",
	"default_transaction_isolation", "default_transaction_read_only", "extra_float_digits",
	"idle_in_transaction_session_timeout", "idle_session_timeout", "lock_timeout", "statement_timeout",
	"synchronous_commit", "transaction_timeout", "work_mem", "maintenance_work_mem", "random_page_cost", "jit",
}

// IsCustomSetting reports whether a setting belongs to an extension or is the
// client's own. Such a setting does not change the meaning of text, and the server
// may not list it in pg_settings.
func IsCustomSetting(name string) bool { return strings.Contains(name, ".") }

// AffectsMeaning reports whether a setting may change the meaning of a text when it
// is prepared, as search_path does.
func AffectsMeaning(setting string) bool {
	return !IsCustomSetting(setting) && !slices.Contains(neutralSettings, setting)
}

// AppendLiteral appends s as a literal that has the same value whether
// standard_conforming_strings is on or off.
func AppendLiteral(dst []byte, s string) []byte {
	dst = append(dst, " E'"...)
	for i := range len(s) {
		if s[i] == '\'' || s[i] == '\\' {
			dst = append(dst, s[i]) // doubled
		}
		dst = append(dst, s[i])
	}
	return append(dst, '\'')
}

// SetConfigNames returns the names, in lower case, of the settings that the calls of
// set_config in text set. known is false if the name in one of the calls is not a
// plain literal.
func SetConfigNames(text []byte) (names []string, known bool) {
	l := Lexer{text: text}
	for t := l.Next(); t.Kind != EndOfText; t = l.Next() {
		switch t.Kind {
		case Word:
			if lookUp(l.Text(t)) != nameSetConfig {
				continue
			}
		case QuotedName:
			if lookUp(unquoted(l.Text(t))) != nameSetConfig {
				continue
			}
		case UnicodeName:
			return nil, false
		default:
			continue
		}
		if ahead := l; !l.Is(ahead.Next(), '(') {
			continue // the name of a column
		}
		name, ok := firstArgument(&l)
		if !ok {
			return nil, false
		}
		names = append(names, name)
	}
	return names, !l.ambiguous
}

// firstArgument reads the literal between a parenthesis and a comma.
func firstArgument(l *Lexer) (string, bool) {
	if !l.Is(l.Next(), '(') {
		return "", false
	}
	t := l.Next()
	if t.Kind != Literal || l.text[t.Start] != '\'' {
		return "", false
	}
	inside := unquoted(l.Text(t))
	if len(inside) == 0 || bytes.ContainsAny(inside, `'\`) {
		return "", false
	}
	next := l.Next()
	for l.Is(next, ':') || next.Kind == Word && bytes.EqualFold(l.Text(next), []byte("text")) { // ::text, as PostgreSQL writes it; name would cut the value
		next = l.Next()
	}
	if !l.Is(next, ',') {
		return "", false
	}
	return Fold(string(inside)), true
}
