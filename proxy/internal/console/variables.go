package console

import (
	"iter"
	"maps"
	"strings"
)

// serverVersion is the version of Postgres that the console reports to drivers:
// one that all of them support and psql does not warn about.
const serverVersion, serverVersionNum = "14.0", "140000"

// maxVariables bounds the settings of a session.
const maxVariables = 1000

// variables are what a session knows about itself, for drivers that ask. SET
// changes them without any effect.
type variables struct {
	product, user, application string
	pid                        uint32            // in the client's cancel key
	set                        map[string]string // by name in lower case
}

// version returns the server's version as the function version does.
func (v *variables) version() string { return serverVersion + " (" + v.product + ")" }

// parameters returns what a server reports in ParameterStatus messages.
func (v *variables) parameters() iter.Seq2[string, string] {
	return maps.All(map[string]string{
		"server_version":                v.version(),
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
		"session_authorization":         v.user,
		"application_name":              v.application,
	})
}

// get returns the value of a setting.
func (v *variables) get(name string) (value string, ok bool) {
	name = strings.ToLower(name)
	if value, ok = v.set[name]; ok {
		return value, true
	}
	for parameter, value := range v.parameters() {
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

// store keeps the value of a setting for get.
func (v *variables) store(name, value string) {
	if len(v.set) < maxVariables {
		v.set[strings.ToLower(name)] = value
	}
}
