//go:build unix

package sqlscan

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
)

// leftBehind returns what the session holds, by the name of an effect that must
// have been reported for it.
const leftBehind = `SELECT 'Set' WHERE current_setting('probe.x', true) <> ''
UNION ALL SELECT 'Temp' FROM pg_class WHERE relnamespace = pg_my_temp_schema()
UNION ALL SELECT 'Listen' FROM pg_listening_channels()
UNION ALL SELECT 'Prepare' FROM pg_prepared_statements WHERE from_sql
UNION ALL SELECT 'Hold' FROM pg_cursors WHERE is_holdable
UNION ALL SELECT 'AdvisoryLock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`

// mayLeave has the effects that account for each result of leftBehind.
var mayLeave = map[string]Effects{
	"Set": Set | SetConfig, "Temp": Temp, "Listen": Listen,
	"Prepare": Prepare, "Hold": Hold, "AdvisoryLock": AdvisoryLock,
}

func TestAgreesWithPostgres(t *testing.T) {
	server := testpostgres.Start(t)
	t.Run("texts", func(t *testing.T) { testTextsAgree(t, server) })
	t.Run("options", func(t *testing.T) { testOptionsAgree(t, server) })
}

// testTextsAgree runs random texts of easily misread pieces on a server. Classify
// must account for what they leave behind in the session, and Scanner must find as
// many statements as the server.
func testTextsAgree(t *testing.T, server *postgres.Server) {
	conn, err := connect(t.Context(), server, "")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "CREATE TABLE t (a int)")
	random := rand.New(rand.NewPCG(1, 2))
	accepted, effective := 0, 0
	for i := range 2500 {
		backslash := i%4 == 3
		exec(t, conn, "DISCARD ALL")
		if backslash {
			exec(t, conn, "SET standard_conforming_strings = off")
		}

		text := randomText(random)
		results, err := conn.Exec(t.Context(), text).ReadAll()
		if err != nil {
			exec(t, conn, "ROLLBACK")
		} else {
			accepted++
			if n := countStatements(text, backslash); n != len(results) {
				t.Errorf("backslash %v: %d statements in %q, Postgres finds %d", backslash, n, text, len(results))
			}
		}
		effects := classify([]byte(text))
		for _, left := range exec(t, conn, leftBehind) {
			effective++
			if effects&mayLeave[left] == 0 {
				t.Errorf("backslash %v: %q leaves %s behind but is %v", backslash, text, left, effects)
			}
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("%d texts accepted, %d things left behind", accepted, effective)
	if accepted < 500 || effective < 500 {
		t.Error("most texts are nonsense to Postgres: this shows little")
	}
}

func randomText(random *rand.Rand) string {
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	var b strings.Builder
	for range 1 + random.IntN(4) {
		b.WriteString(pick(gaps))
		for i, part := range strings.Split(pick(templates), " ") {
			if i > 0 {
				b.WriteString(pick(gaps))
			}
			if part == "?" {
				part = pick(values)
			}
			if random.IntN(4) == 0 {
				part = strings.ToUpper(part)
			}
			b.WriteString(part)
		}
		b.WriteString(pick(gaps))
		b.WriteString(pick([]string{";", ";", ";;", "; ;--;\n"}))
	}
	return b.String()
}

var templates = []string{
	"select ?", "select ? , ?", "select ?", "select ( ? ) || ?",
	"select ? as e'x'", "select ? as \"a;'\"\"\"", "select 1 as u&\"d\\0061t;a\"",
	"set probe.x = ?", "set session probe . x to ?", "set local probe.x = ?",
	"select set_config('probe.x', ? , false)", "select \"set_config\" ('probe.x', ? , false)",
	"select set_config('probe.x', ? , true)",
	"select U&\"set\\005fconfig\" ('probe.x', ? , false)",
	"create temp table if not exists x ( a int )", "create local temporary view v as select 1 as a",
	"select ? as a into temp y", "create table if not exists pg_temp . z ( )",
	"listen a", "prepare p as select ?", "prepare transaction (text) as select $1",
	"begin; declare c cursor with hold for select ? ; commit",
	"select pg_advisory_lock( length( ? ) )", "select pg_try_advisory_lock_shared ( 1 )",
	"select pg_advisory_xact_lock(1)",
	"create or replace rule r as on insert to t do also ( notify a ; notify b )",
}

var values = []string{
	"'x'", "'it''s'", "';'", "'--'", "'/*'", "''", "''''", `'\'`, `'\\'`, `'\''`, `'a\'' '`, `'\'';'`, `e'\';'`,
	`E'\\'`, `E'\\\''`, "'a'\n';b'", "e'a'\n'b\\';'", "e'a' -- '\n 'b\\''", "'a'  --;\n  '\\'",
	"$$;$$", "$a$ $$ ; $b$ $a$", "$a$$a$$a$", "$$'$$", "$_1$ $_$ $_1$", "$\u00e4$;'$\u00e4$",
	"U&'\\0061;'", "u&'!0061' uescape '!'", "n';'", "'a' || 'b'", "'\"'", "'$$'", "'$a$'",
	"'/*' || '*/'", "'set probe.x = 1; listen a'",
}

var gaps = []string{
	" ", " ", " ", "\n", "\t\r\n ", "\f", " /**/ ", "/*;*/", "/* ' */", "/* \" */", "/* /* ; */ */", "/*/ /**/ */",
	" --;\n", " -- '\r", "/* $$ */", " /*--*/ ", "/*\n*/", "/* $a$ -- \n */", "/***/", "/* **/",
}

func countStatements(text string, backslash bool) (n int) {
	s := NewScanner([]byte(text), backslash)
	for _, ok := s.Next(); ok; _, ok = s.Next() {
		n++
	}
	return n
}

// The server must parse options as ParseOptions does.
func testOptionsAgree(t *testing.T, server *postgres.Server) {
	ctx := t.Context()
	for _, options := range []string{
		`-c probe.a=b`, `-cprobe.a=b`, `--probe.a=b`, `-c probe.a=b\ c\\d\e -c probe.b=x`, ` -c  probe.a=1	--probe.a=2 `,
		`-c probe.a=`, `-c probe.a=b=c`, `-c probe.a=b\`, `--probe.a-b=c`, `-c probe.a=-c -c probe.b=--x=y`,
		`-c`, `-c probe.a`, `--probe.a`, `-c =b`, `probe.a=b`, `-c probe..a=b`,
	} {
		parsed, parseErr := ParseOptions(options)
		for _, written := range []string{options, formatOptions(parsed)} {
			if parseErr != nil && written != options {
				continue
			}
			conn, err := connect(ctx, server, written)
			if (err == nil) != (parseErr == nil) {
				t.Errorf("%q: Postgres says %v, ParseOptions %v", written, err, parseErr)
			}
			if err != nil {
				continue
			}
			want := map[string]string{}
			for _, o := range parsed {
				want[o.Name] = o.Value
			}
			for name, value := range want {
				got := exec(t, conn, "SELECT current_setting('"+name+"', true)")
				if len(got) != 1 || got[0] != value {
					t.Errorf("%q: %s is %q in Postgres, want %q", written, name, got, value)
				}
			}
			if err := conn.Close(ctx); err != nil {
				t.Error(err)
			}
		}
	}
}

// exec runs sql and returns the first column of its last result.
func exec(t *testing.T, conn *pgconn.PgConn, sql string) (column []string) {
	t.Helper()
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%q: %v", sql, err)
	}
	for _, row := range results[len(results)-1].Rows {
		column = append(column, string(row[0]))
	}
	return column
}

func connect(ctx context.Context, server *postgres.Server, options string) (*pgconn.PgConn, error) {
	config, err := pgconn.ParseConfig("host=" + server.SocketDir() + " port=5432 dbname=postgres sslmode=disable user=" + postgres.Admin)
	if err != nil {
		return nil, err
	}
	if options != "" {
		config.RuntimeParams["options"] = options
	}
	return pgconn.ConnectConfig(ctx, config)
}
