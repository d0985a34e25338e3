//go:build unix

package routines

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

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

// A text that is plain to the reader, of random pieces, leaves nothing in a session of
// the server that accepts it.
func TestPlainTextsLeaveNothing(t *testing.T) {
	conn := connect(t, testpostgres.StartWith(t, map[string]string{"fsync": "off"}))
	run(t, conn, `CREATE TABLE accounts (a int PRIMARY KEY, b text, x int, y int, z boolean, id int); CREATE TABLE orders (LIKE accounts INCLUDING ALL);
		CREATE TABLE order_items (LIKE accounts INCLUDING ALL, o int); CREATE TABLE "Mixed Case" (a int); CREATE SEQUENCE s; CREATE EXTENSION pg_trgm;
		CREATE FUNCTION total() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT sum(x) FROM orders); END';
		CREATE FUNCTION total(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; CREATE VIEW names AS SELECT a, b FROM accounts`)
	n := scan(t, conn)
	for _, name := range unscanned {
		run(t, conn, fmt.Sprintf(`CREATE VIEW %[1]q AS SELECT length(set_config('probe.x', 'a view', false)) AS a, 1 AS id;
			CREATE FUNCTION %[1]q() RETURNS int LANGUAGE sql AS $$SELECT length(set_config('probe.x', 'a function', false))$$;
			CREATE FUNCTION %[1]q(a anyelement) RETURNS anyelement LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('probe.x', 'a function', false); RETURN $1; END$$;
			CREATE FUNCTION %[1]q(anyelement, anyelement) RETURNS anyelement LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('probe.x', 'a function', false); RETURN $1; END$$;
			CREATE PROCEDURE %[1]q(text) LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('probe.x', 'a procedure', false); END$$`, name))
	}
	run(t, conn, "SET statement_timeout = '2s'; SET client_min_messages = error")
	const left = `SELECT 'setting ' || current_setting('probe.x', true) WHERE current_setting('probe.x', true) <> ''
		UNION ALL SELECT name FROM pg_settings WHERE source = 'session' AND name NOT IN ('statement_timeout', 'client_min_messages', 'transaction_isolation', 'transaction_read_only', 'transaction_deferrable')
		UNION ALL SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() UNION ALL SELECT pg_listening_channels()
		UNION ALL SELECT 'prepared' FROM pg_prepared_statements UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE is_holdable
		UNION ALL SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`
	random := rand.New(rand.NewPCG(uint64(*texts), 3))
	plain, accepted := 0, 0
	for range *texts {
		text := randomText(random)
		if strings.Contains(text, "stdin") || n.Read([]byte(text)).Impact&^Begins != 0 {
			continue
		}
		plain++
		_, err := conn.Exec(t.Context(), text).ReadAll()
		if conn.IsClosed() {
			t.Fatalf("%s\nends the connection: %v", text, err)
		}
		if err == nil {
			accepted++
		}
		if conn.TxStatus() != 'I' {
			run(t, conn, "COMMIT")
		}
		if found := run(t, conn, left); len(found) > 0 {
			t.Errorf("%s\nis plain and leaves %q", text, found)
			run(t, conn, "DISCARD ALL")
			run(t, conn, "SET statement_timeout = '2s'; SET client_min_messages = error")
		}
	}
	t.Logf("%d texts are plain, the server accepts %d of them", plain, accepted)
	if accepted < *texts/100 {
		t.Errorf("the server accepts %d of %d texts", accepted, *texts)
	}
}

// randomText returns a text for people to misread: one of the texts of other tests, with
// some pieces changed.
func randomText(random *rand.Rand) string {
	pick := func() []string {
		all := plainTexts
		if random.IntN(4) == 0 {
			all = otherTexts
		}
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
