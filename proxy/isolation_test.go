package proxy_test

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy"
)

// isSeeded tells whether random() returns one of the first three values after
// setseed(0.5), as PostgreSQL has returned them since version 15.
const isSeeded = `(random() IN (0.9851677175347999, 0.825301858027981, 0.12974610012450416))::text`

// isolationCases are texts of a client that leave something in its session. Each
// client sees what it would see by a connection of its own.
var isolationCases = []struct {
	name   string
	setup  []string // by a direct connection, before the proxy reads the database
	first  []string // by one client
	second string   // by another one, then by the first
	pinned bool     // the first keeps its server connection, so it leaves before the other comes
}{
	{name: "a format string", first: []string{`do $$begin execute format('SET app.%I = %L', 'k', 'v'); end$$`}, second: `coalesce(current_setting('app.k', true), '')`, pinned: true},
	{name: "a concatenated SET", first: []string{`do $$begin execute 'SET '||'app.k'||' = 1'; end$$`}, second: `coalesce(current_setting('app.k', true), '')`, pinned: true},
	{name: "a concatenated temporary table", first: []string{`do $$begin execute 'create '||'temp table x()'; end$$`}, second: `to_regclass('pg_temp.x')::text`, pinned: true},
	{name: "a concatenated LISTEN", first: []string{`do $$begin execute 'LIS'||'TEN c'; end$$`}, second: `(select count(*) from pg_listening_channels())::text`, pinned: true},
	{name: "a view", setup: []string{`create view v as select set_config('app.v', '1', false)`}, first: []string{`select * from v`}, second: `coalesce(current_setting('app.v', true), '')`},
	{name: "a default", setup: []string{`create table d (x int, y text default set_config('app.d', '1', false))`}, first: []string{`insert into d values (1)`}, second: `coalesce(current_setting('app.d', true), '')`},
	{name: "a check", setup: []string{`create table c (x int check (set_config('app.c', x::text, false) is not null))`}, first: []string{`insert into c values (7)`}, second: `coalesce(current_setting('app.c', true), '')`},
	{name: "a rule", setup: []string{`create table r (x int)`, `create rule ru as on insert to r do also select set_config('app.r', '1', false)`}, first: []string{`insert into r values (7)`}, second: `coalesce(current_setting('app.r', true), '')`},
	{name: "the default of an argument", setup: []string{`create function fd(x text default set_config('app.a', '1', false)) returns text language sql as 'select $1'`}, first: []string{`select fd()`}, second: `coalesce(current_setting('app.a', true), '')`},
	{name: "an aggregate", setup: []string{`create aggregate agg(text, bool) (sfunc = set_config, stype = text, initcond = 'app.g')`}, first: []string{`select agg('1', false)`}, second: `coalesce(current_setting('app.g', true), '')`, pinned: true},
	{name: "an operator", setup: []string{`create operator ## (leftarg = int, rightarg = int, function = pg_advisory_lock)`}, first: []string{`select 1 ## 2`}, second: `(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())::text`, pinned: true},
	{name: "a view over pg_settings", setup: []string{`create view vs as select * from pg_settings`}, first: []string{`update vs set setting = '7MB' where name = 'work_mem'`}, second: `current_setting('work_mem')`},
	{name: "query_to_xml", first: []string{`select query_to_xml('select set_config(''work_mem'', ''7MB'', false)', true, true, '')`}, second: `current_setting('work_mem')`},
	{name: "a long name", first: []string{`set app.abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij = 'x'`}, second: `coalesce(current_setting('app.abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc', true), '')`},
	{name: "a name that SET would cut", first: []string{`select set_config('app.abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij', 'x', false)`}, second: `coalesce(current_setting('app.abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij', true), '')`},
	{name: "setseed by its OID", first: []string{"call 1599 0x3fe0000000000000"}, second: isSeeded, pinned: true},
	{name: "letters with accents", first: []string{`select set_config('app.Ünser', 'x', false)`}, second: `coalesce(current_setting('app.Ünser', true), '')`},
	{name: "set_config of the seed", first: []string{`select set_config('seed', '0.5', false)`}, second: isSeeded, pinned: true},
	{name: "SET seed in a function", setup: []string{`create function reseed() returns void language plpgsql as 'begin set seed = 0.5; end'`}, first: []string{`select reseed()`}, second: isSeeded, pinned: true},
	{name: "SET seed", first: []string{`set seed = 0.5`}, second: isSeeded, pinned: true},
	{name: "a temporary collation", first: []string{`create collation pg_temp.mine from "C"`}, second: `(select count(*) from pg_collation where collname = 'mine' and pg_collation_is_visible(oid))::text`, pinned: true},
	{name: "backslashes", first: []string{`set standard_conforming_strings = off`, `select 'x\'', set_config('app.b', '1', false), '\''`}, second: `coalesce(current_setting('app.b', true), '')`, pinned: true},
	{name: "a bit string", first: []string{`do $$begin perform set_config('app.x', '1', false); end$$ /* x'\' */`}, second: `coalesce(current_setting('app.x', true), '')`},
	{name: "defined and used in a transaction", first: []string{`begin; create function pg_temp.f() returns text language sql as 'select set_config(''work_mem'', ''7MB'', false)'; select pg_temp.f(); drop function pg_temp.f(); commit`}, second: `current_setting('work_mem')`},
	{name: "defined, used and dropped in a query", first: []string{`create function fx() returns text language sql as 'select set_config(''work_mem'', ''9MB'', false)'; select fx(); drop function fx()`}, second: `current_setting('work_mem')`},
	{name: "an operator in a changed search_path", first: []string{
		`create schema evil`, `create function evil.eq(text, text) returns bool language sql as 'select false'`, `create operator evil.= (leftarg = text, rightarg = text, function = evil.eq)`,
		`create table evil.accounts as select 'evil' as x`, `set search_path = evil, pg_catalog, public`}, second: `current_setting('search_path') || to_regclass('accounts')::text`},
	{name: "an encoding", first: []string{`set app.tenant = 'Łódź'; select 1; set client_encoding = 'LATIN1'; select 2`}, second: `md5(convert_to(coalesce(current_setting('app.tenant', true), ''), 'UTF8'))`},
	{name: "a limit of time", first: []string{`set statement_timeout = '1s'; set work_mem = '7MB'`}, second: `current_setting('work_mem') || current_setting('statement_timeout')`},
	{name: "a role's limit of time", setup: []string{`alter role current_user set statement_timeout = '50ms'`}, first: []string{`do $$begin execute format('SET work_mem = %L', '7MB'); end$$`}, second: `current_setting('work_mem') || current_setting('statement_timeout')`},
	{name: "set_config by its OID", first: []string{"call 2078 work_mem 7MB 0x00"}, second: `current_setting('work_mem')`, pinned: true},
	{name: "a lock by its OID", first: []string{"call 2880 0x0000000000000007"}, second: `(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())::text`, pinned: true},
	{name: "a function that a block replaces", setup: []string{`create function g() returns text language sql as 'select 1::text'`}, first: []string{
		`select g()`, `do $$begin create or replace function g() returns text language sql as 'select set_config(''work_mem'', ''7MB'', false)'; end$$`, `select g()`}, second: `current_setting('work_mem')`},
	{name: "temp_buffers", first: []string{`set temp_buffers = '2MB'`, `create temp table tb (x int)`, `insert into tb values (1)`, `drop table tb`}, second: `current_setting('temp_buffers')`},
}

func TestClientsSeeOnlyTheirOwnSession(t *testing.T) {
	t.Parallel()
	for _, tt := range isolationCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			connector := newConnector(t, leaseInstance(t))
			want := isolation(t, connector, tt.setup, tt.first, tt.second, tt.pinned, false)
			if got := isolation(t, connector, tt.setup, tt.first, tt.second, tt.pinned, true); got != want {
				t.Errorf("%s\nthrough the proxy: %s\ndirect:            %s", strings.Join(tt.first, ";\n"), got, want)
			}
		})
	}
}

// isolation returns what two clients see of an instance that no other test uses, and
// leaves nothing in it.
func isolation(t *testing.T, connector *lakebase.Connector, setup, texts []string, look string, pinned, proxied bool) string {
	direct := connectTo(t, connector)
	for _, text := range setup {
		exec(t, direct, text)
	}
	defer exec(t, direct, "alter role current_user reset all; reset all; drop owned by current_user")
	connectOne := func() *pgx.Conn { return connectTo(t, connector) }
	if proxied {
		r := startPooled(t, proxy.Config{DefaultPoolSize: 1, Targets: map[string]*lakebase.Connector{"shop": connector}})
		connectOne = r.connect
	}
	simple := func(conn *pgx.Conn, text string) string {
		var out []string
		results, err := conn.PgConn().Exec(t.Context(), text).ReadAll()
		for tries := 0; sqlstate(err) == "57014" && tries < 100; tries++ { // a limit of time ends anything on a busy machine
			results, err = conn.PgConn().Exec(t.Context(), text).ReadAll()
		}
		for _, result := range results {
			for _, row := range result.Rows {
				out = append(out, fmt.Sprintf("%s", row))
			}
		}
		if err != nil {
			out = append(out, err.Error())
		}
		return strings.Join(out, " ")
	}
	first := connectOne()
	simple(first, "select 1")
	for _, text := range texts {
		if call, ok := strings.CutPrefix(text, "call "); ok {
			callByOID(t, first, strings.Fields(call)...)
		} else {
			simple(first, text)
		}
	}
	seen := []string{simple(first, "select "+look)}
	if pinned {
		if err := first.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	second := connectOne()
	seen = append(seen, simple(second, "select "+look))
	if !pinned {
		seen = append(seen, simple(first, "select "+look))
	}
	for _, conn := range []*pgx.Conn{first, second} {
		conn.Close(t.Context())
	}
	return strings.Join(seen, " | ")
}

// callByOID calls a function by a FunctionCall message: its OID, and arguments in binary
// form, as text or in hexadecimal.
func callByOID(t *testing.T, conn *pgx.Conn, call ...string) {
	t.Helper()
	oid, err := strconv.ParseUint(call[0], 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	m := &pgproto3.FunctionCall{Function: uint32(oid), ArgFormatCodes: []uint16{1}, ResultFormatCode: 1}
	for _, arg := range call[1:] {
		value := []byte(arg)
		if digits, ok := strings.CutPrefix(arg, "0x"); ok {
			if value, err = hex.DecodeString(digits); err != nil {
				t.Fatal(err)
			}
		}
		m.Arguments = append(m.Arguments, value)
	}
	frontend := conn.PgConn().Frontend()
	frontend.Send(m)
	if err := frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		switch m, err := frontend.Receive(); m := m.(type) {
		case *pgproto3.ReadyForQuery:
			return
		case *pgproto3.ErrorResponse:
			t.Error(m.Message)
		default:
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// PostgreSQL fixes temp_buffers with a session's first temporary table. A client that
// comes later is told so, and keeps its session.
func TestTempBuffersAfterTemporaryTables(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1})
	first, second := r.connect(), r.connect()
	exec(t, first, "CREATE TEMP TABLE x AS SELECT 1; DROP TABLE x")
	if _, err := second.Exec(t.Context(), "SET temp_buffers = '2MB'"); sqlState(err) != "22023" {
		t.Errorf("got %v", err)
	}
	for _, conn := range []*pgx.Conn{first, second} {
		if got := one[string](t, conn, "SHOW temp_buffers"); got != "8MB" {
			t.Errorf("temp_buffers is %s", got)
		}
	}
}

// PostgreSQL reads 'now' as it prepares a statement. A client that prepares one gets the
// time at which it does so, not at which another client has prepared the same text.
func TestPreparedTextsMeanTheTimeOfTheirClient(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	const text = "SELECT 'now'::timestamptz"
	one[time.Time](t, r.connect(), text)
	began := one[time.Time](t, direct, "SELECT clock_timestamp()")
	if got := one[time.Time](t, r.connect(), text); got.Before(began) {
		t.Errorf("prepared after %s, it yields %s", began, got)
	}
}

// Only a new session has the settings that a role or a database has got: a client that
// connects afterwards does not get one from before.
func TestNewClientsGetNewSettingsOfRolesAndDatabases(t *testing.T) {
	t.Parallel()
	r, _ := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	admin := r.connect()
	for i, alter := range []string{
		"DATABASE " + pgx.Identifier{one[string](t, admin, "SELECT current_database()")}.Sanitize() + " SET work_mem = '7MB'",
		"DATABASE " + pgx.Identifier{one[string](t, admin, "SELECT current_database()")}.Sanitize() + " RESET work_mem",
		"ROLE CURRENT_USER SET work_mem = '7MB'",
		"ROLE CURRENT_USER RESET ALL",
	} {
		exec(t, admin, "BEGIN")
		exec(t, admin, "ALTER "+alter)
		exec(t, admin, "COMMIT")
		if got := one[string](t, r.connect(), "SHOW work_mem"); (got == "7MB") != (i%2 == 0) {
			t.Errorf("%s: a new client has %s", alter, got)
		}
	}
}
