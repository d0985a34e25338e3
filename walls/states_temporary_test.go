package walls_test

// temporaryStates are objects of the schema pg_temp.
var temporaryStates = []state{
	{
		name: "temporary table",
		forms: []create{
			{action: do("CREATE TEMP TABLE t{n} AS SELECT 7 AS a")},
			{action: do("CREATE TABLE pg_temp.t{n} AS SELECT 7 AS a")},
			{action: do("CREATE LOCAL TEMPORARY TABLE t{n} (a int)", "INSERT INTO t{n} VALUES (7)")},
			{action: do("SELECT 7 AS a INTO TEMP t{n}")},
			{action: do("SET LOCAL search_path = pg_temp", "CREATE TABLE t{n} AS SELECT 7 AS a")},
			{action: do("CREATE TEMP TABLE IF NOT EXISTS t{n} (a int) ON COMMIT DELETE ROWS")},
			{action: do("CREATE UNLOGGED TABLE {s}.t{n} (a int)", "CREATE TEMP TABLE t{n} (LIKE {s}.t{n})")},
			{action: do("CREATE TEMP TABLE t{n} (a int) ON COMMIT DROP")},
			{action: do(`CREATE TABLE U&"pg\005Ftemp".t{n} AS SELECT 7 AS a`)},
			{action: do("CREATE TEMP TABLE accounts AS SELECT 'a temporary table' AS x")}, // hides the public one
			{action: do("SET search_path = pg_temp, public", "CREATE TABLE t{n} AS SELECT 7 AS a")},
		},
		looks: []string{"SELECT * FROM pg_temp.t{n}", "SELECT * FROM t{n}", "SELECT x FROM accounts"},
		undo:  []string{"DROP TABLE pg_temp.t{n}"},
	},
	{
		name: "temporary view",
		forms: []create{
			{action: do("CREATE TEMP VIEW t{n} AS SELECT 7 AS a")},
			{action: do("CREATE VIEW pg_temp.t{n} AS SELECT 7 AS a")},
			{action: do("CREATE TEMP TABLE o{n} (a int)", "CREATE VIEW t{n} AS SELECT * FROM o{n}")},
			{action: do("CREATE TEMP RECURSIVE VIEW t{n} (a) AS SELECT 7")},
		},
		looks: []string{"SELECT * FROM t{n}"},
	},
	{
		name:  "temporary sequence",
		forms: []create{{action: do("CREATE TEMP SEQUENCE t{n}")}, {action: do("CREATE SEQUENCE pg_temp.t{n}")}, {action: do("CREATE TEMP TABLE o{n} (a int GENERATED ALWAYS AS IDENTITY)")}},
		looks: []string{"SELECT last_value FROM t{n}"},
	},
	{
		name: "temporary function",
		forms: []create{
			{action: do("CREATE FUNCTION pg_temp.t{n}() RETURNS int LANGUAGE sql AS 'SELECT 7'")},
			{action: do("CREATE PROCEDURE pg_temp.t{n}() LANGUAGE sql AS 'SELECT 7'")},
			{action: do("CREATE AGGREGATE pg_temp.t{n}(int) (sfunc = pg_catalog.int4pl, stype = int)")},
		},
		looks: []string{"SELECT pg_temp.t{n}()"},
		undo:  []string{"DROP ROUTINE pg_temp.t{n}"},
	},
	{
		name: "temporary type",
		forms: []create{
			{action: do("CREATE TYPE pg_temp.t{n} AS ENUM ('a')")},
			{action: do("CREATE DOMAIN pg_temp.t{n} AS text")},
			{action: do("CREATE TYPE pg_temp.t{n} AS (a int)")},
			{action: do("CREATE TYPE pg_temp.t{n} AS RANGE (subtype = int)")},
		},
		looks: []string{"SELECT CAST(NULL AS t{n})"},
		undo:  []string{"DROP TYPE pg_temp.t{n}"},
	},
	{
		name:  "temporary operator",
		forms: []create{{action: do("CREATE OPERATOR pg_temp.=== (leftarg = text, rightarg = text, function = pg_catalog.texteq)")}},
		looks: []string{"SELECT 'a'::text OPERATOR(pg_temp.===) 'b'::text"},
	},
	{
		name:  "temporary collation",
		forms: []create{{action: do(`CREATE COLLATION pg_temp.t{n} FROM "C"`)}},
		looks: []string{"SELECT 'a' COLLATE t{n}"},
	},
	{
		name: "temporary text search object",
		forms: []create{
			{action: do("CREATE TEXT SEARCH CONFIGURATION pg_temp.t{n} (copy = pg_catalog.simple)")},
			{action: do("CREATE TEXT SEARCH DICTIONARY pg_temp.t{n} (template = pg_catalog.simple)")},
		},
		looks: []string{"SELECT pg_catalog.to_tsvector('pg_temp.t{n}', 'a')"},
	},
	{
		name: "temporary conversion",
		forms: []create{
			{action: do("CREATE CONVERSION pg_temp.t{n} FOR 'LATIN1' TO 'UTF8' FROM pg_catalog.iso8859_1_to_utf8")},
			{action: do("CREATE DEFAULT CONVERSION pg_temp.t{n} FOR 'UTF8' TO 'LATIN1' FROM pg_catalog.utf8_to_iso8859_1")},
		},
		super: true,
	},
	{
		name: "temporary operator family",
		forms: []create{
			{action: do("CREATE OPERATOR FAMILY pg_temp.t{n} USING btree")},
			{action: do("CREATE OPERATOR CLASS pg_temp.t{n} FOR TYPE int USING hash AS OPERATOR 1 pg_catalog.=, FUNCTION 1 pg_catalog.hashint4(int)")},
		},
		super: true,
	},
	{
		name: "temporary statistics",
		forms: []create{{action: do("CREATE STATISTICS pg_temp.t{n} ON a, b FROM {s}.plain{n}"),
			before: []string{"CREATE TABLE {s}.plain{n} (a int, b int)"}}},
	},
	{
		name:  "temporary foreign table",
		forms: []create{{action: do("CREATE FOREIGN TABLE pg_temp.t{n} (datname name) SERVER far")}},
		super: true,
	},
}
