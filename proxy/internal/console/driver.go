package console

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// prepareForDriver parses what drivers send to any server and people type by
// habit. None of it has an effect here. It returns nil for everything else.
func prepareForDriver(v *variables, p Proxy, tokens []token) *statement {
	switch first := strings.ToUpper(tokens[0].text); {
	case tokens[0].kind != word:
		return nil
	case first == "SELECT":
		return prepareSelect(v, tokens[1:])
	case first == "SHOW":
		return prepareShow(v, tokens[1:])
	case first == "SET":
		return prepareSet(v, p, tokens[1:])
	case first == "BEGIN", first == "START" && len(tokens) > 1 && tokens[1].is("transaction"):
		return &statement{tag: first, status: pgwire.TxActive, run: doNothing}
	case first == "COMMIT", first == "ROLLBACK" && (len(tokens) < 2 || !tokens[1].is("to")), first == "END", first == "ABORT":
		return &statement{tag: first, status: pgwire.TxIdle, run: doNothing}
	case slices.Contains([]string{"ROLLBACK", "SAVEPOINT", "RELEASE", "DISCARD", "DEALLOCATE", "RESET", "CLOSE", "UNLISTEN"}, first):
		return &statement{tag: first, run: doNothing}
	}
	return nil
}

func doNothing(context.Context) ([]row, error) { return nil, nil }

// prepareShow parses SHOW of a setting, which may be spelled in several words.
func prepareShow(v *variables, tokens []token) *statement {
	var words []string
	for _, t := range tokens {
		words = append(words, strings.ToLower(t.text))
	}
	name := strings.Join(words, "_")
	if name == "transaction_isolation_level" {
		name = "transaction_isolation"
	}
	if name == "time_zone" {
		name = "timezone"
	}
	if _, ok := v.get(name); !ok {
		return nil
	}
	return &statement{tag: "SHOW", columns: text(name), run: func(context.Context) ([]row, error) {
		value, _ := v.get(name)
		return []row{{value}}, nil
	}}
}

// prepareSet parses SET, which changes the session's settings and not the
// proxy's.
func prepareSet(v *variables, p Proxy, tokens []token) *statement {
	if len(tokens) > 0 && (tokens[0].is("session") || tokens[0].is("local")) {
		tokens = tokens[1:]
	}
	if len(tokens) == 0 {
		return nil
	}
	key := strings.ToLower(tokens[0].text)
	var value strings.Builder
	for i, t := range tokens[1:] {
		if i > 0 || !t.isSymbol('=') && !t.is("to") {
			value.WriteString(t.text)
		}
	}
	return &statement{tag: "SET", run: func(context.Context) ([]row, error) {
		if slices.ContainsFunc(p.Settings(), func(one Setting) bool { return one.Key == key }) {
			return nil, &pgwire.Error{Code: "0A000", Message: fmt.Sprintf("%s cannot be changed here", key),
				Hint: "change it where the proxy is configured, then RELOAD"}
		}
		v.store(key, value.String())
		return nil, nil
	}}
}

// prepareSelect parses a list of constants and of functions that drivers call.
// It returns nil for all else.
func prepareSelect(v *variables, tokens []token) *statement {
	st := &statement{tag: "SELECT", counted: true}
	var r row
	for {
		value, column, rest, ok := evaluate(v, tokens)
		if !ok {
			return nil
		}
		st.columns, r = append(st.columns, column), append(r, value)
		if len(rest) == 0 {
			break
		}
		if !rest[0].isSymbol(',') {
			return nil
		}
		tokens = rest[1:]
	}
	st.run = func(context.Context) ([]row, error) { return []row{r}, nil }
	return st
}

// evaluate evaluates the first expression of tokens and its label.
func evaluate(v *variables, tokens []token) (value any, result column, rest []token, ok bool) {
	if len(tokens) == 0 {
		return nil, result, nil, false
	}
	result.name = "?column?"
	first, rest := tokens[0], tokens[1:]
	bare, _, _ := strings.Cut(first.text, "::")
	integer, err := strconv.ParseInt(bare, 10, 64)
	switch {
	case first.kind == literal:
		value = first.text
	case first.kind == word && err == nil:
		value = integer
	case first.is("null"):
	case first.is("true"), first.is("false"):
		value = first.is("true")
	case first.kind == word:
		if value, result.name, rest, ok = call(v, first, rest); !ok {
			return nil, result, nil, false
		}
	default:
		return nil, result, nil, false
	}
	result.oid = typeOf(value)
	if len(rest) > 0 && rest[0].is("as") {
		rest = rest[1:]
	}
	if len(rest) > 0 && (rest[0].kind == word || rest[0].kind == quotedName) {
		result.name, rest = rest[0].text, rest[1:]
	}
	return value, result, rest, true
}

// call evaluates a function, whose arguments are literals.
func call(v *variables, function token, tokens []token) (value any, label string, rest []token, ok bool) {
	label = strings.TrimPrefix(strings.ToLower(function.text), "pg_catalog.")
	var arguments []string
	if len(tokens) > 0 && tokens[0].isSymbol('(') {
		end := slices.IndexFunc(tokens, func(t token) bool { return t.isSymbol(')') })
		if end < 0 {
			return nil, "", nil, false
		}
		for _, t := range tokens[1:end] {
			arguments = append(arguments, t.text)
		}
		tokens = tokens[end+1:]
	}
	switch label {
	case "version":
		value = "PostgreSQL " + v.version()
	case "current_database", "current_catalog":
		value = Database
	case "current_user", "session_user", "user":
		value = v.user
	case "current_schema":
		value = "public"
	case "pg_is_in_recovery":
		value = false
	case "pg_backend_pid":
		value = int64(v.pid)
	case "pg_advisory_unlock_all":
		value = ""
	case "current_setting":
		if len(arguments) == 0 {
			return nil, "", nil, false
		}
		setting, known := v.get(arguments[0])
		if !known {
			return nil, "", nil, false
		}
		value = setting
	default:
		return nil, "", nil, false
	}
	return value, label, tokens, true
}
