//go:build unix

package routines

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
)

var texts = flag.Int("texts", 10000, "number of random texts that TestPlainTextsLeaveNothing reads")

// unscanned are names of functions and views that leave something in the session, and
// that the scan has not seen: only their position in a text shows that they are used.
// Most are words with a meaning in the syntax.
var unscanned = strings.Fields("f v set key materialized conflict sets varying by insert return get explain filter over partition " +
	"copy merge update delete begin do execute prepare declare close fetch move values_ rows range groups within ordinality only_ " +
	"temp recursive cascade no action value type of at zone first last next row_ increment cache cycle owned start restart " +
	"match simple full_ partial matched nothing nulls ties others exclude current following preceding unbounded lock_ locked nowait skip " +
	"operator_ json_ nested keep quotes error empty conditional absent include including")

// fragments are put into texts, besides the words of other texts.
var fragments = []string{"(", ")", ",", ";", "*", "=", ".", "'x'", "1", "f(1)", "f()", "v", ", f(1)", ", v", "from v", "join v on true", "(select f(1))", "(table v)",
	"as", "as f(a)", "distinct", "is distinct from", "with w as (select 1 as a)", "with v as (select 1 as a)", "select", "from", "set", "not", "and f(1)", "or", "over ()",
	"over (order by f(1))", "filter (where f(true))", "window w as (order by f(1))", "on conflict do nothing", "on conflict (a) do update set a = f(1)", "returning f(1)",
	"operator(pg_catalog.+)", "::int", "cast(f(1) as int)", "case when f(true) then f(1) end", "lateral f(1)", "tablesample system (f(1))", "values (f(1))",
	"array[f(1)]", "row(f(1))", "in (f(1))", "between f(1) and 2", "limit f(1)", "fetch first (f(1)) rows only", "order by f(1)", "group by f(1)", "union select f(1)",
	"using v", "for update of v", "explain", "explain analyze", "explain (analyze)", "explain (costs off, analyze)", "\"f\"(1)", "\"v\"", "public.f(1)", "pg_temp.f(1)", "f (1)", "f/**/(1)", "-- x\n",
	"/* ( */", "$$ ( $$", "e'\\''", "$1", "xmlelement(name a, f(1))", "xmlforest(f(1) as a)", "extract(year from f(now()))", "substring('a' from f(1))", "trim(both f('a') from 'b')",
	"position(f('a') in 'b')", "overlay('a' placing f('b') from 1)", "coalesce(f(1))", "(f(row(1))).a", "rows from (f(1))", "table v", "only v", "collate \"C\"", "at time zone f('utc')",
	"grouping sets ((f(1)))", "rollup (f(1))", "variadic array[f(1)]", "f(a => 1)", "within group (order by f(1))", "percentile_cont(f(0.5)) within group (order by 1)"}

// recognized are texts and bodies with an impact that the server shows.
var recognized = []string{"set probe.x = 'a'", "set session probe.x to default; set probe.x to b", "set local probe.x = 'a'", "select set_config('probe.x', 'a', false)",
	"begin; set probe.x = 'a'; commit", "create temp table made (a int)", "create temp view made as select 1", "listen news", "prepare p as select 1", "set work_mem = '3MB'",
	"declare c cursor with hold for select 1", "select pg_advisory_lock(1)", "update pg_settings set setting = '3MB' where name = 'work_mem'", "select 1 as a into temp made"}

var recognizedBodies = []string{"BEGIN SET probe.x = 'a'; RETURN 1; END", "BEGIN PERFORM set_config('probe.x', 'a', false); RETURN 1; END", "BEGIN EXECUTE 'SET probe.x = 1'; RETURN 1; END",
	"BEGIN IF TRUE THEN CREATE TEMP TABLE made (a int); END IF; RETURN 1; END", "<<a>> BEGIN LISTEN news; RETURN 1; END", "BEGIN EXECUTE format('SET probe.x = %L', 1); RETURN 1; END",
	"SELECT set_config('probe.x', 'a', false); SELECT 1", "BEGIN LOOP PERFORM pg_advisory_lock(1); EXIT; END LOOP; RETURN 1; END", "SET probe.x = 'a'; SELECT 1"}

// bodyFragments are put into bodies, besides fragments.
var bodyFragments = []string{"BEGIN", "END;", "END IF;", "IF true THEN", "ELSE", "LOOP", "END LOOP;", "CASE WHEN true THEN", "END CASE;", "END", "<<a>>", "DECLARE", "x int := 1;", "x int := f(1);",
	"PERFORM f(1);", "EXECUTE 'select f(1)';", "EXECUTE E'\\x53ET probe.x = 1';", "EXECUTE 'SET ' || 'probe.x = 1';", "EXECUTE concat('SET', ' probe.x = 1');", "RETURN 1;", "RETURN f(1);", "NULL;",
	"SET probe.x = 'a';", "SET LOCAL probe.x = 'a';", "PERFORM set_config('probe.x', 'a', false);", "CREATE TEMP TABLE made (a int);", "LISTEN news;", "EXCEPTION WHEN others THEN", "#variable_conflict use_column",
	"x := f(1);", "FOR x IN 1..f(1) LOOP", "FOR x IN SELECT * FROM v LOOP", "FOR x IN EXECUTE 'select f(1)' LOOP", "WHILE f(true) LOOP", "CALL f('x');", "RAISE NOTICE '%', f(1);", "ASSERT f(true);",
	"SELECT f(1) INTO x;", "SELECT 1 AS case;", "PERFORM 1 AS end;", "GET DIAGNOSTICS x = ROW_COUNT;", "OPEN c FOR SELECT f(1);", "c CURSOR FOR SELECT f(1);", "OPEN c;", "FETCH c INTO x;"}

// left has queries for what a session holds, and the impact that accounts for it.
var left = []struct {
	impact Impact
	query  string
}{
	{ConfiguresUnknown, "SELECT 'probe.x=' || current_setting('probe.x', true) WHERE current_setting('probe.x', true) <> ''"},
	{Configures, "SELECT name FROM pg_settings WHERE source = 'session' AND name NOT LIKE 'transaction%'"},
	{Temp, "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()"},
	{Listens, "SELECT pg_listening_channels()"},
	{Prepares, "SELECT 'prepared ' || name FROM pg_prepared_statements WHERE name <> 'look'"},
	{Holds, "SELECT 'cursor ' || name FROM pg_cursors WHERE is_holdable"},
	{Locks, "SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"},
}

// What texts, and functions, of random pieces leave in a session of the server that
// accepts them has been read in them: nothing, if they are plain.
func TestPlainTextsLeaveNothing(t *testing.T) {
	server := testpostgres.Start(t)
	conn := connect(t, server)
	run(t, conn, `CREATE TABLE accounts (a int PRIMARY KEY, b text, x int, y int, z boolean, id int); CREATE TABLE orders (LIKE accounts INCLUDING ALL);
		CREATE TABLE order_items (LIKE accounts INCLUDING ALL, o int); CREATE TABLE "Mixed Case" (a int); CREATE SEQUENCE s; CREATE EXTENSION pg_trgm;
		CREATE FUNCTION total() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT sum(x) FROM orders); END';
		CREATE FUNCTION total(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; CREATE VIEW names AS SELECT a, b FROM accounts; CREATE FUNCTION helper() RETURNS int LANGUAGE sql AS 'SELECT 1';
		ALTER ROLE CURRENT_USER SET statement_timeout = '2s'; ALTER ROLE CURRENT_USER SET client_min_messages = error; ALTER ROLE CURRENT_USER SET plpgsql.variable_conflict = use_column`)
	n := scan(t, conn)
	for _, name := range unscanned {
		run(t, conn, fmt.Sprintf(`CREATE VIEW %[1]q AS SELECT length(set_config('probe.x', 'a view', false)) AS a, 1 AS id;
			CREATE FUNCTION %[1]q() RETURNS int LANGUAGE sql AS $$SELECT length(set_config('probe.x', 'a function', false))$$;
			CREATE FUNCTION %[1]q(a anyelement) RETURNS anyelement LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('probe.x', 'a function', false); RETURN $1; END$$;
			CREATE FUNCTION %[1]q(anyelement, anyelement) RETURNS anyelement LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('probe.x', 'a function', false); RETURN $1; END$$;
			CREATE PROCEDURE %[1]q(text) LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('probe.x', 'a procedure', false); END$$`, name))
	}
	conn = connect(t, server) // with the settings of the role
	var looks []string
	for i, l := range left {
		looks = append(looks, fmt.Sprintf("SELECT '%d ' || found FROM (%s) AS left_%[1]d (found)", i, l.query))
	}
	random := rand.New(rand.NewPCG(uint64(*texts), 5))
	known, accepted, lasting := [2]int{}, [2]int{}, 0
	for i := range *texts {
		kind := i % 2
		text := randomText(random, plainTexts, otherTexts, recognized, fragments)
		r := n.Read([]byte(text))
		if kind == 1 {
			text = randomText(random, plainBodies, otherBodies, recognizedBodies, append(bodyFragments, fragments...))
			r = n.readDefinition(Definition{isFunction, "", text}).with(n.find([]byte(text)))
			language := "plpgsql"
			if !strings.Contains(text, "BEGIN") {
				language = "sql"
			}
			text = "CREATE OR REPLACE FUNCTION random_body(v int = 1, x int = 1, y int = 1, z int = 1, n int = 1, r accounts = NULL, arr int[] = '{1}', c refcursor = NULL) RETURNS int LANGUAGE " + language + " AS $q$" + text + "$q$; SELECT random_body()"
		}
		if r.Impact&Unknown != 0 || strings.Contains(text, "stdin") {
			continue
		}
		known[kind]++
		_, err := conn.Exec(t.Context(), text).ReadAll()
		if conn.IsClosed() {
			t.Fatalf("%s\nends the connection: %v", text, err)
		}
		if err == nil {
			accepted[kind]++
		}
		if conn.TxStatus() != 'I' {
			run(t, conn, "COMMIT")
		}
		if slices.Contains(r.Custom, "probe.x") {
			r.Impact |= ConfiguresUnknown
		}
		found := look(t, conn, looks)
		for _, what := range found {
			var i int
			if _, err := fmt.Sscan(what, &i); err != nil {
				t.Fatal(err)
			}
			if r.Impact&left[i].impact == 0 {
				t.Errorf("%s\nleaves %q, impact %b", text, what, r.Impact)
			}
		}
		if len(found) > 0 {
			lasting++
			run(t, conn, "DISCARD ALL")
		}
	}
	t.Logf("%d texts and %d bodies are known, the server accepts %d and %d of them, and %d leave something", known[0], known[1], accepted[0], accepted[1], lasting)
	if min(accepted[0], accepted[1], lasting) < *texts/500 {
		t.Error("too few for the test to show anything")
	}
}

// look returns what the queries find that a session holds. They are one statement that
// is planned once, because otherwise they take longer than the texts.
func look(t *testing.T, conn *pgconn.PgConn, queries []string) (found []string) {
	t.Helper()
	result := conn.ExecPrepared(t.Context(), "look", nil, nil, nil).Read()
	if result.Err != nil { // the text before has dropped it, or it is the first
		if _, err := conn.Prepare(t.Context(), "look", strings.Join(queries, " UNION ALL "), nil); err != nil {
			t.Fatal(err)
		}
		result = conn.ExecPrepared(t.Context(), "look", nil, nil, nil).Read()
	}
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	for _, row := range result.Rows {
		found = append(found, string(row[0]))
	}
	return found
}

// randomText returns a text for people to misread: one of the texts of other tests, with
// some pieces changed.
func randomText(random *rand.Rand, plain, other, recognized, fragments []string) string {
	pick := func() []string {
		all := [][]string{plain, plain, plain, other, recognized}[random.IntN(5)]
		return pieces(all[random.IntN(len(all))])
	}
	text := pick()
	for range 1 + random.IntN(3) {
		i := random.IntN(len(text) + 1)
		piece := fragments[random.IntN(len(fragments))]
		switch random.IntN(3) {
		case 0:
			piece = unscanned[random.IntN(len(unscanned))]
		case 1:
			if other := pick(); len(other) > 0 {
				piece = other[random.IntN(len(other))]
			}
		}
		switch {
		case random.IntN(3) == 0 || i == len(text):
			text = slices.Insert(text, i, " "+piece+" ")
		case random.IntN(4) == 0:
			text = slices.Delete(text, i, i+1)
		case random.IntN(4) == 0:
			other := pick()
			text = append(text[:i:i], other[random.IntN(len(other)+1):]...)
		default:
			text[i] = " " + piece + " "
		}
	}
	return strings.Join(text, "")
}

// pieces splits a text at its tokens.
func pieces(text string) (all []string) {
	lex := sqlscan.NewLexer([]byte(text))
	for start := 0; ; {
		t := lex.Next()
		if t.Kind == sqlscan.EndOfText {
			return all
		}
		all = append(all, text[start:t.End])
		start = t.End
	}
}
