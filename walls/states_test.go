package walls_test

import (
	"fmt"
	"slices"
	"strings"
)

// state is one kind of thing that can stay in a session.
type state struct {
	name  string
	forms []create // the simplest first
	looks []string // statements that show it, run by both clients, besides observation
	undo  []string // how its client removes it again
	// items are looks that are messages; they have no placeholders in messages.
	items func(b *builder) []item
	// preparation is what must be there before, by the client itself.
	preparation []string
	cleanup     []string // see builder
	super       bool
	lasts       bool   // DISCARD ALL leaves something of it
	survives    bool   // a transaction that is rolled back leaves it
	silent      bool   // by itself it shows nothing
	pervasive   bool   // its preparation matters to texts that do not name it
	needs       string // an extension that a server may lack
	looksChange bool   // to look at it changes the session of the client that looks
}

// create is one way to create a state.
type create struct {
	action
	super     bool
	before    []string // what this form defines first
	transient bool     // it ends with the transaction
}

// states are all kinds. A new kind is one entry here.
var states = slices.Concat(settingStates, temporaryStates, objectStates)

// settingStates are settings: values that SET can change.
var settingStates = []state{
	{
		name:   "nothing",
		silent: true,
		forms:  []create{{action: expr("1")}, {action: do("VALUES (1)")}, {action: expr("pg_catalog.set_config('work_mem', '3MB', true)")}, {action: expr("pg_catalog.pg_advisory_xact_lock(1)")}},
	},
	{
		name:  "setting",
		forms: settingForms("work_mem", "3MB"),
		undo:  []string{"RESET work_mem"},
	},
	{
		name:  "any setting",
		forms: anySetting(),
		undo:  []string{"RESET ALL"},
	},
	{
		name: "custom setting",
		forms: append(settingForms("app.k{k}", "ann"),
			create{action: do(`SET "App"."K{k}" = 'ann'`)},
			create{action: do(`SET app.K{k} TO DEFAULT`, `SET SESSION aPP.k{k} TO ann, bob`)}),
		looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"},
		undo:  []string{"RESET app.k{k}"},
	},
	{
		name:  "custom setting with a long name",
		forms: settingForms("app."+strings.Repeat("long", 17)+"{k}", "ann"),
		looks: []string{"SELECT pg_catalog.current_setting('app." + strings.Repeat("long", 17) + "{k}', true)",
			"SELECT pg_catalog.current_setting('app." + strings.Repeat("long", 17)[:63] + "', true)"}, // as SET cuts it
	},
	{
		name:  "custom setting with a name beyond ASCII",
		forms: settingForms("app.Ünser{k}", "Łódź"),
		looks: []string{"SELECT pg_catalog.current_setting('app.Ünser{k}', true)"},
	},
	{
		name:  "custom setting of three parts",
		forms: settingForms("app.deep.k{k}", "ann"),
		looks: []string{"SELECT pg_catalog.current_setting('app.deep.k{k}', true)"},
		undo:  []string{"RESET app.deep.k{k}"},
	},
	{
		name: "search_path",
		preparation: []string{
			"CREATE TABLE {s}.accounts (x text)", "INSERT INTO {s}.accounts VALUES ('another table')",
			"CREATE FUNCTION {s}.now() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''another function''::text'",
			"CREATE FUNCTION {s}.eq(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT NOT $1 OPERATOR(pg_catalog.=) $2'",
			"CREATE OPERATOR {s}.= (leftarg = text, rightarg = text, function = {s}.eq)",
		},
		forms: append(settingForms("search_path", "{s}, pg_catalog, public"), create{action: do("SET SCHEMA '{s}'")}),
		looks: []string{"SELECT x FROM accounts", "SELECT pg_catalog.pg_typeof(now())", "SELECT 'a'::text = 'a'::text"},
		undo:  []string{"RESET search_path"},
	},
	{
		name:  "role",
		forms: append(settingForms("role", "other"), create{action: do("SET ROLE other")}, create{action: do("SET ROLE adm", "SET session_replication_role = replica")}),
		undo:  []string{"RESET ROLE"},
	},
	{
		name:  "session authorization",
		forms: append(settingForms("session_authorization", "app"), create{action: do("SET SESSION AUTHORIZATION other")}),
		undo:  []string{"RESET SESSION AUTHORIZATION"},
		super: true,
	},
	{
		name:  "replication role",
		forms: settingForms("session_replication_role", "replica"),
		undo:  []string{"RESET session_replication_role"},
		super: true,
	},
	{
		name: "client encoding",
		forms: slices.Concat(settingForms("client_encoding", "LATIN1"), settingForms("client_encoding", "SJIS"),
			[]create{{action: do("SET NAMES 'EUC_JP'")}, {action: do("SET NAMES 'BIG5'")}, {action: do("SET NAMES 'SQL_ASCII'")}}),
		undo: []string{"RESET client_encoding"},
	},
	{
		name:  "meaning of backslashes",
		forms: settingForms("standard_conforming_strings", "off"),
		looks: []string{`SELECT 'a\\b'`},
		undo:  []string{"RESET ALL"},
	},
	{
		name:  "DateStyle",
		forms: settingForms("datestyle", "german"),
		looks: []string{"SELECT DATE '2024-02-01'"},
		undo:  []string{"RESET datestyle"},
	},
	{
		name: "time zone",
		forms: append(settingForms("timezone", "Asia/Tokyo"), create{action: do("SET TIME ZONE 'Asia/Tokyo'")},
			create{action: do("SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE")}, create{action: do("SET LOCAL TIME ZONE LOCAL", "SET TIME ZONE -3")}),
		looks: []string{"SELECT TIMESTAMPTZ 'epoch'"},
		undo:  []string{"SET TIME ZONE DEFAULT"},
	},
	{
		name: "transactions' defaults",
		forms: append(settingForms("default_transaction_isolation", "serializable"),
			create{action: do("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, DEFERRABLE")}),
		undo: []string{"RESET ALL"},
	},
	{
		name:  "temp_buffers",
		lasts: true, // rather, needs a session without temporary tables before it
		forms: settingForms("temp_buffers", "2MB"),
		undo:  []string{"RESET temp_buffers"},
	},
	{
		name: "setting of an extension",
		forms: append(settingForms("plpgsql.variable_conflict", "use_column"), create{action: expr("public.set_limit(0.5)")},
			create{action: calls("public.set_limit(real)", "0.5")}),
		undo: []string{"RESET ALL"},
	},
	{
		name:     "seed",
		survives: true,
		lasts:    true,
		forms: []create{{action: expr("pg_catalog.setseed(0.5)")}, {action: do("SET seed = 0.5")}, {action: calls("pg_catalog.setseed(double precision)", "0.5")},
			{action: expr("pg_catalog.set_config('seed', '0.5', false)")}, {action: expr("pg_catalog.setseed(pg_catalog.float8 '0.5')")},
			{action: expr("(SELECT pg_catalog.set_config(n, '0.5', false) FROM (VALUES ('seed')) AS s (n))")}},
		// The 0.5 is where the server's generator starts; its next values are recognised.
		looks: []string{"SELECT pg_catalog.array_position(CAST('{seeded}' AS pg_catalog.float8[]), pg_catalog.random())"},
	},
	{
		name:   "reset",
		silent: true,
		forms: []create{{action: do("RESET ALL")}, {action: do("DISCARD ALL")}, {action: do("DEALLOCATE ALL")}, {action: do("CLOSE ALL")},
			{action: do("UNLISTEN *")}, {action: do("DISCARD TEMP")}, {action: do("DISCARD SEQUENCES")}, {action: do("DISCARD PLANS")},
			{action: do("RESET SESSION AUTHORIZATION")}, {action: expr("pg_catalog.pg_advisory_unlock_all()")}, {action: do("DEALLOCATE lb_1")}, {action: do("RESET ROLE")}},
	},
}

// settingForms are the ways to change a setting.
func settingForms(name, value string) []create {
	quoted := literal(value)
	if name == "search_path" {
		quoted = value
	}
	return []create{
		{action: do(fmt.Sprintf("SET %s = %s", name, quoted))},
		{action: expr(fmt.Sprintf("pg_catalog.set_config(%s, %s, false)", literal(name), literal(value)))},
		{action: do(fmt.Sprintf("SET SESSION %s TO %s", name, quoted))},
		{action: calls("pg_catalog.set_config(text,text,boolean)", name, value, "f")},
		{action: expr(fmt.Sprintf("{s}.configure(%s, %s, false)", literal(name), literal(value))), super: true,
			before: []string{"CREATE FUNCTION {s}.configure(text, text, boolean) RETURNS text LANGUAGE internal AS 'set_config_by_name'"}},
		{action: do(fmt.Sprintf("UPDATE pg_catalog.pg_settings SET setting = %s WHERE name = %s", literal(value), literal(name)))},
		{action: expr(fmt.Sprintf("(SELECT pg_catalog.set_config(n, v, l) FROM (VALUES (%s, %s, false)) AS s (n, v, l))", literal(name), literal(value)))},
		{action: expr(fmt.Sprintf("{s}.put(%s, %s)", literal(name), literal(value))),
			before: []string{"CREATE FUNCTION {s}.put(text, text) RETURNS text LANGUAGE sql AS 'SELECT pg_catalog.set_config($1, $2, false)'"}},
		{action: expr(fmt.Sprintf(`pg_catalog.U&"set\005Fconfig"(%s, %s, false)`, literal(name), literal(value)))},
		{action: do(fmt.Sprintf("SET LOCAL %s = %s", name, quoted), fmt.Sprintf("SET %s = %s", name, quoted))},
	}
}

// anySetting sets one of the settings that change what a client sees.
func anySetting() (forms []create) {
	for _, s := range [][2]string{
		{"bytea_output", "escape"}, {"extra_float_digits", "-5"}, {"intervalstyle", "iso_8601"}, {"xmloption", "document"},
		{"statement_timeout", "77s"}, {"lock_timeout", "77s"}, {"idle_in_transaction_session_timeout", "77s"}, {"enable_seqscan", "off"},
		{"default_transaction_read_only", "on"}, {"row_security", "off"}, {"check_function_bodies", "off"}, {"array_nulls", "off"},
		{"transform_null_equals", "on"}, {"default_text_search_config", "pg_catalog.german"}, {"escape_string_warning", "off"},
		{"backslash_quote", "on"}, {"quote_all_identifiers", "on"}, {"jit", "off"}, {"plan_cache_mode", "force_generic_plan"},
		{"application_name", "other name"}, {"client_min_messages", "error"}, {"default_table_access_method", "heap"},
		{"bytea_output", "hex"}, {"lc_messages", "C"}, {"password_encryption", "md5"}, {"track_activities", "off"}, {"synchronous_commit", "local"},
		{"exit_on_error", "on"}, {"idle_session_timeout", "77s"}, {"dynamic_library_path", "$libdir:/nowhere"}, {"temp_tablespaces", "pg_default"},
	} {
		forms = append(forms, settingForms(s[0], s[1])[:4]...)
	}
	forms = append(forms, create{action: do("SET XML OPTION DOCUMENT")})
	return forms
}

// findState returns the state of that name.
func findState(name string) *state {
	for i := range states {
		if states[i].name == name {
			return &states[i]
		}
	}
	panic("no state " + name)
}
