package sqlscan

import (
	"strings"
	"testing"
)

var classifyTests = []struct {
	text string
	want Effects
	name string // of the first statement that has one
}{
	{"", 0, ""},
	{" ; ;; -- nothing", 0, ""},
	{"SELECT abalance FROM pgbench_accounts WHERE aid = $1", 0, ""},
	{"UPDATE t SET a = 1 WHERE b = 2;", 0, ""},
	{"UPDATE t SET role = 'x', session = 1, names = 2", 0, ""},
	{"INSERT INTO t (a) VALUES ('SET x = 1; LISTEN y')", 0, ""},
	{"ALTER ROLE joe SET search_path = x", 0, ""},
	{"ALTER TABLE t SET SCHEMA s", 0, ""},
	{"ALTER SYSTEM SET work_mem = '1MB'", 0, ""},
	{"CREATE FUNCTION f() RETURNS int LANGUAGE sql SET work_mem = '1MB' AS 'SELECT 1'", 0, ""},
	{"SELECT \"SET\" FROM \"LISTEN\"", 0, ""},
	{"SHOW ALL", 0, ""},

	// SET
	{"SET work_mem = '1MB'", Set, "work_mem"},
	{"set WORK_MEM to default", Set, "work_mem"},
	{"SeT\n\t\fa . b /* . */ . \"C\"\"d\"=1", Set, `a.b.C"d`},
	{"SET SESSION work_mem TO 1", Set, "work_mem"},
	{"SET/**/SESSION/* x */work_mem=1", Set, "work_mem"},
	{"--c\nSET--d\rx = 1", Set, "x"},
	{"/* a /* b */ ; SELECT */ SET x = 1", Set, "x"},
	{"SELECT 1;SET x = 1", Set, "x"},
	{"SELECT ';' ;;; /*;*/ SET x = 1", Set, "x"},
	{"SET TIME ZONE 'UTC'", Set, "timezone"},
	{"SET LOCAL TIME ZONE 'UTC'", SetLocal, "timezone"},
	{"SET NAMES 'utf8'", Set, "client_encoding"},
	{"SET ROLE joe", Set, "role"},
	{"SET SESSION ROLE joe", Set, "role"},
	{"SET SESSION AUTHORIZATION joe", Set, "session_authorization"},
	{"SET SESSION SESSION AUTHORIZATION DEFAULT", Set, "session_authorization"},
	{"SET LOCAL SESSION AUTHORIZATION joe", SetLocal, "session_authorization"},
	{"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", Set, ""},
	{"SET XML OPTION DOCUMENT", Set, "xmloption"},
	{"SET SCHEMA 'x'", Set, "search_path"},
	{"SET SEED TO 0.5", Set, "seed"},
	{"SET x FROM CURRENT", Set, "x"},
	{"SET U&\"work\\005fmem\" = 1", Set | byName, ""},
	{"SET LOCAL x = 1", SetLocal, "x"},
	{"set local\"X\" = 1", SetLocal, "X"},
	{"SET local.x = 1", Set, "local.x"},
	{"SET session.x = 1", Set, "session.x"},
	{"SET LOCAL local.x = 1", SetLocal, "local.x"},
	{"SET transaction.x = 1", Set, "transaction.x"},
	{"SET time.x TO 1", Set, "time.x"},
	{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", SetLocal, ""},
	{"SET SESSION TRANSACTION READ ONLY", SetLocal, ""},
	{"SET TRANSACTION SNAPSHOT '1-1'", SetLocal, ""},
	{"SET CONSTRAINTS ALL DEFERRED", SetLocal, ""},
	{"SET search_path = 'a', pg_temp", Set | Temp, "search_path"},
	{"SET search_path = 'PG_TEMP'", Set | Temp, "search_path"},
	{"SET search_path = public", Set, "search_path"},
	{"RESET ALL", Reset, "all"},
	{"RESET a.b", Reset, "a.b"},
	{"RESET SESSION AUTHORIZATION", Reset, "session_authorization"},
	{"RESET TIME ZONE", Reset, "timezone"},
	{"DISCARD ALL", Discard, "all"},
	{"DISCARD/**/TEMP;", Discard, "temp"},
	{"discard plans", Discard, "plans"},
	{"DISCARD SEQUENCES", Discard, "sequences"},

	// set_config
	{"SELECT set_config('x', 'y', false)", SetConfig, ""},
	{"SELECT pg_catalog . SET_CONFIG ('x', 'y', $1)", SetConfig, ""},
	{"SELECT \"set_config\"('x', 'y', false)", SetConfig, ""},
	{"SELECT pg_catalog.\"set_config\" ( 'x', 'y', false)", SetConfig, ""},
	{"SELECT set_config /* , , true) */ ('x', 'y', false)", SetConfig, ""},
	{"SELECT set_config('x', ', true)', false)", SetConfig, ""},
	{"SELECT set_config('x', 'y', true)", SetLocal, ""},
	{"SELECT set_config('x', f(1, 2, true), TRUE)", SetLocal, ""},
	{"SELECT set_config('x', f(1, 2, true), true AND false)", SetConfig, ""},
	{"SELECT set_config('x', f(1, 2, true), not true)", SetConfig, ""},
	{"SELECT set_config('x', 'y', \"true\")", SetConfig, ""},
	{"SELECT set_config('x', set_config('y', 'z', false), true)", SetConfig, ""},
	{"SELECT set_config('x', set_config('y', 'z', true), true)", SetConfig | SetLocal, ""},
	{"SELECT set_config('a', 'b', true), set_config('c', 'd', false)", SetConfig | SetLocal, ""},
	{"SELECT set_config('search_path', 'pg_temp', true)", SetLocal | Temp, ""},
	{"SELECT U&\"set\\005fconfig\"('x', 'y', false)", byName, ""},
	{"SELECT u&\"set!005fconfig\" UESCAPE '!' ('x', 'y', false)", byName, ""},
	{"SELECT U & \"a\"", 0, ""},
	{"SELECT 'set_config' -- set_config\n/* set_config */, $$set_config$$", 0, ""},
	{"SELECT set_configs('x', 'y', false), my_set_config(1), set_config$(2)", 0, ""},
	{"SELECT set_limit(0.3)", SetConfig, ""},
	{"UPDATE pg_settings SET setting = 'x' WHERE name = 'y'", SetConfig, ""},
	{"WITH u AS (UPDATE pg_catalog.\"pg_settings\" SET setting = 'x') SELECT 1", SetConfig, ""},
	{"SELECT * FROM pg_settings", 0, ""},

	// temporary things
	{"CREATE TEMP TABLE t (a int)", Temp, ""},
	{"CREATE TEMPORARY TABLE t (a int)", Temp, ""},
	{"create/**/global--\ntemp table t (a int)", Temp, ""},
	{"CREATE LOCAL TEMPORARY TABLE IF NOT EXISTS t (a int)", Temp, ""},
	{"CREATE TEMP SEQUENCE s", Temp, ""},
	{"CREATE OR REPLACE TEMP VIEW v AS SELECT 1", Temp, ""},
	{"CREATE TEMP RECURSIVE VIEW v (a) AS SELECT 1", Temp, ""},
	{"EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1", Temp, ""},
	{"CREATE TABLE pg_temp.t (a int)", Temp, ""},
	{"CREATE TABLE \"pg_temp\" . t (a int)", Temp, ""},
	{"CREATE TABLE pg_temp_3.t (a int)", Temp, ""},
	{"CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", 0, ""},
	{"CREATE OR REPLACE VIEW function AS SELECT 1", 0, ""},
	{"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", Temp, ""},
	{"SELECT 1 AS a INTO TEMP t", Temp, ""},
	{"SELECT 1 AS a INTO/**/TEMPORARY TABLE t", Temp, ""},
	{"SELECT 1 AS a INTO LOCAL TEMP t", Temp, ""},
	{"WITH x AS (SELECT 1) SELECT * INTO TEMP t FROM x", Temp, ""},
	{"(SELECT 1 INTO TEMP t)", Temp, ""},
	{"SELECT 1INTO TEMP t", Temp, ""},
	{"SELECT 1 INTO UNLOGGED t", 0, ""},
	{"INSERT INTO temp VALUES (1)", 0, ""},
	{"CREATE TABLE temp (a int)", 0, ""},
	{"SELECT temp, temperature FROM attempts WHERE temp_c > 1", 0, ""},
	{"CREATE TEMP TABLE t (a int) ON COMMIT DROP", TempLocal, ""},
	{"CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1", TempLocal, ""},
	{"CREATE TEMP TABLE t ON COMMIT DELETE ROWS AS SELECT 1", Temp, ""},
	{"CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1; CREATE TEMP TABLE u ()", Temp | TempLocal, ""},

	// other state
	{"LISTEN a", Listen, "a"},
	{"LISTEN \"A b\"", Listen, "A b"},
	{"UNLISTEN *", Unlisten, "*"},
	{"NOTIFY a, 'payload; SET x = 1'", 0, ""},
	{"PREPARE p (int) AS SELECT $1", Prepare, "p"},
	{"PREPARE P AS SELECT lastval()", Prepare | Sequence, "p"},
	{"PREPARE transaction AS SELECT 1", Prepare, "transaction"},
	{"PREPARE transaction(int) AS SELECT 1", Prepare, "transaction"},
	{"PREPARE TRANSACTION 'x'", 0, ""},
	{"PREPARE TRANSACTION $$x$$", 0, ""},
	{"EXECUTE p(1)", 0, ""},
	{"EXPLAIN EXECUTE p(1)", 0, ""},
	{"EXPLAIN ANALYZE VERBOSE EXECUTE p", 0, ""},
	{"EXPLAIN (ANALYZE, COSTS off) EXECUTE \"P\"", 0, ""},
	{"CREATE TABLE t AS EXECUTE p", 0, ""},
	{"CREATE TEMP TABLE t AS EXECUTE p", Temp, ""},
	{"CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()", 0, ""},
	{"GRANT EXECUTE ON FUNCTION f TO joe", 0, ""},
	{"DEALLOCATE p", Deallocate, "p"},
	{"DEALLOCATE PREPARE p", Deallocate, "p"},
	{"DEALLOCATE PREPARE", Deallocate, "prepare"},
	{"DEALLOCATE PREPARE; SELECT 1", Deallocate, "prepare"},
	{"DEALLOCATE ALL", Deallocate, "all"},
	{"DECLARE c CURSOR WITH HOLD FOR SELECT 1", Hold, "c"},
	{"DECLARE c BINARY INSENSITIVE NO SCROLL CURSOR WITH/**/HOLD FOR SELECT 1", Hold, "c"},
	{"DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1", 0, "c"},
	{"CLOSE c", Close, "c"},
	{"CLOSE ALL", Close, "all"},
	{"LOAD 'auto_explain'", Load, ""},
	{"SELECT pg_advisory_lock(1)", AdvisoryLock, ""},
	{"SELECT pg_advisory_lock_shared(1)", AdvisoryLock, ""},
	{"SELECT pg_try_advisory_lock(1)", AdvisoryLock, ""},
	{"SELECT PG_TRY_ADVISORY_LOCK_SHARED(1)", AdvisoryLock, ""},
	{"SELECT pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(2)", 0, ""},
	{"SELECT pg_advisory_unlock(1)", AdvisoryUnlock, ""},
	{"SELECT pg_advisory_unlock_shared(1)", AdvisoryUnlock, ""},
	{"SELECT pg_advisory_unlock_all()", AdvisoryUnlock, ""},
	{"SELECT setseed(0.5)", Seed, ""},
	{"SELECT currval('s')", Sequence, ""},
	{"SELECT lastval ( )", Sequence, ""},
	{"INSERT INTO t VALUES (\"currval\"('s'))", Sequence, ""},
	{"SELECT nextval('s'), 1 AS interval_x", 0, ""},
	{"SELECT dblink_connect('c', 'dbname=x')", Connect, ""},
	{"DO $$BEGIN PERFORM set_config('x', 'y', false); END$$", Opaque, ""},
	{"CALL p(1)", Opaque, ""},
	{"INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", 0, ""},
	{"COPY t FROM STDIN", 0, ""},
	{"COPY t (a, b) FROM/**/stdin WITH (FORMAT csv)", 0, ""},
	{"COPY (SELECT a FROM t) TO STDOUT", 0, ""},
	{"COPY t TO '/tmp/x'", 0, ""},

	// transactions
	{"BEGIN", Begin, ""},
	{"BEGIN WORK ISOLATION LEVEL SERIALIZABLE", Begin, ""},
	{"START TRANSACTION", Begin, ""},
	{"COMMIT", 0, ""},
	{"END TRANSACTION", 0, ""},
	{"COMMIT AND CHAIN", Begin, ""},
	{"COMMIT AND NO CHAIN", 0, ""},
	{"COMMIT PREPARED 'x'", 0, ""},
	{"ROLLBACK", 0, ""},
	{"ABORT WORK AND CHAIN", Begin, ""},
	{"ROLLBACK PREPARED 'x'", 0, ""},
	{"ROLLBACK TO s", 0, ""},
	{"ROLLBACK TRANSACTION TO SAVEPOINT s", 0, ""},
	{"SAVEPOINT s", 0, ""},
	{"RELEASE s", 0, ""},
	{"BEGIN; SET LOCAL x = 1; SELECT 1; COMMIT", Begin | SetLocal, "x"},

	// literals and quotes
	{"SELECT 'it''s'; SET x = 1", Set, "x"},
	{"SELECT '; SET x = 1'", 0, ""},
	{"SELECT E'\\'; SET x = 1; --'", 0, ""},
	{"SELECT E'\\\\'; SET x = 1", Set, "x"},
	{"SELECT e'a'\n'b\\'; SET x = 1; --'", 0, ""},
	{"SELECT e'a' -- c '\n -- d\n 'b\\'; SET x = 1; --'", 0, ""},
	{"SELECT E'\\'' ; SET x = 1 ; SELECT E'\\''", Set, "x"},
	{"SELECT NE'\\'; SET x = 1", Set, "x"}, // an alias, so to speak, and '\'
	{"SELECT '\\'; SET x = 1; --'", Set, "x"},
	{"SELECT '\\' '; SET x = 1", Set, "x"}, // with backslashes only
	{"SELECT '\\''; SET x = 1; --'", Set, "x"},
	{"SELECT 'C:\\dir'; SELECT ';SET x = 1'", 0, ""},
	{"SELECT U&'\\0041; SET x = 1'", 0, ""},
	{"SELECT B'01', X'ff', N'; SET x = 1'", 0, ""},
	{"SELECT $$; SET x = 1; $a$ $$", 0, ""},
	{"SELECT $a$ $$; SET x = 1; $b$ $A$ $a$", 0, ""},
	{"SELECT $a$b$a$; SET x = 1", Set, "x"},
	{"SELECT $a$ $$a$; SET x = 1", Set, "x"},
	{"SELECT $\xc3\xa4_1$ ; SET x = 1; $\xc3\xa4_1$", 0, ""},
	{"SELECT a$b$ ; SET x = 1; SELECT c$b$", Set, "x"},
	{"SELECT $1; SET x = 1; SELECT $1", Set, "x"},
	{"SELECT \"a;b\"\"; SET x = 1;\"", 0, ""},
	{"SELECT \"'\"; SET x = 1; SELECT \"'\"", Set, "x"},
	{"SELECT 1 -- '\n; SET x = 1 -- '", Set, "x"},
	{"SELECT 1 --\r; SET x = 1", Set, "x"},
	{"SELECT 1 /* ' */ ; SET x = 1 /* ' */", Set, "x"},
	{"SELECT 1 /* /* */ ; SET x = 1 */", 0, ""},
	{"SELECT 1 /*/ ; SET x = 1 /*/ */ */", 0, ""},
	{"SELECT 1 */**/ 2; SET x = 1", Set, "x"},
	{"SELECT 1 +-- '\n 2; SET x = 1", Set, "x"},
	{"SELECT 1 - - 1; SET x = 1", Set, "x"},
	{"SELECT a.listen, b.set FROM a; SELECT 1", 0, ""},

	// semicolons that split nothing
	{"CREATE RULE r AS ON INSERT TO t DO ALSO (NOTIFY a; NOTIFY b)", 0, ""},
	{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", 0, ""},
	{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT a case; END; END", 0, ""},
	{"CREATE PROCEDURE f() BEGIN ATOMIC END; COMMIT; END", 0, ""},
	{"CREATE FUNCTION f() RETURNS int BEGIN/**/ATOMIC SELECT 1; END; SET x = 1", Set, "x"},
}

func TestClassify(t *testing.T) {
	for _, tt := range classifyTests {
		for _, text := range []string{tt.text, tt.text + ";", "\n" + tt.text, tt.text + " -- end", "VALUES (1);" + tt.text} {
			if got := classify([]byte(text)); got != tt.want {
				t.Errorf("classify(%q) = %v, want %v", text, got, tt.want)
			}
		}
		if got := firstName(tt.text); got != tt.name {
			t.Errorf("name in %q = %q, want %q", tt.text, got, tt.name)
		}
	}
}

func firstName(text string) string {
	for _, backslash := range []bool{false, true} {
		s := NewScanner([]byte(text), backslash)
		for st, ok := s.Next(); ok; st, ok = s.Next() {
			if st.Name != nil {
				return string(AppendName(nil, st.Name))
			}
		}
	}
	return ""
}

func TestScannerSplits(t *testing.T) {
	const text = " ;BEGIN; -- one\n SELECT ';' /* ; */ ;; UPDATE t SET a = (1); /* last */ SET x = 1 -- end"
	want := []Statement{
		{Begin, nil, []byte("BEGIN")},
		{0, nil, []byte("SELECT ';'")},
		{0, nil, []byte("UPDATE t SET a = (1)")},
		{Set, []byte("x"), []byte("SET x = 1")},
	}
	s := NewScanner([]byte(text), false)
	for _, w := range want {
		st, ok := s.Next()
		if !ok || st.Effects != w.Effects || string(st.Name) != string(w.Name) || string(st.Text) != string(w.Text) {
			t.Errorf("got %v %v %q %q, want %v %q %q", ok, st.Effects, st.Name, st.Text, w.Effects, w.Name, w.Text)
		}
	}
	if st, ok := s.Next(); ok {
		t.Errorf("one more: %q", st.Text)
	}
}

func TestScannerTreatsBackslashesAsTheCallerSays(t *testing.T) {
	const text = `SELECT '\'; SET x = 1; --'`
	for backslash, want := range map[bool]int{false: 2, true: 1} {
		s, n := NewScanner([]byte(text), backslash), 0
		for _, ok := s.Next(); ok; _, ok = s.Next() {
			n++
		}
		if n != want {
			t.Errorf("backslash %v: %d statements, want %d", backslash, n, want)
		}
	}
}

func TestEveryEffectHasItsName(t *testing.T) {
	if Begin != 1<<(len(effectNames)-1) || Begin.String() != "Begin" || (Set|Temp|Opaque).String() != "Set|Temp|Opaque" {
		t.Error("the names do not match the bits")
	}
}

func TestNoAllocations(t *testing.T) {
	for _, tt := range classifyTests {
		text := []byte(tt.text)
		if n := testing.AllocsPerRun(10, func() { classify(text) }); n != 0 {
			t.Errorf("classify(%q) allocates %v times", tt.text, n)
		}
	}
	var name [64]byte
	text := []byte(`SET a."B" = 1; SELECT 1`)
	if n := testing.AllocsPerRun(100, func() {
		s := NewScanner(text, false)
		for st, ok := s.Next(); ok; st, ok = s.Next() {
			AppendName(name[:0], st.Name)
		}
	}); n != 0 {
		t.Errorf("Scanner allocates %v times", n)
	}
}

func BenchmarkClassify(b *testing.B) {
	for _, bb := range []struct{ name, text string }{
		{"select", "SELECT abalance FROM pgbench_accounts WHERE aid = $1"},
		{"update", "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2;"},
		{"begin", "BEGIN"},
		{"comment", "/* app */ SELECT abalance FROM pgbench_accounts WHERE aid = $1"},
		{"set", "SET search_path = 'a', b"},
		{"insert-4KB", "INSERT INTO t VALUES " + strings.Repeat("(1, 'some text'), ", 230) + "(2)"},
		{"full-4KB", "(SELECT * FROM t WHERE " + strings.Repeat("a = 'some text' AND ", 200) + "b)"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			text := []byte(bb.text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				classify(text)
			}
		})
	}
}

// classify returns the effects of all statements of text, whether
// standard_conforming_strings is on or off if that matters.
func classify(text []byte) Effects {
	found, ambiguous := classifyAs(text, false)
	if ambiguous {
		more, _ := classifyAs(text, true)
		found |= more
	}
	return found
}

func classifyAs(text []byte, backslash bool) (found Effects, ambiguous bool) {
	s := NewScanner(text, backslash)
	for {
		st, ok := s.Next()
		if !ok {
			return found, s.lex.ambiguous
		}
		found |= st.Effects
	}
}
