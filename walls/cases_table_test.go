package walls_test

// namedCases are the ways that are no composition.
var namedCases = []namedCase{
	{name: "A's tables, functions and operators answer B", looks: []string{"SELECT x FROM accounts", "SELECT 'a'::text = 'a'::text", "SELECT a FROM mine"}, lines: `
		A: CREATE FUNCTION {s}.eq(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT FALSE'
		A: CREATE OPERATOR {s}.= (leftarg = text, rightarg = text, function = {s}.eq)
		A: CREATE TABLE {s}.accounts AS SELECT 'another table' AS x
		A: SET search_path = {s}, pg_catalog, public
		A: CREATE TEMP TABLE mine AS SELECT 1 AS a
		B?
		A?
		A-
		B?`},
	{name: "the operator of an inspection is A's", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: `
		A: CREATE FUNCTION {s}.eq(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT FALSE'
		A: CREATE FUNCTION {s}.ne(oid, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT FALSE'
		A: CREATE OPERATOR {s}.= (leftarg = text, rightarg = text, function = {s}.eq)
		A: CREATE OPERATOR {s}.<> (leftarg = oid, rightarg = int, function = {s}.ne)
		A: SET search_path = {s}, pg_catalog, public; SET app.k{k} = 'ann'; SELECT pg_catalog.pg_advisory_lock(1); CREATE TEMP TABLE mine (a int)
		B?
		A?`},
	{name: "a temporary table where there has been one", lines: `
		B: CREATE TEMP TABLE mine (a int); DROP TABLE mine
		A> s: SELECT x FROM accounts
		A! s
		A: CREATE TEMP TABLE accounts (x text)
		A! s`},
	{name: "temporary tables of two transactions", lines: `
		A> s: SELECT x FROM accounts
		B> s: SELECT x FROM accounts
		A! s
		A: BEGIN; CREATE TEMP TABLE accounts (x text) ON COMMIT DROP
		A! s
		A: COMMIT
		B! s
		A: BEGIN; CREATE TEMP TABLE accounts (x text) ON COMMIT DROP
		A! s
		A: COMMIT
		B! s
		A: BEGIN; CREATE TEMP TABLE accounts (x text)
		A! s
		A: DROP TABLE accounts; COMMIT
		B! s
		A: BEGIN; CREATE TEMP TABLE accounts (x text)
		A! s
		A: COMMIT`},
	{name: "an unnamed statement whose function B replaces", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: `
		A: CREATE FUNCTION {s}.f() RETURNS text LANGUAGE sql AS 'SELECT ''ann'''
		A: SELECT 1
		A> : SELECT {s}.f()
		A!
		B: CREATE OR REPLACE FUNCTION {s}.f() RETURNS text LANGUAGE sql AS 'SELECT pg_catalog.set_config(''app.k{k}'', ''eve'', false)'
		B: SELECT 1
		A!
		B?
		A?`},
	{name: "statements that B deallocates", refuses: true, lines: `
		A> mine: SELECT 7
		A! mine
		B: DEALLOCATE lb_1
		A! mine
		A! mine`},
	{name: "statements that B deallocates by the extended protocol", refuses: true, lines: `
		A> mine: SELECT 7
		A! mine
		B= DEALLOCATE lb_1
		A! mine`},
	{name: "statements that B deallocates in a block", lines: `
		A> mine: SELECT 7
		B: DO $$BEGIN EXECUTE 'DEALLOCATE ALL'; END$$
		A! mine
		A! mine`},
	{name: "statements that B deallocates in a function", lines: `
		A> mine: SELECT 7
		B: CREATE FUNCTION {s}.f() RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE 'DEALL' || 'OCATE ALL'; END$$
		B: SELECT {s}.f()
		A! mine
		A! mine`},
	{name: "statements that B executes by the proxy's name", refuses: true, lines: `
		A> mine: SELECT x FROM accounts
		A! mine
		B: EXECUTE lb_1
		B: SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements WHERE name = 'mine'`},
	{name: "statements that B finds and deallocates", lines: `
		A> mine: SELECT 7
		A! mine
		B: DO $$DECLARE n text; BEGIN FOR n IN SELECT name FROM pg_catalog.pg_prepared_statements LOOP EXECUTE format('DEALLOCATE %I', n); END LOOP; END$$
		A! mine
		A! mine`},
	{name: "a statement prepared behind DEALLOCATE ALL", refuses: true, lines: `
		A> s: SELECT 6
		A| u: SELECT 7 / DEALLOCATE ALL / t: SELECT 8
		A! t
		A! s`},
	{name: "backslashes that hide a SET", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: `
		A: SET standard_conforming_strings = off
		A: SELECT 'a\''; SET app.k{k} = 'eve' --'
		B?
		A?`},
	{name: "a string that ends where only the server sees it", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: `
		A: SET standard_conforming_strings = off; SELECT 'x\'; SELECT pg_catalog.set_config('app.k{k}', 'eve', false); --'
		B?
		A?`},
	{name: "half a letter of SJIS that hides a SET", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: "" +
		"A+ client_encoding=SJIS\n" +
		"A: SET standard_conforming_strings = off\n" +
		"A: SELECT '\x83\\'; SET app.k{k} = 'eve' --'\n" +
		"A: SET client_encoding = 'UTF8'\n" +
		"B?\n" +
		"A?"},
	{name: "LATIN1 and back", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: "" +
		"A: SET client_encoding = 'LATIN1'\n" +
		"A: SET app.k{k} = 'd\xe9j\xe0'\n" +
		"B?\n" +
		"A?\n" +
		"A: SET client_encoding = 'UTF8'\n" +
		"B?\n" +
		"A?"},
	{name: "a name beyond ASCII in LATIN1", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: "" +
		"A+ client_encoding=LATIN1\n" +
		"A: CREATE FUNCTION {s}.\xfcber() RETURNS text LANGUAGE sql AS 'SELECT pg_catalog.set_config(''app.k{k}'', ''\xfc'', false)'\n" +
		"A: SELECT {s}.\xfcber()\n" +
		"B?\n" +
		"A?"},
	{name: "a setting with a name beyond ASCII and an encoding, in one block", looks: []string{`SELECT COALESCE(pg_catalog.current_setting(E'app.\u00DCnser{k}', true), '')`}, lines: `
		A: DO $$BEGIN PERFORM pg_catalog.set_config('app.Ünser{k}', 'ann', false); SET NAMES 'EUC_JP'; END$$
		B?
		A?
		A: SET NAMES 'LATIN1'
		B?
		A?`},
	{name: "a setting with a name in LATIN1, and another encoding", looks: []string{`SELECT COALESCE(pg_catalog.current_setting(E'app.\u00FCnser{k}', true), '')`}, lines: "" +
		"A+ client_encoding=LATIN1\n" +
		"A: SET app.\xfcnser{k} = 'ann'\n" +
		"A: SET client_encoding = 'UTF8'\n" +
		"A?\n" +
		"A-\n" +
		"B?"},
	{name: "a function with a comment that LATIN1 lacks", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: `
		C: CREATE FUNCTION {s}.f() RETURNS text LANGUAGE sql AS 'SELECT /* Łódź */ pg_catalog.set_config(''app.k{k}'', ''eve'', false)'
		C-
		reconnect
		A+ client_encoding=LATIN1
		A: SELECT 1
		A: SELECT {s}.f()
		B?
		A?`},
	{name: "B logs in with LATIN1, A has a setting beyond it", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: `
		A: SET app.k{k} = 'Łódź'
		B+ client_encoding=LATIN1
		B: SELECT 1
		A?
		B: SELECT 2
		A?`},
	{name: "B logs in with LATIN1, A has a search_path beyond it", lines: `
		A: SET search_path = "Łódź", public
		B+ client_encoding=LATIN1
		B: SELECT 1
		A?
		B?
		A?`},
	{name: "a setting that the new client encoding lacks", looks: []string{"SELECT pg_catalog.convert_to(COALESCE(pg_catalog.current_setting('app.k{k}', true), ''), 'UTF8')"}, lines: `
		A: SET app.k{k} = 'Łódź'; SELECT 1
		A: SET client_encoding = 'LATIN1'
		A: SELECT 2
		B: SELECT 3
		A?`},
	{name: "an application_name in LATIN1", lines: "A+ client_encoding=LATIN1; application_name=\xe9\nA: SELECT 1\nB: SELECT 2\nA?"},
	{name: "a setting in LATIN1 sent at login", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: "" +
		"A+ client_encoding=LATIN1; options=-c app.k{k}=\xe9\nA: SELECT 1\nB: SELECT 2\nA?"},
	{name: "a role that new sessions have", role: member, looks: []string{"SELECT current_user"}, lines: `
		A: SELECT 1
		B?
		A: SET ROLE NONE
		B?
		A?
		A: RESET ROLE
		B?
		A?
		A: SET ROLE adm
		B?
		A?
		reconnect
		A?
		A: DISCARD ALL
		B?
		A?`},
	{name: "a role that new sessions have, in hidden text", role: member, looks: []string{"SELECT current_user"}, lines: `
		A: DO $$BEGIN EXECUTE 'SET ' || 'ROLE NONE'; END$$
		B?
		A?
		A: DO $$BEGIN EXECUTE 'RESET ' || 'ROLE'; END$$
		B?
		A?`},
	{name: "a role that new sessions have, after a client that was pinned", role: member, looks: []string{"SELECT current_user"}, lines: `
		A: CREATE TEMP TABLE mine (a int)
		A-
		B?
		B: SET ROLE NONE; SELECT pg_catalog.pg_advisory_lock(1)
		B-
		A?`},
	{name: "a time limit of the role", role: hurried, looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: `
		C+ options=-c statement_timeout=0
		C: DO $$BEGIN FOR i IN 1..3000 LOOP EXECUTE 'CREATE FUNCTION {s}.f' || i || '() RETURNS text LANGUAGE sql AS ''SELECT pg_catalog.set_config(''''app.k{k}'''', ''''eve'''', false)'''; END LOOP; END$$
		C-
		reconnect
		A+ options=-c statement_timeout=0
		A: SELECT 1
		A: SELECT {s}.f7()
		B+ options=-c statement_timeout=0
		B?
		A?`},
	{name: "temp_buffers of a client on a server connection that has had temporary tables", lines: `
		A: SET temp_buffers = '2MB'
		reconnect
		B: CREATE TEMP TABLE t (a int); DROP TABLE t
		A: SELECT 1
		A?
		B: SELECT 2`},
	{name: "a setting that only the role may change", lines: `
		A: SET ROLE adm
		A: SET session_replication_role = replica
		B: SELECT 1
		A: SELECT 2
		A?
		B?`},
	{name: "a table that B changes", refuses: true, lines: `
		A: CREATE TABLE {s}.t AS SELECT 1 AS a, 'b' AS b
		A> s: SELECT * FROM {s}.t
		A! s
		B: ALTER TABLE {s}.t DROP COLUMN b, ADD COLUMN c int DEFAULT 77
		A! s
		A! s`},
	{name: "a table that B changes, on a new server connection", refuses: true, lines: `
		A: CREATE TABLE {s}.t AS SELECT 1 AS a, 'b' AS b
		A> s: SELECT * FROM {s}.t
		A! s
		B: ALTER TABLE {s}.t DROP COLUMN b, ADD COLUMN c int DEFAULT 77
		reconnect
		A! s
		A! s`},
	{name: "a notification to itself", lines: `
		A: LISTEN c{n}
		A: NOTIFY c{n}, 'hello'
		A: SELECT 1
		B: SELECT 1
		A?`},
	{name: "currval after the error that announced it", looks: []string{"SELECT pg_catalog.currval('{s}.q')"}, lines: `
		A: CREATE SEQUENCE {s}.q
		A: SELECT pg_catalog.nextval('{s}.q')
		A?
		A: SELECT pg_catalog.currval('{s}.q')
		A: SELECT pg_catalog.lastval()`},
	{name: "currval that fails within a transaction", looks: []string{"SELECT pg_catalog.currval('{s}.q')", "SELECT 1", "SELECT 1/0"}, lines: `
		A: CREATE SEQUENCE {s}.q
		A: SELECT pg_catalog.nextval('{s}.q')
		B: SELECT pg_catalog.nextval('{s}.q')
		A: BEGIN
		A?`},
	{name: "a name that each Parse cuts", lines: "" +
		"A> s: SELECT 1 AS flonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong\n" +
		"A> t: SELECT 1 AS flonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong\n" +
		"B> t: SELECT 1 AS flonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong\n" +
		"A! t\n"},
	{name: "currval of a sequence that another client has used", refuses: true, looks: []string{"SELECT pg_catalog.currval('{s}.q')"}, lines: `
		A: CREATE SEQUENCE {s}.q
		A: SELECT pg_catalog.nextval('{s}.q')
		B: SELECT pg_catalog.currval('{s}.q')
		B: SELECT pg_catalog.currval('{s}.q')
		B: SELECT pg_catalog.lastval()`},
	{name: "all at once in one Query", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: `
		A: CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS $$SELECT pg_catalog.pg_advisory_lock(3)::text || pg_catalog.set_config('app.k{k}', 'eve', false) || pg_catalog.set_config('search_path', 'walls', false)$$; SELECT pg_temp.f(); DROP FUNCTION pg_temp.f()
		B?
		A?`},
	{name: "defined, used and dropped in one transaction", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: `
		A: BEGIN
		A: CREATE FUNCTION {s}.f() RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE 'CREATE TEMP TABLE mine (a int)'; PERFORM pg_catalog.pg_advisory_lock(3); RETURN pg_catalog.set_config('app.k{k}', 'eve', false); END$$
		A: SELECT {s}.f()
		A: DROP FUNCTION {s}.f()
		A: COMMIT
		B?
		A?`},
	{name: "a setting that Postgres refuses at login", refuses: true, lines: `
		A+ options=-c work_mem=much
		B: SELECT 1
		C: SELECT 2`},
	{name: "a setting that Postgres refuses to the role at login", lines: `
		A+ options=-c session_replication_role=replica
		B: SELECT 1
		C: SELECT 2`},
	{name: "a client encoding that Postgres refuses", lines: `
		A+ client_encoding=MULE_INTERNAL
		A: SELECT 0
		B: SELECT 1
		C: SELECT 2`},
	{name: "a setting whose name is no literal, after a temporary replication slot", lines: `
		A: SELECT (pg_catalog.pg_create_physical_replication_slot('w{n}', true, true)).slot_name
		A: SELECT pg_catalog.set_config(n, 'german', false) FROM (VALUES ('datestyle')) AS s (n)
		A?
		A-
		B?`},
	{name: "hidden text of a superuser after a scan by a client with another session user", role: superuser, looks: []string{"SELECT pg_catalog.pg_replication_origin_session_is_setup()"}, lines: `
		A: SELECT pg_catalog.pg_replication_origin_create('w{n}') IS NOT NULL
		A: SET SESSION AUTHORIZATION app
		A: CREATE FUNCTION {s}.f() RETURNS int LANGUAGE sql AS 'SELECT 7'
		A: SELECT {s}.f()
		A-
		B: SELECT pg_catalog.query_to_xml('SELECT pg_catalog.pg_replication_origin_session_setup(''w{n}'')', false, false, '')
		B?
		B-
		C?
		C: SELECT pg_catalog.pg_replication_origin_drop('w{n}')`},
	{name: "an update of a view over pg_settings", looks: []string{"SELECT pg_catalog.current_setting('work_mem')"}, lines: `
		A: CREATE VIEW {s}.v AS SELECT * FROM pg_catalog.pg_settings
		A: UPDATE {s}.v SET setting = '3MB' WHERE name = 'work_mem'
		B?
		A?`},
	{name: "the format of a SET", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: `
		A: CREATE FUNCTION {s}.f(k text, v text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE format('SET app.%I = %L', k, v); END$$
		A: SELECT {s}.f('k{k}', 'ann')
		B?
		A?`},
	{name: "the concatenation of a SET", looks: []string{"SELECT pg_catalog.current_setting('app.k{k}', true)"}, lines: `
		A: CREATE FUNCTION {s}.f(k text, v text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE 'SET ' || k || ' = ' || quote_literal(v); END$$
		A: SELECT {s}.f('app.k{k}', 'ann')
		B?
		A?`},
	{name: "the concatenation of LISTEN and of CREATE TEMP TABLE", lines: `
		A: DO $$BEGIN EXECUTE 'LIS' || 'TEN c{n}'; EXECUTE 'create ' || 'temp table mine (a int)'; END$$
		B?
		A?`},
}

// partCases are the ways that are one change of state.
var partCases = []partCase{
	caseOf("set_config by its object ID", "custom setting", 3),
	caseOf("session_authorization by the object ID of set_config", "session authorization", 3),
	caseOf("an advisory lock by the object ID of its function", "advisory lock", 5),
	caseOf("set_config in a view", "custom setting", 1, "view"),
	caseOf("set_config in a default", "custom setting", 1, "default"),
	caseOf("set_config in a check", "custom setting", 1, "check"),
	caseOf("set_config in a rule", "custom setting", 1, "rule"),
	caseOf("set_config in the default of an argument", "custom setting", 1, "default of an argument"),
	caseOf("set_config in an event trigger", "custom setting", 1, "event trigger"),
	caseOf("set_config in an aggregate", "custom setting", 1, "aggregate"),
	caseOf("set_config in an operator", "custom setting", 1, "operator"),
	caseOf("set_config in a cast", "custom setting", 1, "implicit cast"),
	caseOf("set_config in a domain", "custom setting", 1, "domain"),
	caseOf("set_config in the domain of a column", "custom setting", 1, "domain of a column"),
	caseOf("set_config in a function with a quoted name", "custom setting", 1, "function with a quoted name"),
	caseOf("set_config in a function called by escapes", "custom setting", 1, "function called by escapes"),
	caseOf("set_config in query_to_xml", "custom setting", 1, "query_to_xml"),
	caseOf("set_config in ts_stat", "custom setting", 1, "ts_stat"),
	caseOf("set_config of a column in ts_stat", "custom setting with a long name", 6, "ts_stat"),
	caseOf("set_config of a column in query_to_xml", "custom setting", 6, "query_to_xml"),
	caseOf("set_config of a column in a view over crosstab", "custom setting", 6, "crosstab", "view", "past the proxy"),
	caseOf("set_config of a column that is seed", "seed", 5),
	caseOf("set_config of a column that is seed, in ts_stat", "seed", 5, "ts_stat"),
	caseOf("a custom setting with a long name", "custom setting with a long name", 0),
	caseOf("a custom setting with a long name in a view over crosstab", "custom setting with a long name", 0, "crosstab", "view", "past the proxy"),
	caseOf("a custom setting in a view over crosstab", "custom setting", 0, "crosstab", "view", "past the proxy"),
	caseOf("set_config of a long name", "custom setting with a long name", 1),
	caseOf("set_config of a name beyond ASCII", "custom setting with a name beyond ASCII", 1),
	caseOf("SET seed", "seed", 1),
	caseOf("setseed in ts_stat", "seed", 0, "ts_stat"),
	caseOf("setseed in query_to_xml", "seed", 0, "query_to_xml"),
	caseOf("setseed in ts_rewrite", "seed", 0, "ts_rewrite"),
	caseOf("setseed in crosstab", "seed", 0, "crosstab"),
	caseOf("a temporary collation", "temporary collation", 0),
	caseOf("a temporary operator", "temporary operator", 0),
	caseOf("a temporary text search configuration", "temporary text search object", 0),
	caseOf("a temporary replication slot", "temporary replication slot", 0),
	caseOf("a replication origin", "replication origin", 0),
	caseOf("a connection of dblink", "connection of dblink", 0),
	caseOf("a connection of dblink in a view", "connection of dblink", 0, "view"),
	caseOf("an unnamed connection of dblink in a view", "connection of dblink", 4, "view"),
	caseOf("a connection of dblink in a domain", "connection of dblink", 0, "domain"),
	caseOf("a library", "library", 0),
	caseOf("set_limit of pg_trgm in a view", "setting of an extension", 10, "view"),
	caseOf("set_limit of pg_trgm in a domain", "setting of an extension", 10, "domain"),
	caseOf("a variable of a language that the same Query creates", "variable of PL/Perl", 1, "transaction in one Query"),
	caseOf("a variable of a language in a function of the same transaction", "variable of PL/Perl", 0, "transaction"),
	caseOf("a function of one transaction that sets a custom setting", "custom setting", 1, "function in PL/pgSQL", "transaction"),
	caseOf("a function of one transaction that sets search_path", "search_path", 1, "function in PL/pgSQL", "transaction"),
	caseOf("a function of one transaction that creates a temporary table", "temporary table", 0, "function in PL/pgSQL", "transaction"),
	caseOf("a function of one transaction that locks", "advisory lock", 0, "function in PL/pgSQL", "transaction"),
	caseOf("a function of one Query that sets a custom setting", "custom setting", 1, "function in PL/pgSQL", "one Query", "dropped"),
	caseOf("a function of one Query that locks", "advisory lock", 0, "function in PL/pgSQL", "one Query", "dropped"),
}
