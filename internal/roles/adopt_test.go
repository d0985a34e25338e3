package roles_test

import (
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/roles"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
)

// plainServer is a PostgreSQL server, with the roles of a person, of an app, and of a
// pipeline of the service.
type plainServer struct {
	t      *testing.T
	socket string
	super  *pgx.Conn
}

const (
	person   = `dev"o'x@example.com`
	app      = "0ad623cd-2827-40d9-917e-1b9f824e4c57"
	pipeline = "databricks_writer_16385"
	strange  = "sh\"o'p\n\x1b[31m %s"
)

func newPlainServer(t *testing.T) *plainServer {
	p := &plainServer{t: t, socket: testpostgres.Start(t).SocketDir()}
	p.super = session(t, p.as(postgres.Admin))
	execute(t, p.super, "CREATE ROLE "+quote(person)+" LOGIN CREATEROLE", "CREATE ROLE "+quote(app)+" LOGIN", "CREATE ROLE "+pipeline+" LOGIN",
		"CREATE ROLE ann LOGIN", "GRANT CREATE ON DATABASE postgres TO "+quote(person))
	return p
}

// as is the URL of the server for a role.
func (p *plainServer) as(role string) string {
	u := url.URL{Scheme: "postgres", Path: "/postgres", RawQuery: url.Values{"user": {role}, "host": {p.socket}, "port": {"5432"}}.Encode()}
	return u.String()
}

// administer lets the person become a member of roles, on every version of Postgres.
func (p *plainServer) administer(roles ...string) {
	for _, r := range roles {
		with := " WITH ADMIN OPTION"
		if ask[bool](p.t, p.super, "select current_setting('server_version_num')::int >= 160000") {
			with = " WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
		}
		execute(p.t, p.super, "GRANT "+quote(r)+" TO "+quote(person)+with)
	}
}

// everyKind creates an object of every kind that a schema can hold, as the superuser,
// who gives those that have an owner to a role.
const everyKind = `
CREATE TABLE %[1]s."T a" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n serial, t text UNIQUE);
CREATE TABLE %[1]s.parent (n int) PARTITION BY RANGE (n);
CREATE TABLE %[1]s.child PARTITION OF %[1]s.parent FOR VALUES FROM (0) TO (9);
CREATE UNLOGGED TABLE %[1]s.unlogged (n int);
CREATE INDEX ON %[1]s.parent (n);
CREATE SEQUENCE %[1]s.loose;
CREATE VIEW %[1]s.v AS SELECT * FROM %[1]s.parent;
CREATE MATERIALIZED VIEW %[1]s.m AS SELECT 1 AS one;
CREATE FOREIGN DATA WRAPPER w_%[2]s;
CREATE SERVER s_%[2]s FOREIGN DATA WRAPPER w_%[2]s;
CREATE FOREIGN TABLE %[1]s.far (n int) SERVER s_%[2]s;
CREATE TYPE %[1]s.pair AS (a int, b int);
CREATE TYPE %[1]s.mood AS ENUM ('good', 'bad');
CREATE TYPE %[1]s.span AS RANGE (subtype = float8);
CREATE DOMAIN %[1]s.positive AS int CHECK (VALUE > 0);
CREATE FUNCTION %[1]s.f(a int, VARIADIC b text[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION %[1]s.f(OUT a int, OUT b %[1]s.mood) LANGUAGE sql AS $$SELECT 1, 'good'::%[1]s.mood$$;
CREATE FUNCTION %[1]s.rights() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
CREATE FUNCTION %[1]s.on_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER changed BEFORE INSERT ON %[1]s."T a" FOR EACH ROW EXECUTE FUNCTION %[1]s.on_change();
CREATE PROCEDURE %[1]s.p(a int, INOUT b int) LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE %[1]s.total(int) (SFUNC = int4pl, STYPE = int);
CREATE AGGREGATE %[1]s.counted(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0');
CREATE AGGREGATE %[1]s.middle(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = mode_final, FINALFUNC_EXTRA = false);
CREATE OPERATOR %[1]s.@@+ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl);
CREATE OPERATOR %[1]s.!!! (RIGHTARG = int, FUNCTION = int4um);
CREATE OPERATOR FAMILY %[1]s.family USING btree;
CREATE OPERATOR CLASS %[1]s.class FOR TYPE int USING hash AS OPERATOR 1 =;
CREATE COLLATION %[1]s.coll FROM "C";
CREATE CONVERSION %[1]s.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE STATISTICS %[1]s.stats ON id, t FROM %[1]s."T a";
CREATE TEXT SEARCH DICTIONARY %[1]s.dict (TEMPLATE = simple);
CREATE TEXT SEARCH CONFIGURATION %[1]s.conf (COPY = simple);
CREATE TEXT SEARCH PARSER %[1]s.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE %[1]s.template (LEXIZE = dsimple_lexize);
CREATE TABLE %[1]s."of the pipeline" (id serial);
ALTER TABLE %[1]s."of the pipeline" OWNER TO databricks_writer_16385;
CREATE TABLE %[1]s.service (n int);`

// giveTo makes a role the owner of all that the superuser has in a schema and in no
// extension.
func (p *plainServer) giveTo(t *testing.T, role, schema string) {
	t.Helper()
	objects, err := roles.Objects(t.Context(), p.super, schema, role)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		word := strings.ToUpper(o.Kind)
		switch o.Kind {
		case "function", "procedure", "aggregate":
			word = "ROUTINE"
		case "statistics object":
			word = "STATISTICS"
		case "text search parser", "text search template":
			continue
		}
		if o.Extension != "" || o.Owner != "" && o.Owner != postgres.Admin {
			continue
		}
		_, err := p.super.Exec(t.Context(), "ALTER "+word+" "+o.Name+" OWNER TO "+quote(role))
		if err != nil && !strings.Contains(err.Error(), "cannot ") { // change the owner of what follows another object
			t.Fatalf("%s: %v", o.Name, err)
		}
	}
}

func adopt(t *testing.T, a *roles.Admin, role string, schemas ...string) (*roles.Adoption, []string) {
	t.Helper()
	plan, err := a.PlanAdoption(t.Context(), role, schemas)
	if err != nil {
		t.Fatal(err)
	}
	notes, err := a.Adopt(t.Context(), plan, time.Second)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(plan.Statements, ";\n"))
	}
	return plan, notes
}

// ownersQuery has a row for each catalog whose rows are in a schema and have an owner.
const ownersQuery = `
SELECT format('SELECT %L, %I::regrole::text, (pg_identify_object(%L::regclass, oid, 0)).identity FROM pg_catalog.%I WHERE %I = $1::oid', c.relname, o.attname, c.oid::regclass, c.relname, n.attname)
  FROM pg_class c JOIN pg_attribute n ON n.attrelid = c.oid JOIN pg_attribute o ON o.attrelid = c.oid
 WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND n.attname ~ 'namespace$' AND o.attname ~ 'owner$'
   AND c.relname <> 'pg_extension' -- is in no schema: that is where its members are
 ORDER BY 1`

// After an adoption every row of every catalog that has a schema and an owner belongs
// to the role, or is named among what is left alone. So do the entries of pg_dump.
func TestAdoptionCoversEveryKindOfObject(t *testing.T) {
	t.Parallel()
	p := newPlainServer(t)
	p.administer(app)
	for _, schema := range []string{"shop", strange} {
		t.Run(schema, func(t *testing.T) {
			suffix := fmt.Sprint(len(schema))
			execute(t, p.super, "CREATE SCHEMA "+quote(schema))
			if _, err := p.super.Exec(t.Context(), fmt.Sprintf(everyKind, quote(schema), suffix)); err != nil {
				t.Fatal(err)
			}
			if schema == "shop" {
				execute(t, p.super, "CREATE EXTENSION citext SCHEMA shop")
			}
			p.giveTo(t, person, schema)
			execute(t, p.super, "ALTER TABLE "+quote(schema)+".service OWNER TO "+quote(postgres.Admin))

			plan, notes := adopt(t, open(t, p.as(person)), app, schema)
			if !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "rights() is SECURITY DEFINER") }) {
				t.Errorf("notes %q", notes)
			}
			left := map[string]bool{}
			for _, l := range plan.Left {
				left[l.Name] = true
				if l.Reason == "" {
					t.Errorf("no reason for %s", l.Name)
				}
			}
			found := map[string]int{}
			queries, err := column(t, p.super, ownersQuery)
			if err != nil || len(queries) < 11 {
				t.Fatalf("%d catalogs, %v", len(queries), err)
			}
			for _, query := range queries {
				rows, _ := p.super.Query(t.Context(), query, ask[uint32](t, p.super, "select oid from pg_namespace where nspname = $1", schema))
				var catalog, owner, name string
				if _, err := pgx.ForEachRow(rows, []any{&catalog, &owner, &name}, func() error {
					found[catalog] += 0
					switch {
					case owner == quote(app):
						found[catalog]++
					case left[strings.TrimSuffix(name, "[]")], strings.HasPrefix(owner, "databricks_writer_"), strings.Contains(name, "service"):
					default:
						t.Errorf("%s %s belongs to %s, and is not named", catalog, name, owner)
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			}
			for catalog, n := range found {
				if n == 0 {
					t.Errorf("nothing of %s was adopted", catalog)
				}
			}
			if len(found) != len(queries) {
				t.Errorf("the schema holds nothing of some catalogs: %v", found)
			}
			for _, name := range []string{`"of the pipeline"`, "service", "parser", "template"} {
				if !left[quoteIdent(t, p.super, schema)+"."+name] {
					t.Errorf("%s is not named: %+v", name, plan.Left)
				}
			}
			if again, err := open(t, p.as(person)).PlanAdoption(t.Context(), app, []string{schema}); err != nil || len(again.Statements) != 0 || len(again.Left) != len(plan.Left) {
				t.Errorf("again: %+v, %v", again, err)
			}
			p.compareDump(t, schema, left)
		})
	}
	if ask[bool](t, p.super, "select pg_has_role($1, $2, 'USAGE')", person, app) && ask[bool](t, p.super, "select current_setting('server_version_num')::int >= 160000") {
		t.Error("the person is still a member")
	}
}

var dumpEntry = regexp.MustCompile(`(?m)^-- Name: (.*); Type: (.*); Schema: .*; Owner: (.*)$`)

// compareDump verifies the owners that pg_dump, where there is one that fits the
// server, writes for a schema.
func (p *plainServer) compareDump(t *testing.T, schema string, left map[string]bool) {
	t.Helper()
	install, err := postgres.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(install.BinDir, "pg_dump")
	if _, err := exec.LookPath(program); err != nil || schema != "shop" {
		return
	}
	dump, err := exec.Command(program, "--schema-only", "--schema", schema, p.as(postgres.Admin)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, dump)
	}
	kinds := map[string]bool{}
	for _, entry := range dumpEntry.FindAllStringSubmatch(string(dump), -1) {
		name, kind, owner := entry[1], entry[2], entry[3]
		if owner == app {
			kinds[kind] = true
		} else if owner != "-" && !left["shop."+quoteIdent(t, p.super, name)] && !strings.Contains(name, "of the pipeline") && owner != postgres.Admin {
			t.Errorf("pg_dump: %s %s belongs to %s", kind, name, owner)
		}
	}
	if len(kinds) < 20 {
		t.Errorf("pg_dump lists only %d kinds: %v", len(kinds), kinds)
	}
}

func quoteIdent(t *testing.T, conn *pgx.Conn, name string) string {
	t.Helper()
	return ask[string](t, conn, "select quote_ident($1)", name)
}

func column(t *testing.T, conn *pgx.Conn, sql string, args ...any) ([]string, error) {
	t.Helper()
	rows, _ := conn.Query(t.Context(), sql, args...)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// A refusal says in one line which right is lacking, and names who could help; nothing
// has changed then.
func TestAdoptionRefusals(t *testing.T) {
	t.Parallel()
	p := newPlainServer(t)
	// Since Postgres 16 it takes the administration of a role to become its member;
	// before that, CREATEROLE does.
	execute(t, p.super, "ALTER ROLE "+quote(person)+" NOCREATEROLE", "CREATE ROLE boss", "CREATE SCHEMA shop AUTHORIZATION "+quote(person),
		"CREATE TABLE shop.mine (n int)", "ALTER TABLE shop.mine OWNER TO "+quote(person), "CREATE TABLE shop.anns (n int)", "ALTER TABLE shop.anns OWNER TO ann",
		"GRANT "+quote(app)+" TO boss WITH ADMIN OPTION")
	a := open(t, p.as(person))
	unchanged := func(words ...string) {
		t.Helper()
		plan, err := a.PlanAdoption(t.Context(), app, []string{"shop"})
		if err == nil {
			_, err = a.Adopt(t.Context(), plan, time.Second)
		}
		wantProblem(t, err, words...)
		if n := ask[int](t, p.super, "select count(*)::int from pg_class where relnamespace = 'shop'::regnamespace and relowner = to_regrole($1)", quote(app)); n != 0 {
			t.Errorf("%d tables were adopted", n)
		}
	}
	unchanged("may not make "+app+" an owner", "may not become one", "run by boss", "lakebase roles grant "+app+" --all --schema shop")
	p.administer(app)
	unchanged("may not give away the table shop.anns of ann", "no role but the service's own administers ann")
	p.administer("ann")
	execute(t, p.super, "REVOKE CREATE ON DATABASE postgres FROM "+quote(person))
	unchanged("may not run ALTER SCHEMA shop OWNER TO", "permission denied for database postgres", "GRANT CREATE ON DATABASE")
	execute(t, p.super, "GRANT CREATE ON DATABASE postgres TO "+quote(person))
	adopt(t, a, app, "shop")

	for name, words := range map[string][]string{
		"ghost@example.com": {"there is no role"}, pipeline: {"does not adopt anything"}, "public": {"means every role"}, "": {"is empty"},
	} {
		_, err := a.PlanAdoption(t.Context(), name, []string{"shop"})
		wantProblem(t, err, words...)
	}
	for schema, words := range map[string]string{
		"Shop": `has no schema "Shop"`, "pg_catalog": "one of the server's own", "information_schema": "one of the server's own", "pg_toast": "one of the server's own",
	} {
		_, err := a.PlanAdoption(t.Context(), app, []string{schema})
		wantProblem(t, err, words, fmt.Sprintf("%q", schema), "shop")
	}
	once, err := a.PlanAdoption(t.Context(), "boss", []string{"shop"})
	if err != nil && len(once.Statements) == 0 {
		t.Fatal(err)
	}
	if twice, _ := a.PlanAdoption(t.Context(), "boss", []string{"shop", "shop"}); !slices.Equal(once.Statements, twice.Statements) {
		t.Errorf("a schema that is named twice: %q, once: %q", twice.Statements, once.Statements)
	}
	_, err = a.PlanAdoption(t.Context(), app, []string{"a\x00b"})
	wantProblem(t, err, "is not the name of a schema")
}

// An adoption ends soon where another session holds a lock, and changes nothing where
// the schema is not as it was shown.
func TestAdoptionBesideOtherSessions(t *testing.T) {
	t.Parallel()
	p := newPlainServer(t)
	p.administer(app)
	a, other := open(t, p.as(person)), session(t, p.as(person))
	execute(t, other, "CREATE SCHEMA shop", "CREATE TABLE shop.orders (n int)")
	plan, err := a.PlanAdoption(t.Context(), app, []string{"shop"})
	if err != nil {
		t.Fatal(err)
	}
	retry := func(words ...string) {
		t.Helper()
		_, err := a.Adopt(t.Context(), plan, 100*time.Millisecond)
		wantProblem(t, err, words...)
		if e := (*roles.Error)(nil); !errors.As(err, &e) || !e.Retry {
			t.Errorf("%v is not worth a second try", err)
		}
	}
	execute(t, other, "BEGIN", "LOCK TABLE shop.orders IN ACCESS SHARE MODE")
	retry("another session holds a lock", "ALTER TABLE shop.orders OWNER TO", "try again")
	execute(t, other, "COMMIT", "CREATE TABLE shop.more (n int)")
	retry("has changed in the meantime", "try again")
	if owner := ask[string](t, p.super, "select relowner::regrole::text from pg_class where oid = 'shop.orders'::regclass"); owner != quote(person) {
		t.Errorf("shop.orders belongs to %s", owner)
	}
	// The membership ends with the transaction.
	_, notes := adopt(t, a, app, "shop")
	if ask[bool](t, p.super, "select current_setting('server_version_num')::int >= 160000") &&
		ask[bool](t, p.super, "select pg_has_role($1, $2, 'SET')", person, app) {
		t.Error("the person is still a member")
	}
	if len(notes) != 1 || !strings.Contains(notes[0], person+" owns it no longer") {
		t.Errorf("notes %q", notes)
	}
}

// The schema public belongs to the database; what is in it is adopted without it. A
// view keeps to what its new owner may read.
func TestAdoptionOfPublic(t *testing.T) {
	t.Parallel()
	p := newPlainServer(t)
	p.administer(app)
	execute(t, p.super, "ALTER SCHEMA public OWNER TO pg_database_owner", "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
		"ALTER DATABASE postgres OWNER TO "+quote(person))
	person := session(t, p.as(person))
	execute(t, person, "CREATE TABLE public.orders (n int)", "CREATE SCHEMA other", "CREATE TABLE other.secrets (n int)",
		"CREATE VIEW public.latest AS SELECT * FROM other.secrets")
	plan, notes := adopt(t, open(t, p.as(`dev"o'x@example.com`)), app, "public")
	if !slices.ContainsFunc(plan.Left, func(l roles.Left) bool {
		return l.Kind == "schema" && l.Owner == "pg_database_owner" && l.Name == "public"
	}) {
		t.Errorf("left %+v", plan.Left)
	}
	if !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "latest reads other.secrets with the rights of "+app) }) {
		t.Errorf("notes %q", notes)
	}
	conn := session(t, p.as(app))
	execute(t, conn, "ALTER TABLE public.orders ADD COLUMN m int", "CREATE TABLE public.mine (n int)")
}

// On a local Lakebase, the role of an app that an owner has adopted a schema to works
// with it, and is not a member's or the owner's own any more.
func TestAdoptionOnLakebase(t *testing.T) {
	t.Parallel()
	instance := newInstance(t)
	a, conn := open(t, instance), session(t, instance)
	id, login := principal()
	create(t, a, id, roles.ServicePrincipal)
	execute(t, conn, "CREATE SCHEMA shop", "CREATE TABLE shop.orders (id serial, n int)")
	as := sessionAs(t, instance, login)
	if _, err := as.Exec(t.Context(), "TABLE shop.orders"); err == nil || !strings.Contains(err.Error(), "42501") {
		t.Fatalf("before: %v", err)
	}
	adopt(t, a, id, "shop")
	execute(t, as, "INSERT INTO shop.orders (n) VALUES (1)", "ALTER TABLE shop.orders ADD COLUMN m int", "CREATE INDEX ON shop.orders (n)", "DROP SCHEMA shop CASCADE")
}

// Names that do harm in SQL that does not quote them are adopted as others.
func TestAdoptionQuotesNastyNames(t *testing.T) {
	t.Parallel()
	instance := newInstance(t)
	a, conn := open(t, instance), session(t, instance)
	for _, name := range nasty {
		create(t, a, name, roles.Group)
		execute(t, conn, "CREATE SCHEMA "+quote(name), "CREATE TABLE "+quote(name)+"."+quote(name)+" ("+quote(name)+" serial)",
			"CREATE FUNCTION "+quote(name)+"."+quote(name)+"("+quote(name)+"."+quote(name)+") RETURNS int LANGUAGE sql AS 'SELECT 1'")
		adopt(t, a, name, name)
		if n := ask[int](t, conn, `select count(*)::int from pg_namespace n join pg_roles r on r.rolname = n.nspname
			where n.nspname = $1 and n.nspowner = r.oid and (select relowner from pg_class where relnamespace = n.oid and relkind = 'r') = r.oid
			and (select proowner from pg_proc where pronamespace = n.oid) = r.oid`, name); n != 1 {
			t.Errorf("%q is not adopted", name)
		}
	}
}

// A table that another session drops while the adoption waits for it ends that, with
// nothing changed.
func TestAdoptionOfWhatIsBeingDropped(t *testing.T) {
	t.Parallel()
	p := newPlainServer(t)
	p.administer(app)
	a, other := open(t, p.as(person)), session(t, p.as(person))
	execute(t, other, "CREATE SCHEMA shop", "CREATE TABLE shop.a (n int)", "CREATE TABLE shop.b (n int)")
	plan, err := a.PlanAdoption(t.Context(), app, []string{"shop"})
	if err != nil {
		t.Fatal(err)
	}
	execute(t, other, "BEGIN", "DROP TABLE shop.b")
	done := make(chan error, 1)
	go func() {
		_, err := a.Adopt(t.Context(), plan, time.Minute)
		done <- err
	}()
	testkit.Eventually(t, "the adoption waits", func() bool {
		return ask[bool](t, p.super, "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%ALTER TABLE shop.b%')")
	})
	execute(t, other, "COMMIT")
	err = <-done
	wantProblem(t, err, "an object is gone", "ALTER TABLE shop.b", "try again")
	if owner := ask[string](t, p.super, "select relowner::regrole::text from pg_class where oid = 'shop.a'::regclass"); owner != quote(person) {
		t.Errorf("shop.a belongs to %s", owner)
	}
	adopt(t, a, app, "shop")
}
