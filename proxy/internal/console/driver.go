package console

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// serverVersion is the version of Postgres that the console reports to drivers:
// one that all of them support and psql does not warn about.
const serverVersion, serverVersionNum = "14.0", "140000"

// Parameters returns what a server reports in ParameterStatus messages.
func (s *Session) Parameters() iter.Seq2[string, string] {
	return maps.All(map[string]string{
		"server_version":                serverVersion + " (" + s.console.proxy.Overview().Product + ")",
		"server_encoding":               "UTF8",
		"client_encoding":               "UTF8",
		"DateStyle":                     "ISO, MDY",
		"IntervalStyle":                 "postgres",
		"TimeZone":                      "UTC",
		"integer_datetimes":             "on",
		"standard_conforming_strings":   "on",
		"in_hot_standby":                "off",
		"default_transaction_read_only": "off",
		"is_superuser":                  "on",
		"session_authorization":         s.client.User,
		"application_name":              s.client.Startup.Get("application_name"),
	})
}

// setting returns the value of a setting that drivers ask for.
func (s *Session) setting(name string) (value string, ok bool) {
	name = strings.ToLower(name)
	if value, ok = s.settings[name]; ok {
		return value, true
	}
	for parameter, value := range s.Parameters() {
		if strings.EqualFold(parameter, name) {
			return value, true
		}
	}
	value, ok = map[string]string{
		"server_version_num":            serverVersionNum,
		"transaction_isolation":         "read committed",
		"default_transaction_isolation": "read committed",
		"transaction_read_only":         "off",
		"search_path":                   `"$user", public`,
		"max_identifier_length":         "63",
		"extra_float_digits":            "1",
		"statement_timeout":             "0",
		"lock_timeout":                  "0",
	}[name]
	return value, ok
}

// set stores a setting for later SHOW commands of the client.
func (s *Session) set(name, value string) {
	if len(s.settings) < maxStatements {
		s.settings[strings.ToLower(name)] = value
	}
}

// prepareForDriver parses what drivers send to any server and people type by
// habit. None of it has an effect here. It returns nil for everything else.
func (s *Session) prepareForDriver(tokens []token) *statement {
	switch first := strings.ToUpper(tokens[0].text); {
	case tokens[0].kind != word:
		return nil
	case first == "SELECT":
		return s.prepareSelect(tokens[1:])
	case first == "SHOW":
		return s.prepareShow(tokens[1:])
	case first == "SET":
		return s.prepareSet(tokens[1:])
	case first == "BEGIN", first == "START" && len(tokens) > 1 && tokens[1].is("transaction"):
		return &statement{tag: first, status: pgwire.TxActive, run: doNothing}
	case first == "COMMIT", first == "ROLLBACK" && (len(tokens) < 2 || !tokens[1].is("to")), first == "END", first == "ABORT":
		return &statement{tag: first, status: pgwire.TxIdle, run: doNothing}
	case slices.Contains([]string{"ROLLBACK", "SAVEPOINT", "RELEASE", "DISCARD", "DEALLOCATE", "RESET", "CLOSE", "UNLISTEN"}, first):
		return &statement{tag: first, run: doNothing}
	}
	return nil
}

func doNothing(context.Context, *Session) ([]row, error) { return nil, nil }

// prepareShow parses SHOW of a setting, which may be spelled in several words.
func (s *Session) prepareShow(tokens []token) *statement {
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
	if _, ok := s.setting(name); !ok {
		return nil
	}
	return &statement{tag: "SHOW", columns: text(name), run: func(_ context.Context, s *Session) ([]row, error) {
		value, _ := s.setting(name)
		return []row{{value}}, nil
	}}
}

// prepareSet parses SET, which changes the session's settings and not the
// proxy's.
func (s *Session) prepareSet(tokens []token) *statement {
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
	return &statement{tag: "SET", run: func(_ context.Context, s *Session) ([]row, error) {
		if slices.ContainsFunc(s.console.proxy.Settings(), func(one Setting) bool { return one.Key == key }) {
			return nil, &pgwire.Error{Code: "0A000", Message: fmt.Sprintf("%s cannot be changed here", key),
				Hint: "change it where the proxy is configured, then RELOAD"}
		}
		s.set(key, value.String())
		return nil, nil
	}}
}

// prepareSelect parses a list of constants and of functions that drivers call.
// It returns nil for all else.
func (s *Session) prepareSelect(tokens []token) *statement {
	st := &statement{tag: "SELECT", counted: true}
	var r row
	for {
		value, column, rest, ok := s.evaluate(tokens)
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
	st.run = func(context.Context, *Session) ([]row, error) { return []row{r}, nil }
	return st
}

// evaluate evaluates the first expression of tokens and its label.
func (s *Session) evaluate(tokens []token) (value any, result column, rest []token, ok bool) {
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
		if value, result.name, rest, ok = s.call(first, rest); !ok {
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
func (s *Session) call(function token, tokens []token) (value any, label string, rest []token, ok bool) {
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
		value = "PostgreSQL " + serverVersion + " (" + s.console.proxy.Overview().Product + ")"
	case "current_database", "current_catalog":
		value = Database
	case "current_user", "session_user", "user":
		value = s.client.User
	case "current_schema":
		value = "public"
	case "pg_is_in_recovery":
		value = false
	case "pg_backend_pid":
		value = int64(s.pid)
	case "pg_advisory_unlock_all":
		value = ""
	case "current_setting":
		if len(arguments) == 0 {
			return nil, "", nil, false
		}
		setting, known := s.setting(arguments[0])
		if !known {
			return nil, "", nil, false
		}
		value = setting
	default:
		return nil, "", nil, false
	}
	return value, label, tokens, true
}
