//go:build unix

package txpool

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
)

func init() {
	scanScripts := map[string]string{
		"the catalog is scanned first": `
			unscanned
			c Q(select login())
			stalled
			> Q(scan)
			s T R(1 5) R(function:login=select set_config('app.who', 'bob', false)) C(SELECT 2) Z(I)
			c
			> Q(select login())
			s T D C(SELECT 1) Z(I)
			busy
			internal
			> Q(inspect settings, app.who)
			s T R(app.who=bob) C(SELECT 1) Z(I)
			< T D C(SELECT 1) Z(I)
			idle
			settings app.who=bob`,
		"the catalog is scanned before the next transaction of a link": `
			c Q(select 1)
			> Q(select 1)
			s C(SELECT 1) Z(I)
			< C(SELECT 1) Z(I)
			outdated
			c Q(select login())
			stalled
			> Q(check)
			s T R(1 5) C(SELECT 1) Z(I)
			c
			> Q(scan)
			s T R(1 5) R(function:login=select set_config('app.who', 'bob', false)) C(SELECT 2) Z(I)
			c
			> Q(select login())
			s C(SELECT 1) Z(I)
			busy
			internal
			> Q(inspect settings, app.who)
			s T R(app.who=bob) C(SELECT 1) Z(I)
			< C(SELECT 1) Z(I)
			idle
			settings app.who=bob`,
		"the catalog is not scanned within a transaction": `
			c Q(begin)
			> Q(begin)
			s C(BEGIN) Z(T)
			< C(BEGIN) Z(T)
			outdated
			c Q(select 1)
			> Q(select 1)
			s C(SELECT 1) Z(T)
			< C(SELECT 1) Z(T)`,
		"a failed scan is tried again by the next transaction": `
			unscanned
			c Q(select 1)
			s E(57014) Z(I)
			c
			> Q(scan) Q(select 1)
			s C(SELECT 1) Z(I)
			< C(SELECT 1) Z(I)
			busy
			internal
			> Q(inspect everything)
			s C(SELECT 0) Z(I)
			idle
			link c2 s1
			c Q(select 2)
			> Q(reset) Q(scan)
			s C(RESET) Z(I) T R(0 0) R(relation:t=) C(SELECT 2) Z(I)
			c
			> Q(select 2)
			s C(SELECT 1) Z(I)
			< C(SELECT 1) Z(I)
			idle
			link c1 s1
			c Q(select 3)
			> Q(select 3)
			s C(SELECT 1) Z(I)
			< C(SELECT 1) Z(I)`,
		"what a client defines is scanned": `
			c Q(create function f() as 'set a.b to 1')
			s C(CREATE FUNCTION) Z(I)
			busy
			internal
			> Q(create function f() as 'set a.b to 1') Q(inspect everything, a.b)
			s C(SELECT 0) Z(I)
			< C(CREATE FUNCTION) Z(I)
			idle
			c P(x,select f()) B(x) E S
			> Q(check)
			s T R(1 1) C(SELECT 1) Z(I)
			c
			> Q(scan)
			s T R(1 1) R(function:f=set a.b to 1) C(SELECT 2) Z(I)
			c
			s 1 2 C(SELECT 1) Z(I)
			internal
			> P(lb_1,select f()) B(lb_1) E S Q(inspect settings, a.b)
			s T R(a.b=1) C(SELECT 1) Z(I)
			< 1 2 C(SELECT 1) Z(I)
			idle
			settings a.b=1`,
		"nothing is known while definitions change": `
			c Q(begin)
			s C(BEGIN) Z(T)
			c Q(create view v as select 1)
			s C(CREATE VIEW) Z(T)
			> Q(begin) Q(create view v as select 1)
			< C(BEGIN) Z(T) C(CREATE VIEW) Z(T)
			changing
			c Q(rollback)
			s C(ROLLBACK) Z(I)
			> Q(rollback)
			< C(ROLLBACK) Z(I)
			internal
			> Q(inspect everything)
			s C(SELECT 0) Z(I)
			idle`,
		"disconnected after creating a function": `
			c Q(create function f() as 'set a.b to 1')
			s C(CREATE FUNCTION) Z(I)
			disconnect
			internal
			> Q(create function f() as 'set a.b to 1') Q(inspect everything, a.b)
			s C(SELECT 0) Z(I)
			< C(CREATE FUNCTION) Z(I)
			idle
			link c2 s1
			c Q(select f())
			> Q(reset) Q(check)
			s C(RESET) Z(I) T R(1 1) C(SELECT 1) Z(I)
			c
			> Q(scan)
			s T R(1 1) R(function:f=select 1) C(SELECT 2) Z(I)
			c
			> Q(select f())
			s C(SELECT 1) Z(I)
			< C(SELECT 1) Z(I)
			idle`,
		"an unknown text": `
			c Q(select g())
			s C(SELECT 1) Z(I)
			> Q(select g())
			< C(SELECT 1) Z(I)
			internal
			> Q(inspect everything, hidden)
			s C(SELECT 0) Z(I)
			idle
			c Q(select 1)
			> Q(select 1)
			s C(SELECT 1) Z(I)
			< C(SELECT 1) Z(I)
			idle
			link c2 s1
			c Q(select 1)
			> Q(reset) Q(select 1)
			s C(RESET) Z(I) C(SELECT 1) Z(I)
			< C(SELECT 1) Z(I)
			idle
			link c1 s1
			c Q(select 1)
			> Q(select 1)
			s C(SELECT 1) Z(I)
			< C(SELECT 1) Z(I)
			idle`,
	}
	for name, script := range scanScripts {
		scripts[name] = script
	}
}

// The state that a function leaves in a session stays with its client, wherever the
// function is called from.
func TestFunctionsKeepState(t *testing.T) {
	pool := newPool(t, testpostgres.Start(t))
	setup := pool.others[1]
	for _, text := range []string{
		`CREATE TABLE t (x int)`,
		`CREATE TABLE parts (x int) PARTITION BY LIST (x)`,
		`CREATE TABLE part PARTITION OF parts DEFAULT`,
		`CREATE FUNCTION login(who text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.who', who, false) $$`,
		`CREATE FUNCTION atomic_login() RETURNS text BEGIN ATOMIC SELECT login('atomic'); END`,
		`CREATE FUNCTION indirect() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM login('indirect'); END $$`,
		`CREATE PROCEDURE enter() LANGUAGE plpgsql AS $$ BEGIN SET app.who = 'procedure'; END $$`,
		`CREATE FUNCTION dynamic() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SET app.who = %L', 'dynamic'); END $$`,
		`CREATE FUNCTION memory() RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '77MB'; END $$`,
		`CREATE FUNCTION make_temp() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE IF NOT EXISTS mine (x int); END $$`,
		`CREATE FUNCTION lock() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_lock(1) $$`,
		`CREATE FUNCTION hear() RETURNS void LANGUAGE plpgsql AS $$ BEGIN LISTEN news; END $$`,
		`CREATE FUNCTION run(command text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; END $$`,
		`CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM login('trigger'); RETURN new; END $$`,
		`CREATE TRIGGER noted BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noted()`,
		`CREATE TRIGGER noted BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION noted()`,
		`CREATE VIEW v AS SELECT login('view') AS x`,
		`CREATE VIEW w AS SELECT * FROM v`,
		`CREATE TABLE d (x text DEFAULT login('default'))`,
		`CREATE ROLE plain LOGIN IN ROLE pg_execute_server_program`,
		`GRANT ALL ON ALL TABLES IN SCHEMA public TO plain`,
	} {
		setup.mustRun(t, text)
	}
	pool.user = "plain" // a superuser's functions may do what cannot be inspected
	pool.links = []*link{pool.dial(t)}
	random := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct{ text, user, pin string }{
		{text: "select login('bob')", user: "bob"},
		{text: "select atomic_login()", user: "atomic"},
		{text: "select indirect()", user: "indirect"},
		{text: "call enter()", user: "procedure"},
		{text: "select dynamic()", user: "dynamic"},
		{text: "select run('set app.who to 77')", user: ""},
		{text: "insert into t values (1)", user: "trigger"},
		{text: "copy t from program 'echo 1'", user: "trigger"},
		{text: "insert into parts values (1)", user: "trigger"},
		{text: "select * from v", user: "view"},
		{text: "select * from w", user: "view"},
		{text: "insert into d default values", user: "default"},
		{text: "do $$begin perform set_config('app.who', 'done', false); end$$", user: "done"},
		{text: "do $$begin perform login('deep'); end$$", user: "deep"},
		{text: "select make_temp()", pin: "TEMP"},
		{text: "select run('create temp table theirs ()')", pin: "TEMP"},
		{text: "select lock()", pin: "ADVISORY LOCK"},
		{text: "select hear()", pin: "LISTEN"},
	} {
		playing = tt.text
		client, other := NewClient(&pool.table), NewClient(&pool.table)
		pool.ask(t, client, fromClient("Q("+tt.text+")"), 1, random)
		if client.Pinned() != tt.pin {
			t.Errorf("%s: pinned %q, want %q", tt.text, client.Pinned(), tt.pin)
		}
		who := fromClient("Q(select 'user is '||coalesce(current_setting('app.who', true), ''))")
		if tt.pin == "" {
			got := string(pool.ask(t, other, who, 1, random))
			if !strings.Contains(got, "user is \x00") && !strings.Contains(got, "user is C") {
				t.Errorf("%s: another client sees %q", tt.text, got)
			}
			got = string(pool.ask(t, client, who, 1, random))
			if tt.user != "" && !strings.Contains(got, "user is "+tt.user) {
				t.Errorf("%s: the client itself sees %q", tt.text, got)
			}
		}
		pool.disconnect(t, client, random)
		pool.disconnect(t, other, random)
	}

	client, other := NewClient(&pool.table), NewClient(&pool.table)
	pool.ask(t, client, fromClient("Q(select memory())"), 1, random)
	if got := string(pool.ask(t, other, fromClient("Q(show work_mem)"), 1, random)); strings.Contains(got, "77MB") {
		t.Errorf("another client sees %q", got)
	}
	if got := string(pool.ask(t, client, fromClient("Q(show work_mem)"), 1, random)); !strings.Contains(got, "77MB") {
		t.Errorf("the client itself sees %q", got)
	}
	pool.disconnect(t, client, random)
	pool.disconnect(t, other, random)
}

// mustRun runs a query that must succeed.
func (l *link) mustRun(t *testing.T, text string) {
	t.Helper()
	if got := written(pgwire.FromServer, l.ask(t, message('Q', text, "\x00"), 1)); strings.Contains(got, "E(") {
		t.Fatalf("%s: %s", text, got)
	}
}
