package routines

import (
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// readerNames are the names of the tests' database.
func readerNames() *Names {
	n := newNames([]Definition{
		{isRelation, "accounts", ""}, {isRelation, "orders", ""}, {isRelation, "Mixed Case", ""}, {isRelation, "order_items", ""},
		{isRelation, "pg_class", ""}, {isRelation, "pg_type", ""}, {isRelation, "pg_namespace", ""}, {isRelation, "pg_settings", ""},
		{isFunction, "total", "BEGIN RETURN (SELECT sum(x) FROM orders); END"},
		{isLibrary, "similarity", "pg_trgm"}, {isLibrary, "mystery", ""}, {isOpaque, "py", "plpython3u"},
	}, "1")
	return n
}

var plainTexts = []string{
	"", ";", "-- nothing", "begin", "BEGIN ISOLATION LEVEL SERIALIZABLE; select 1; COMMIT", "start transaction read only", "end", "rollback to a",
	"savepoint a", "release a", "show search_path", "values (1, 2), (3, 4)", "table accounts", "notify x, 'y'", "lock table accounts in share mode",
	"select 1", "select now(), lower('X') || upper($1)", "SELECT abalance FROM pgbench.accounts WHERE aid = $1",
	"select a.x as y, count(*) filter (where a.z) over (partition by b order by c) from accounts a, orders as o where a.id = o.id group by 1, (a.x)",
	"select * from accounts left join orders using (id) join order_items i on (i.o = orders.id), pg_class c where x in (1, 2) and y = any (array[1, 2])",
	`select * from "Mixed Case"`, `select * from "public"."accounts" as "x"`,
	"with x as (select 1), y as materialized (select * from x) select * from x, y",
	"with recursive t(n) as (values (1) union all select n + 1 from t where n < 10) select n from t",
	"select extract(year from d), substring(a from 1 for 2), trim(both from a), position('x' in a), overlay(a placing b from 1) from accounts",
	"select cast(x as numeric(10, 2)), x::varchar(3), y::public.money2(3), interval '1 day' from accounts",
	"select * from generate_series(1, 3) g(x), unnest($1::int[]) as u(y, z), lateral (select 1) q(a)",
	"select * from rows from (generate_series(1, 2), unnest(array[1])) with ordinality as t(a, b)",
	"select distinct on (a) a from accounts order by a is distinct from b, c",
	"select case when (x) then coalesce(a, b) else nullif(a, b) end from accounts for no key update of accounts skip locked",
	"insert into accounts (a, b) values ($1, $2) on conflict (a) do update set (b, c) = (excluded.b, 1) where accounts.a > (1) returning *",
	"select cast(x as character varying (3)) from accounts", "insert into accounts (a) values (1) on conflict (a) do nothing",
	"insert into accounts as x (a) select total(a) from orders where exists (select 1 from order_items)",
	"update accounts set a = 1, b = similarity(b, 'x') from orders o where o.id = accounts.id",
	"update only accounts x set (a, b) = (1, 2)",
	"delete from accounts using orders, order_items where true",
	"merge into accounts a using orders o on a.id = o.id when matched then delete when not matched then insert (a) values (1)",
	"copy accounts (a, b) from stdin with (format csv)", `copy "accounts" ( "a" ) from stdin binary;`, "copy (select * from orders) to stdout (format binary)",
	"truncate accounts, orders", "truncate table accounts", "declare c cursor for select * from accounts", "fetch 10 from c", "move forward all in c", "close c",
	"explain select * from accounts", "explain (analyze, buffers) select * from accounts", "explain analyze verbose update accounts set x = 1",
	"select pg_catalog.format_type(a, b) from pg_catalog.pg_type t join pg_namespace n on n.oid = t.typnamespace",
	"select e'it\\'s', $$x(y)$$, 'from nowhere f()' from accounts", "select $1::regclass", "(select 1 from accounts) union all (select 2 from orders)",
	"select count(*) from accounts where not (a = 1) and b like ('x')", "select * from (select * from accounts) a cross join (values (1)) v(x)",
	"select a[1:2], (b).c, d.* from accounts d", "select a is distinct from b, a is not distinct from c from accounts", "select nextval('s'), pg_advisory_xact_lock(1), pg_sleep(0), random(), gen_random_uuid()",
	"select string_agg(a, ',' order by b), percentile_cont(0.5) within group (order by c) from accounts",
	"create temp table x (y numeric(10,2) primary key, z int check (z > 0), unique (y)) on commit drop",
	"create local temporary table if not exists x as select lower(a) from accounts", "create temp view v as select 1",
	"select operator(pg_catalog.-) 1 from accounts", "call total()",
}

func TestPlainTextsArePlain(t *testing.T) {
	n := readerNames()
	for _, text := range plainTexts {
		if r := n.Read([]byte(text)); r.Impact&^(Begins|Releases|Inspectable|ConfiguresTemp) != 0 {
			t.Errorf("%s: impact %b", text, r.Impact)
		}
	}
}

var otherTexts = []string{
	"select f()", "select public.f ()", `select "f"(1)`, "select x, f(1) from accounts", "select 1 + f(1)", "select like_f(1) like f(2) from accounts",
	"select mystery(1)", "select py()", "select * from f()", "select * from accounts a, f(1) x", "select * from accounts a join f() on true",
	"select query_to_xml('select 1', true, true, '')", "select ts_rewrite('a', 'select 1')", "select pg_catalog.query_to_xml('x', true, true, '')",
	"select * from v", "select * from accounts, v", "select * from accounts a, only v", "select * from (accounts join v on true)",
	"select * from accounts where exists (select from v)", "insert into v values (1)", "insert into v (a) values (1)", "update v set x = 1", "delete from v",
	"delete from accounts using v", "merge into accounts using v on true when matched then delete", "table v", "copy v from stdin", "truncate v", "truncate accounts, v",
	"with x as (select 1) select * from x, v", "select (with v as (select 1) select 1 from v), * from v", "with v as (select 1) select * from public.v",
	"select 1 from accounts window v as (partition by 1) union select 2 from v",
	"select * from accounts a left join lateral f(a) on true", "select substring((select x from v) from 1)",
	"explain analyze select f()", "declare c cursor for select f()", "prepare p as select f()", "execute p", "explain execute p",
	"create table x (y int)", "create temp table x (y int default f())", "create temp table x as select f()", "alter table accounts add x int", "drop table accounts", "select 1 into x", "do 'x'", "vacuum", "analyze accounts",
	"comment on table accounts is 'x'", "grant select on accounts to x", "refresh materialized view v", "import foreign schema x from server y into z",
	"create temp table x as execute p", "select * from accounts join orders on conflict(1)", "select 1 from accounts where not materialized(1)",
	"select 1 operator(pg_catalog.+) (1) over(2)", "create temp table x as (select key(1))", "select 1 and varying(1)",
	"select 'it\\'s', f()", "select 'unterminated", `select u&"\0066"(1)`, "something else", "select abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz()",
	"do $$begin execute format('SET app.%I = %L', 'k', 'v'); end$$", "do $$begin execute 'create '||'temp table x()'; end$$", "do $$begin perform f(); end$$",
	"do $$begin execute 'select f()'; end$$", "do language py $$x$$", "select x operator(pg_catalog.+) (1) f(2) from accounts",
	"select 1 as distinct from v", "select 1 distinct from v", "select not distinct from v", "1; select 2",
	"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((select 1))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))",
}

func TestOtherTextsAreUnknown(t *testing.T) {
	n := readerNames()
	for _, text := range otherTexts {
		if r := n.Read([]byte(text)); r.Impact&Unknown == 0 {
			t.Errorf("%s: impact %b", text, r.Impact)
		}
	}
}

// What no inspection finds counts also in a text that is run by what has it as an
// argument: the name of the setting that set_config sets may be anywhere.
func TestTextThatIsRunMayLeaveWhatNoInspectionFinds(t *testing.T) {
	n := newNames([]Definition{{isUnplain, "ts_stat", ""}, {isUnplain, "query_to_xml", ""}, {isLibrary, "crosstab", "tablefunc"},
		{isRelation, "accounts", ""}, {isFunction, "stats", "SELECT ts_stat($1)"}}, "1")
	long := "app." + strings.Repeat("long", 17)
	for text, want := range map[string]Impact{
		"select ts_stat('select set_config(n, v, l) from (values (''" + long + "'', ''ann'', false)) as s (n, v, l)')": ConfiguresUnknown,
		"select ts_stat($$select set_config(n, 'ann', false) from unnest(array['app.k']) as n$$)":                      ConfiguresUnknown,
		"select query_to_xml('select set_config(E''app.k'', ''ann'', false)', true, true, '')":                         ConfiguresUnknown,
		"select query_to_xml('select set_config(U&''app.k'', ''ann'', false)', true, true, '')":                        ConfiguresUnknown,
		"select query_to_xml('select set_config($x$app.k$x$, ''ann'', false)', true, true, '')":                        ConfiguresUnknown,
		"select query_to_xml('select set_config(''app.''\n''k'', ''ann'', false)', true, true, '')":                    ConfiguresUnknown,
		"select query_to_xml('select set_config(''" + long + "''::name, ''ann'', false)', true, true, '')":             ConfiguresUnknown,
		"select * from crosstab('select 1, 1, set_config(k, v, false) from accounts') as t (a int, b text)":            ConfiguresUnknown,
		"select stats('select set_config(k, v, false) from accounts')":                                                 ConfiguresUnknown,
		"select unknown('select set_config(k, v, false) from accounts')":                                               ConfiguresUnknown,
		"create function f(text) returns void as 'begin execute $1; end' language plpgsql; select f('load ''x''')":     Loads,
		"select unknown('load ''x''')":                                                               Loads,
		"select query_to_xml('select dblink_connect(''x'')', true, true, '')":                        Connects,
		"select query_to_xml('select setseed(0)', true, true, '')":                                   Seeds,
		"select query_to_xml('select set_config(''" + long + "'', ''ann'', false)', true, true, '')": 0,
		"select query_to_xml('select x from accounts', true, true, '')":                              0,
	} {
		if got := n.Read([]byte(text)).Impact; got&lasting != want || got&Unknown == 0 {
			t.Errorf("%s: impact %b", text, got)
		}
	}
}

// A DO block is read for what changes definitions.
func TestBlocksThatDefineAreFound(t *testing.T) {
	n := readerNames()
	for text, want := range map[string]bool{
		"do $$begin perform f(); update accounts set a = 1; end$$":                          false,
		"do 'begin null; end' language plpgsql":                                             false,
		"do language 'plpgsql' $$begin perform f(); end$$":                                  false,
		"select 1; do $x$begin execute 'update accounts set a = 1'; end$x$":                 false,
		"do $$begin execute format('update %I set a = 1', 'accounts'); end$$":               false,
		"do $$begin create or replace function f() returns int as 'x'; end$$":               true,
		"do $$begin execute 'create function f() returns int as x'; end$$":                  true,
		"do $$begin execute 'create '||'function f() returns int as x'; end$$":              true,
		"do $$begin execute format('alter function %I() rename to f', 'g'); end$$":          true,
		"do $$begin execute q; end$$":                                                       true,
		"do $$begin do $x$begin execute q; end$x$; end$$":                                   true,
		"do 'begin x := ''--''; create table t (); end'":                                    true,
		`do e'begin cr\x65ate table t (); end'`:                                             true,
		"do language 'plperlu' $$x$$":                                                       true,
		"do language py $$x$$":                                                              true,
		"do $$x$$ language plpython3u":                                                      true,
		"do $$begin perform py(); end$$":                                                    true,
		"do $$begin execute U&'select 1!003b create view v as select 1' uescape '!'; end$$": true,
		`do $$begin execute E'select 1\x3b create view v as select 1'; end$$`:               true,
		"begin; do $$begin null; end$$; do $$begin alter table accounts add b int; end$$":   true,
	} {
		if got := n.Read([]byte(text)).Impact; got&Defines != 0 != want || got&Unknown == 0 {
			t.Errorf("%s: impact %b", text, got)
		}
	}
}

var plainBodies = []string{
	"SELECT helper()", "BEGIN ATOMIC\n SELECT helper();\n INSERT INTO accounts (a) VALUES (1);\nEND", "RETURN (helper())",
	"DECLARE v numeric(10,2) := 1; r accounts%ROWTYPE; c CURSOR FOR SELECT * FROM accounts; BEGIN v := helper(); r.a = 2; a[1] := 3; RETURN v; END",
	"<<outer>> BEGIN IF v > 1 THEN UPDATE accounts SET a = 1 WHERE b = (2); ELSIF v < 1 THEN NULL; ELSE RAISE NOTICE 'x %', v; END IF; END outer",
	"BEGIN FOR r IN SELECT * FROM accounts LOOP x := CASE WHEN r.a THEN r.b ELSE lower(r.c) END; CONTINUE WHEN x IS NULL; END LOOP; RETURN QUERY SELECT * FROM accounts; END",
	"BEGIN SELECT a, b INTO STRICT x, y FROM accounts WHERE c = $1; GET DIAGNOSTICS n = ROW_COUNT; IF NOT FOUND THEN RAISE EXCEPTION 'none' USING ERRCODE = 'P0002', HINT = lower('x'); END IF; EXCEPTION WHEN OTHERS THEN RETURN NULL; END",
	"BEGIN OPEN c FOR SELECT 1; LOOP FETCH c INTO x; EXIT WHEN NOT FOUND; END LOOP; CLOSE c; PERFORM pg_notify('a', 'b'); NEW.updated_at := now(); RETURN NEW; END",
	"#variable_conflict use_column\nDECLARE x int; BEGIN RETURN x; END",
	"BEGIN EXECUTE 'UPDATE accounts SET a = $1' USING 1; FOR r IN EXECUTE 'SELECT * FROM accounts' LOOP END LOOP; END",
	"BEGIN CASE x WHEN 1 THEN y := 2; ELSE y := 3; END CASE; WHILE y > 0 LOOP y := y - 1; END LOOP; FOREACH z IN ARRAY arr LOOP NULL; END LOOP; END",
}

var otherBodies = []string{
	"SELECT opaque()", "SELECT missing()", "BEGIN EXECUTE 'SET app.' || k; END", "BEGIN EXECUTE format('INSERT INTO %I VALUES (1)', t); END", "BEGIN EXECUTE $1; END",
	"BEGIN PERFORM * FROM missing; END", "BEGIN CREATE TABLE x (); END", "BEGIN REFRESH MATERIALIZED VIEW x; END", "BEGIN whatever x; END",
	"BEGIN RETURN QUERY EXECUTE q; END", "BEGIN FOR r IN EXECUTE q LOOP NULL; END LOOP; END", "BEGIN x := missing(1); END", "DECLARE x int := missing(); BEGIN END",
	"BEGIN IF missing() THEN NULL; END IF; END", "BEGIN OPEN c FOR EXECUTE q; END", "BEGIN PERFORM get(1); END", "BEGIN EXECUTE 'select missing()'; END", "BEGIN DO 'x'; END",
	`BEGIN EXECUTE E'\x53ET app.x = 1'; END`, `BEGIN EXECUTE '\x53ET app.x = 1'; END`, "BEGIN IF (SELECT 1 AS case) = 1 THEN ALTER TABLE accounts ADD x int; END IF; END",
}

func TestFunctionsArePlainIfTheirWholeBodyIs(t *testing.T) {
	body := func(source string) Impact {
		return newNames([]Definition{
			{isRelation, "accounts", ""}, {isFunction, "helper", "SELECT 1"}, {isFunction, "opaque", "BEGIN EXECUTE q; END"},
			{isFunction, "f", source},
		}, "1").Read([]byte("select f()")).Impact
	}
	for _, source := range plainBodies {
		if impact := body(source) &^ Releases; impact != 0 {
			t.Errorf("%s: impact %b", source, impact)
		}
	}
	for _, source := range otherBodies {
		if impact := body(source); impact&Unknown == 0 {
			t.Errorf("%s: impact %b", source, impact)
		}
	}
}

// FuzzPlainTextsHaveNoEffects checks that a text without an impact has no effects that
// sqlscan finds.
func FuzzPlainTextsHaveNoEffects(f *testing.F) {
	for _, text := range []string{"select 1", `select "SET_CONFIG"('a','b',false)`, "select 1 into temp x", "create table pg_temp.x ()", "commit and chain",
		"update pg_settings set setting = 1", "with x as (select pg_advisory_lock(1)) select 1", "declare c cursor with hold for select 1", "select pg_temp_3.f()",
		"explain select setseed(1)", "(select currval('x'))", "; ;listen x", "/**/ set x = 1", `select U&"\0066"(1)`} {
		f.Add([]byte(text))
	}
	n := readerNames()
	f.Fuzz(func(t *testing.T, text []byte) {
		r := n.Read(text)
		for _, backslash := range []bool{false, true} {
			s := sqlscan.NewScanner(text, backslash)
			for st, ok := s.Next(); ok; st, ok = s.Next() {
				if want := readStatement(st).Impact &^ Begins; want&^r.Impact != 0 && r.Impact&Unknown == 0 {
					t.Errorf("impact %b, but %b by sqlscan", r.Impact, want)
				}
			}
		}
	})
}
