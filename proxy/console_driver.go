package proxy

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

// consoleServerVersion is the Postgres that drivers take the console for. One
// of an age that all of them know, and no psql warns of.
const consoleServerVersion, consoleServerVersionNum = "14.0", "140000"

// parameters are what the console tells of itself as a server does.
func (c *console) parameters() iter.Seq2[string, string] {
	return maps.All(map[string]string{
		"server_version":                consoleServerVersion + " (" + productVersion() + ")",
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
		"session_authorization":         c.user,
		"application_name":              c.app,
	})
}

// show is the value of a setting that drivers ask for.
func (c *console) show(name string) (value string, ok bool) {
	name = strings.ToLower(name)
	if value, ok = c.session[name]; ok {
		return value, true
	}
	for parameter, value := range c.parameters() {
		if strings.EqualFold(parameter, name) {
			return value, true
		}
	}
	value, ok = map[string]string{
		"server_version_num":            consoleServerVersionNum,
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

// set remembers a setting, for a client that asks for it again.
func (c *console) set(name, value string) {
	if len(c.session) < maxConsoleStatements {
		c.session[strings.ToLower(name)] = value
	}
}

// prepareForDriver understands what drivers and people's habits send to any
// server. None of it does anything here. It returns nil for everything else.
func (c *console) prepareForDriver(tokens []token) *consoleStatement {
	switch first := strings.ToUpper(tokens[0].text); {
	case tokens[0].kind != word:
		return nil
	case first == "SELECT":
		return c.prepareSelect(tokens[1:])
	case first == "SHOW":
		return c.prepareShow(tokens[1:])
	case first == "SET":
		return c.prepareSet(tokens[1:])
	case first == "BEGIN", first == "START" && len(tokens) > 1 && tokens[1].is("transaction"):
		return &consoleStatement{tag: first, status: pgwire.TxActive, run: doNothing}
	case first == "COMMIT", first == "ROLLBACK" && (len(tokens) < 2 || !tokens[1].is("to")), first == "END", first == "ABORT":
		return &consoleStatement{tag: first, status: pgwire.TxIdle, run: doNothing}
	case slices.Contains([]string{"ROLLBACK", "SAVEPOINT", "RELEASE", "DISCARD", "DEALLOCATE", "RESET", "CLOSE", "UNLISTEN"}, first):
		return &consoleStatement{tag: first, run: doNothing}
	}
	return nil
}

func doNothing(context.Context, *console) ([]row, error) { return nil, nil }

// prepareShow understands SHOW of a setting, by either spelling.
func (c *console) prepareShow(tokens []token) *consoleStatement {
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
	if _, ok := c.show(name); !ok {
		return nil
	}
	return &consoleStatement{tag: "SHOW", columns: text(name), run: func(_ context.Context, c *console) ([]row, error) {
		value, _ := c.show(name)
		return []row{{value}}, nil
	}}
}

// prepareSet understands SET, which is for the console's client alone: what
// the proxy is configured to do is not changed by it.
func (c *console) prepareSet(tokens []token) *consoleStatement {
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
	return &consoleStatement{tag: "SET", run: func(_ context.Context, c *console) ([]row, error) {
		if c.server.hasSetting(key) {
			return nil, &pgwire.Error{Code: "0A000", Message: fmt.Sprintf("%s cannot be changed here", key),
				Hint: "change it where the proxy is configured, then RELOAD"}
		}
		c.set(key, value.String())
		return nil, nil
	}}
}

// prepareSelect understands a list of constants and of functions that drivers
// call. It returns nil for all else.
func (c *console) prepareSelect(tokens []token) *consoleStatement {
	s := &consoleStatement{tag: "SELECT", counted: true}
	var r row
	for {
		value, column, rest, ok := c.evaluate(tokens)
		if !ok {
			return nil
		}
		s.columns, r = append(s.columns, column), append(r, value)
		if len(rest) == 0 {
			break
		}
		if !rest[0].isSymbol(',') {
			return nil
		}
		tokens = rest[1:]
	}
	s.run = func(context.Context, *console) ([]row, error) { return []row{r}, nil }
	return s
}

// evaluate takes one expression, with its label.
func (c *console) evaluate(tokens []token) (value any, result column, rest []token, ok bool) {
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
		if value, result.name, rest, ok = c.call(first, rest); !ok {
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

// call is the value of a function, whose arguments are literals.
func (c *console) call(function token, tokens []token) (value any, label string, rest []token, ok bool) {
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
		value = "PostgreSQL " + consoleServerVersion + " (" + productVersion() + ")"
	case "current_database", "current_catalog":
		value = consoleDatabase
	case "current_user", "session_user", "user":
		value = c.user
	case "current_schema":
		value = "public"
	case "pg_is_in_recovery":
		value = false
	case "pg_backend_pid":
		value = int64(c.id.Load())
	case "pg_advisory_unlock_all":
		value = ""
	case "current_setting":
		if len(arguments) == 0 {
			return nil, "", nil, false
		}
		setting, known := c.show(arguments[0])
		if !known {
			return nil, "", nil, false
		}
		value = setting
	default:
		return nil, "", nil, false
	}
	return value, label, tokens, true
}
