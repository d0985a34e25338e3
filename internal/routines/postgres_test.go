//go:build unix

package routines

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
)

// What runs without being named in a text is found by the names that are in it. Each
// case is run by the server, which proves that it does what the reading says.
func TestScanFindsWhatRunsUnnamed(t *testing.T) {
	conn := connect(t, testpostgres.Start(t))
	run(t, conn, "CREATE FUNCTION own() RETURNS text LANGUAGE sql AS $$SELECT set_config('probe.x', 'set', false)$$")
	const runs = "CREATE FUNCTION run(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN EXECUTE $1; RETURN $1; END'; "
	for _, direct := range []bool{true, false} {
		call := "own()"
		if direct {
			call = "set_config('probe.x', 'set', false)"
		}
		for name, c := range map[string]struct{ definitions, text string }{
			"default of an argument":             {"CREATE FUNCTION f(text DEFAULT {x}) RETURNS text LANGUAGE sql AS 'SELECT $1'", "SELECT f()"},
			"default of a column":                {"CREATE TABLE t (a int, b text DEFAULT {x})", "INSERT INTO t (a) VALUES (1)"},
			"default of a domain":                {"CREATE DOMAIN d AS text DEFAULT {x}; CREATE TABLE t (a int, b d)", "INSERT INTO t (a) VALUES (1)"},
			"check of a domain":                  {"CREATE DOMAIN d AS int CHECK ({x} <> '')", "SELECT '1'::d"},
			"domain of a domain":                 {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE DOMAIN e AS d", "SELECT CAST(1 AS e)"},
			"array of a domain":                  {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE TABLE t (a d[])", "INSERT INTO t VALUES ('{1}')"},
			"composite type":                     {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE TYPE c AS (a d); CREATE TABLE t (a c)", "INSERT INTO t VALUES ('(1)')"},
			"array of a composite type":          {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE TYPE c AS (a d); CREATE TABLE t (a c[])", "INSERT INTO t VALUES ('{(1)}')"},
			"range of a domain":                  {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE TYPE r AS RANGE (subtype = d); CREATE TABLE t (a r)", "INSERT INTO t VALUES ('[1,2)')"},
			"row of a table":                     {"CREATE TABLE u (a int, b text DEFAULT 'x' CHECK (TRUE)); CREATE DOMAIN d AS int CHECK ({x} <> ''); ALTER TABLE u ALTER a TYPE d", "SELECT json_populate_record(NULL::u, '{\"a\": 1}')"},
			"type of an argument":                {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE FUNCTION f(d) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'", "SELECT f(1)"},
			"type of a result":                   {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE FUNCTION f() RETURNS d LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'", "SELECT f()"},
			"type of an output":                  {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE FUNCTION f(OUT a d, OUT b int) LANGUAGE sql AS 'SELECT 1, 2'", "SELECT f()"},
			"type of a procedure's output":       {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE PROCEDURE p(INOUT a d DEFAULT 1) LANGUAGE plpgsql AS 'BEGIN a := 2; END'", "CALL p()"},
			"type of a variable":                 {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'DECLARE v d := 1; BEGIN END'", "SELECT f()"},
			"cast in a view":                     {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE VIEW v AS SELECT CAST(random() AS d) AS a", "SELECT a FROM v"},
			"cast in a default":                  {"CREATE DOMAIN d AS int CHECK ({x} <> ''); CREATE TABLE t (a int, b int DEFAULT random()::d)", "INSERT INTO t (a) VALUES (1)"},
			"text in a view":                     {runs + "CREATE VIEW v AS SELECT run('SELECT {q}') AS a", "TABLE v"},
			"text in a default":                  {runs + "CREATE TABLE t (a int, b text DEFAULT run('SELECT {q}'))", "INSERT INTO t (a) VALUES (1)"},
			"text in a check":                    {runs + "CREATE DOMAIN d AS int CHECK (run('SELECT {q}') <> '')", "SELECT 1::d"},
			"text in a default of an argument":   {runs + "CREATE FUNCTION f(text DEFAULT run('SELECT {q}')) RETURNS text LANGUAGE sql AS 'SELECT $1'", "SELECT f()"},
			"text in a standard body":            {runs + "CREATE FUNCTION f() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT run('SELECT {q}'); END", "SELECT f()"},
			"text in an argument of a trigger":   {"CREATE TABLE t (a int); CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN EXECUTE TG_ARGV[0]; RETURN NULL; END'; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g('SELECT {q}')", "INSERT INTO t VALUES (1)"},
			"view of a view":                     {"CREATE VIEW w AS SELECT {x} AS a; CREATE VIEW v AS SELECT * FROM w", "TABLE v"},
			"rule":                               {"CREATE TABLE t (a int); CREATE RULE r AS ON DELETE TO t DO INSTEAD SELECT {x}", "DELETE FROM t"},
			"policy with a subquery":             {"CREATE TABLE t AS SELECT 1 AS a; CREATE VIEW v AS SELECT {x} AS a; CREATE POLICY p ON t USING (EXISTS (SELECT a FROM v)); ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE ROLE r_{n}; GRANT SELECT ON t, v TO r_{n}; ALTER TABLE t OWNER TO r_{n}; ALTER VIEW v OWNER TO r_{n}; SET ROLE r_{n}", "SELECT a FROM t"},
			"standard body":                      {"CREATE FUNCTION f() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT {x}; END", "SELECT f()"},
			"condition of a trigger":             {"CREATE TABLE t (a int); CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW WHEN ({x} <> '') EXECUTE FUNCTION g()", "COPY t FROM PROGRAM 'echo 1'"},
			"transition table":                   {"CREATE TABLE t (a int); CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM {q}, count(*) FROM n; RETURN NULL; END'; CREATE TRIGGER g AFTER INSERT ON t REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION g()", "INSERT INTO t VALUES (1)"},
			"foreign key that cascades":          {"CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE t (a int REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1); INSERT INTO t VALUES (1); CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM {q}; RETURN OLD; END'; CREATE TRIGGER g BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION g()", "DELETE FROM p"},
			"partition":                          {"CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE t PARTITION OF p (CHECK ({x} <> '')) DEFAULT", "INSERT INTO p VALUES (1)"},
			"aggregate":                          {"CREATE FUNCTION f(text, int) RETURNS text LANGUAGE sql AS 'SELECT {q}'; CREATE AGGREGATE g(int) (sfunc = f, stype = text)", "SELECT g(1) OVER ()"},
			"operator":                           {"CREATE FUNCTION f(int, int) RETURNS text LANGUAGE sql AS 'SELECT {q}'; CREATE OPERATOR @@@ (leftarg = int, rightarg = int, function = f)", "SELECT 1 @@@ 2"},
			"attribute":                          {"CREATE TABLE t AS SELECT 1 AS a; CREATE FUNCTION f(t) RETURNS text LANGUAGE sql AS 'SELECT {q}'", "SELECT t.f FROM t"},
			"attribute of a scalar":              {"CREATE FUNCTION f(text) RETURNS text LANGUAGE sql AS 'SELECT {q}'", "SELECT ('a'::text).f"},
			"event trigger":                      {"CREATE FUNCTION g() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM {q}; END'; CREATE EVENT TRIGGER e_{n} ON ddl_command_start EXECUTE FUNCTION g()", "CREATE TABLE t (a int)"},
			"event trigger of a temporary table": {"CREATE FUNCTION g() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM {q}; END'; CREATE EVENT TRIGGER e_{n} ON ddl_command_end EXECUTE FUNCTION g()", "CREATE TEMP TABLE t (a int)"},
			"name of several words":              {`CREATE FUNCTION "my ""own"".f's"() RETURNS text LANGUAGE sql AS 'SELECT {q}'`, `SELECT "my ""own"".f's"()`},
			"name beyond ASCII":                  {`CREATE FUNCTION "Übung Łódź"() RETURNS text LANGUAGE sql AS 'SELECT {q}'`, `SELECT "Übung Łódź"()`},
			"long name beyond ASCII":             {`CREATE FUNCTION füüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü() RETURNS text LANGUAGE sql AS 'SELECT {q}'`, `SELECT füüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü()`},
			"name in a literal":                  {`CREATE FUNCTION "f's"() RETURNS text LANGUAGE sql AS 'SELECT {q}'`, `DO $$BEGIN EXECUTE 'SELECT "f''s"()'; END$$`},
			"name in dollar quotes":              {`CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT {q}'; CREATE FUNCTION c(text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE 'SELECT ' || $1 || '()'; END$$`, `SELECT c($$f$$)`},
			"name with escapes":                  {`CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT {q}'`, `SELECT U&"!0066" UESCAPE '!' ()`},
			"very long source":                   {`DO $d$BEGIN EXECUTE 'CREATE FUNCTION f() RETURNS text LANGUAGE sql AS ' || quote_literal('SELECT 1;' || repeat(' ', 1100000) || 'SELECT {q}'); END$d$`, `SELECT f()`},
			"copy of a setter":                   {`CREATE FUNCTION f(text, text, boolean) RETURNS text LANGUAGE internal AS 'set_config_by_name'`, `SELECT f('probe.x', 'set', false)`},
		} {
			t.Run(name, func(t *testing.T) {
				fill := strings.NewReplacer("{x}", call, "{q}", strings.ReplaceAll(call, "'", "''"), "{n}", call[:3]+strings.ReplaceAll(name, " ", "_")).Replace
				run(t, conn, "RESET ROLE")
				run(t, conn, "DISCARD ALL")
				for _, trigger := range run(t, conn, "SELECT evtname FROM pg_event_trigger") {
					run(t, conn, "DROP EVENT TRIGGER "+trigger)
				}
				run(t, conn, "DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s; GRANT ALL ON SCHEMA s TO PUBLIC; SET search_path = s, public")
				run(t, conn, fill(c.definitions))
				r := scan(t, conn).Read([]byte(c.text))
				run(t, conn, "SET probe.x = ''")
				run(t, conn, c.text)
				if got := run(t, conn, "SELECT current_setting('probe.x')"); got[0] != "set" {
					t.Errorf("the server has not set it, so that the case shows nothing")
				}
				if r.Impact&(Configures|Unknown) == 0 || !slices.Contains(r.Custom, "probe.x") && !strings.HasPrefix(name, "very long") && !strings.HasPrefix(name, "copy") {
					t.Errorf("impact %b, settings %q", r.Impact, r.Custom)
				}
			})
		}
	}
}

// Functions of PostgreSQL's own and of extensions that run text, or keep something, are
// found in any place of a text.
func TestScanFindsFunctionsThatRunText(t *testing.T) {
	conn := connect(t, testpostgres.Start(t))
	run(t, conn, "CREATE EXTENSION tablefunc; CREATE EXTENSION isn; CREATE EXTENSION citext; CREATE EXTENSION pg_trgm; CREATE TABLE t (a citext)")
	n := scan(t, conn)
	for text, want := range map[string]Impact{
		"SELECT * FROM crosstab3('SELECT 1, 2, setseed(0.5)')":                           Unknown,
		"SELECT ('SELECT to_tsvector(set_config(''a.b'', ''c'', false))'::text).ts_stat": Unknown,
		"SELECT isn_weak(true)":                                  Unknown | Loads,
		"SELECT ('x'::text).pg_replication_origin_session_setup": Unknown | Loads,
		"SELECT a, similarity(a, 'x') FROM t WHERE a = 'x'":      0,
		"INSERT INTO t VALUES ('x')":                             0,
	} {
		if got := n.Read([]byte(text)).Impact & (Unknown | Loads); got != want {
			t.Errorf("%s: impact %b, want %b", text, got, want)
		}
	}
}

// scan returns the names of the database.
func scan(t *testing.T, conn *pgconn.PgConn) *Names {
	t.Helper()
	sql, _ := new(Catalog).Query()
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var definitions []Definition
	for _, row := range results[len(results)-1].Rows[1:] {
		definitions = append(definitions, Definition{string(row[0]), string(row[1]), string(row[2])})
	}
	return newNames(definitions, "")
}

// run runs sql and returns the first column of its last result.
func run(t *testing.T, conn *pgconn.PgConn, sql string) (column []string) {
	t.Helper()
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for _, row := range results[len(results)-1].Rows {
		column = append(column, string(row[0]))
	}
	return column
}

func connect(t *testing.T, server *postgres.Server) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), "host="+server.SocketDir()+" port=5432 dbname=postgres sslmode=disable user="+postgres.Admin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}
