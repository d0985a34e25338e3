package console

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// statuses are those after statements that have no other effect, 0 for the same
// as before.
var statuses = map[string]pgwire.TxStatus{
	"BEGIN": pgwire.TxActive, "START": pgwire.TxActive,
	"COMMIT": pgwire.TxIdle, "ROLLBACK": pgwire.TxIdle, "END": pgwire.TxIdle, "ABORT": pgwire.TxIdle,
	"SAVEPOINT": 0, "RELEASE": 0, "DISCARD": 0, "DEALLOCATE": 0, "RESET": 0, "CLOSE": 0, "UNLISTEN": 0,
}

// prepareForDriver parses what drivers send to any server and people type by
// habit. None of it has an effect here. It returns nil for everything else.
func prepareForDriver(v *variables, p Proxy, tokens []token) *statement {
	if tokens[0].kind != word {
		return nil
	}
	first, rest := strings.ToUpper(tokens[0].text), tokens[1:]
	switch first {
	case "SELECT":
		return prepareSelect(v, rest)
	case "SHOW":
		return prepareShow(v, rest)
	case "SET":
		return prepareSet(v, p, rest)
	}
	status, ok := statuses[first]
	if !ok || first == "START" && (len(rest) == 0 || !rest[0].is("transaction")) {
		return nil
	}
	if first == "ROLLBACK" && len(rest) > 0 && rest[0].is("to") {
		status = 0
	}
	return &statement{tag: first, status: status, run: func(context.Context) ([]row, error) { return nil, nil }}
}

// prepareShow parses SHOW of a setting, which may be spelled in several words.
func prepareShow(v *variables, tokens []token) *statement {
	var words []string
	for _, t := range tokens {
		words = append(words, strings.ToLower(t.text))
	}
	name := strings.Join(words, "_")
	switch name {
	case "transaction_isolation_level":
		name = "transaction_isolation"
	case "time_zone":
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
		if slices.ContainsFunc(p.Snapshot().Settings, func(one snapshot.Setting) bool { return one.Key == key }) {
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
	for comma := true; comma; {
		value, label, rest, ok := evaluate(v, tokens)
		if !ok {
			return nil
		}
		if len(rest) > 0 && rest[0].is("as") {
			rest = rest[1:]
		}
		if len(rest) > 0 && (rest[0].kind == word || rest[0].kind == quotedName) {
			label, rest = rest[0].text, rest[1:]
		}
		st.columns, r = append(st.columns, column{label, typeOf(value)}), append(r, value)
		if comma = len(rest) > 0; comma {
			if !rest[0].isSymbol(',') {
				return nil
			}
			tokens = rest[1:]
		}
	}
	st.run = func(context.Context) ([]row, error) { return []row{r}, nil }
	return st
}

// evaluate evaluates the first expression of tokens. label is what it is called
// without AS.
func evaluate(v *variables, tokens []token) (value any, label string, rest []token, ok bool) {
	if len(tokens) == 0 {
		return nil, "", nil, false
	}
	label = "?column?"
	first, rest := tokens[0], tokens[1:]
	bare, _, _ := strings.Cut(first.text, "::")
	integer, err := strconv.ParseInt(bare, 10, 64)
	switch {
	case first.kind == literal:
		return first.text, label, rest, true
	case first.kind != word:
		return nil, "", nil, false
	case err == nil:
		return integer, label, rest, true
	case first.is("null"):
		return nil, label, rest, true
	case first.is("true"), first.is("false"):
		return first.is("true"), label, rest, true
	}
	var argument string
	if len(rest) > 0 && rest[0].isSymbol('(') {
		end := slices.IndexFunc(rest, func(t token) bool { return t.isSymbol(')') })
		if end < 0 {
			return nil, "", nil, false
		}
		if end > 1 {
			argument = rest[1].text
		}
		rest = rest[end+1:]
	}
	label = strings.TrimPrefix(strings.ToLower(first.text), "pg_catalog.")
	if label == "current_setting" {
		value, ok = v.get(argument)
	} else {
		value, ok = v.functions[label]
	}
	return value, label, rest, ok
}

// serverVersion is the version of Postgres that the console reports to drivers:
// one that all of them support and psql does not warn about.
const serverVersion, serverVersionNum = "14.0", "140000"

// maxVariables bounds the settings of a session.
const maxVariables = 1000

// variables are what a session knows about itself, for drivers that ask. SET
// changes them without any effect.
type variables struct {
	functions map[string]any    // those that drivers call, with their results
	reported  map[string]string // in ParameterStatus messages
	settings  map[string]string // all, by name in lower case
}

func newVariables(product, user string, startup *pgwire.Startup) *variables {
	version := serverVersion + " (" + product + ")"
	v := &variables{}
	v.functions = map[string]any{
		"version":                "PostgreSQL " + version,
		"current_database":       Database,
		"current_catalog":        Database,
		"current_user":           user,
		"session_user":           user,
		"user":                   user,
		"current_schema":         "public",
		"pg_is_in_recovery":      false,
		"pg_advisory_unlock_all": "",
	}
	v.settings = map[string]string{
		"server_version_num":            serverVersionNum,
		"transaction_isolation":         "read committed",
		"default_transaction_isolation": "read committed",
		"transaction_read_only":         "off",
		"search_path":                   `"$user", public`,
		"max_identifier_length":         "63",
		"extra_float_digits":            "1",
		"statement_timeout":             "0",
		"lock_timeout":                  "0",
	}
	v.reported = map[string]string{
		"server_version":                version,
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
		"session_authorization":         user,
		"application_name":              startup.Get("application_name"),
	}
	for name, value := range v.reported {
		v.store(name, value)
	}
	for _, p := range startup.Parameters {
		if p.Name != "user" && p.Name != "database" {
			v.store(p.Name, p.Value)
		}
	}
	return v
}

// get returns the value of a setting.
func (v *variables) get(name string) (value string, ok bool) {
	value, ok = v.settings[strings.ToLower(name)]
	return value, ok
}

// store keeps the value of a setting for get.
func (v *variables) store(name, value string) {
	if len(v.settings) < maxVariables {
		v.settings[strings.ToLower(name)] = value
	}
}
