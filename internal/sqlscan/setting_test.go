package sqlscan

import (
	"slices"
	"testing"
)

func TestSetConfigNames(t *testing.T) {
	for text, want := range map[string][]string{
		"select 1": nil,
		"select set_config('app.User', $1, false)":                                      {"app.user"},
		"select pg_catalog . set_config ( 'a.b' , 'x', false), SET_CONFIG('c','',true)": {"a.b", "c"},
		`select "set_config"('a', 'set_config(', false)`:                                {"a"},
		"select set_config('a', set_config('b', '1', false), false)":                    {"a", "b"},
		"-- set_config($1)\nselect set_config(/* name */ 'a', 'b', false)":              {"a"},
	} {
		if names, known := SetConfigNames([]byte(text)); !known || !slices.Equal(names, want) {
			t.Errorf("%s: got %q, %v; want %q", text, names, known, want)
		}
	}
	for _, text := range []string{
		"select set_config($1, 'x', false)",
		"select set_config('a' || 'b', 'x', false)",
		"select set_config(E'a', 'x', false)",
		`select set_config(U&'a', 'x', false)`,
		"select set_config('it''s', 'x', false)", "select set_config('a'::name, 'x', false)", "select set_config('a'::char, 'x', false)",
		"select set_config($$a$$, 'x', false)", "select set_config('a'\n'b', 'x', false)", "select set_config(variadic array['a'], 'x', false)",
		"select set_config(n, v, l) from (values ('a', 'x', false)) as s (n, v, l)",
		"select set_config(name, setting, false) from pg_settings",
		"select set_config(setting_name => 'a', new_value => 'b', is_local => false)",
		`select 'a\', set_config('b', '1', false)`,
		`select U&"set\005fconfig"('a', 'b', false)`,
	} {
		if names, known := SetConfigNames([]byte(text)); known {
			t.Errorf("%s: got %q", text, names)
		}
	}
}
