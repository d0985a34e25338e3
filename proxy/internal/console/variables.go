package console

import (
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

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
