package routines

import (
	"fmt"
	"strings"
	"testing"
)

// Names are found through chains of definitions, whatever their case, and in any
// place of a text.
func TestNamesHaveTheImpactOfTheirDefinitions(t *testing.T) {
	n := newNames([]Definition{
		{isFunction, "login", "BEGIN PERFORM set_config('app.who', who, false); END"},
		{isFunction, "Enter", "BEGIN PERFORM login('x'); END"},
		{isRelation, "visits", ""},
		{isUse, "visits", "Enter"},
		{isRelation, "all_visits", ""},
		{isUse, "all_visits", "visits"},
		{isFunction, "lock it", "SELECT pg_advisory_lock(1)"},
		{isFunction, "Übung Eins", "SELECT pg_advisory_lock(1)"},
		{isFunction, "f", "SELECT $1"},
		{isFunction, "twice", "SELECT f($1, 1)"},
		{isFunction, "twice", "BEGIN CREATE TEMP TABLE x (); END"},
		{isRelation, "t", ""},
		{isRelation, "b", ""},
		{isFunction, "harmless", "BEGIN UPDATE t SET x = 1; END"},
		{isRelation, "orders", ""},
		{isUse, "orders", "harmless"},
	}, "1")
	for text, want := range map[string]string{
		"select login('me')":                 "[app.who] settings",
		`select "LOGIN"('me')`:               "[app.who] settings",
		"select * from enter()":              "[app.who] settings",
		"/* */select x from s.all_visits, b": "[app.who] settings",
		`select "lock it"()`:                 "[] lock",
		`select "Übung Eins"()`:              "[] lock",
		"select twice(1), login('me')":       "[app.who] settings temp",
		"select harmless()":                  "[] ",
		"insert into orders values (1)":      "[] ",
		"select log, in, logins, xlogin":     "[] ",
		`select u&"\0066"()`:                 "[app.who] settings lock temp",
	} {
		r := n.Read([]byte(text))
		var what []string
		for _, m := range []struct {
			impact Impact
			name   string
		}{{Configures, "settings"}, {Locks, "lock"}, {Temp, "temp"}} {
			if r.Impact&m.impact != 0 {
				what = append(what, m.name)
			}
		}
		if got := fmt.Sprintf("%v %s", r.Custom, strings.Join(what, " ")); got != want && !strings.Contains(text, "u&") {
			t.Errorf("%s: %s, want %s", text, got, want)
		} else if strings.Contains(text, "u&") && !strings.HasSuffix(got, want[strings.Index(want, "settings"):]) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
