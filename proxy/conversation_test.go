package proxy_test

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// The messages of conversations, in few words.

func say(messages ...pgproto3.FrontendMessage) []pgproto3.FrontendMessage { return messages }

func query(sql string) pgproto3.FrontendMessage { return &pgproto3.Query{String: sql} }

func prepare(name, sql string) pgproto3.FrontendMessage {
	return &pgproto3.Parse{Name: name, Query: sql}
}

func bind(portal, statement string, args ...string) pgproto3.FrontendMessage {
	b := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: statement}
	for _, arg := range args {
		b.Parameters = append(b.Parameters, []byte(arg))
	}
	return b
}

func describe(kind byte, name string) pgproto3.FrontendMessage {
	return &pgproto3.Describe{ObjectType: kind, Name: name}
}

func forget(kind byte, name string) pgproto3.FrontendMessage {
	return &pgproto3.Close{ObjectType: kind, Name: name}
}

func execute(portal string, rows uint32) pgproto3.FrontendMessage {
	return &pgproto3.Execute{Portal: portal, MaxRows: rows}
}

func data(text string) pgproto3.FrontendMessage { return &pgproto3.CopyData{Data: []byte(text)} }

var (
	syncing = &pgproto3.Sync{}
	flush   = &pgproto3.Flush{}
	done    = &pgproto3.CopyDone{}
)

func fail(text string) pgproto3.FrontendMessage { return &pgproto3.CopyFail{Message: text} }

// add calls the function int4pl, by its object ID.
func add(a, b uint32) pgproto3.FrontendMessage {
	return &pgproto3.FunctionCall{Function: 177, ArgFormatCodes: []uint16{1}, ResultFormatCode: 1,
		Arguments: [][]byte{binary.BigEndian.AppendUint32(nil, a), binary.BigEndian.AppendUint32(nil, b)}}
}

// callOf calls a function of large objects by its OID, as libpq does. lowrite writes the
// four bytes of its last argument.
func callOf(name string, args ...uint32) pgproto3.FrontendMessage {
	oids := map[string]uint32{"lo_create": 715, "lo_open": 952, "loread": 954, "lowrite": 955, "lo_lseek": 956, "lo_unlink": 964}
	m := &pgproto3.FunctionCall{Function: oids[name], ArgFormatCodes: []uint16{1}, ResultFormatCode: 1}
	for _, arg := range args {
		m.Arguments = append(m.Arguments, binary.BigEndian.AppendUint32(nil, arg))
	}
	return m
}

// raw is a message that no client should send.
type raw string

func (r raw) Frontend()                         {}
func (r raw) Decode([]byte) error               { panic("only sent") }
func (r raw) Encode(dst []byte) ([]byte, error) { return append(dst, r...), nil }

// ask is a query with its answer.
func ask(sql string) turn { return turn{say(query(sql)), "Z"} }

const table = "create temp table t (a int primary key)"

var long = strings.Repeat("n", 63)

var conversations = map[string][]turn{
	"an unknown statement": {
		{say(bind("", "s1"), execute("", 0), syncing), "Z"}, {say(describe('S', "s1"), syncing), "Z"},
		{say(forget('S', "s1"), syncing), "Z"}, {say(bind("", "lb_1"), syncing), "Z"},
		{say(bind("", ""), execute("", 0), syncing), "Z"}, ask("select 1"),
	},
	"a duplicate name": {
		{say(prepare("s1", "select 1"), syncing), "Z"}, {say(prepare("s1", "select 2"), syncing), "Z"},
		{say(bind("", "s1"), execute("", 0), syncing), "Z"},
		{say(prepare("s1", "select 3"), syncing, forget('S', "s1"), prepare("s1", "select 4"), bind("", "s1"), execute("", 0), syncing), "ZZ"},
	},
	"a statement that cannot be prepared": {
		{say(prepare("s1", "selec"), describe('S', "s1"), syncing), "Z"}, {say(bind("", "s1"), syncing), "Z"},
		{say(prepare("s1", "select $1::int"), describe('S', "s1"), syncing), "Z"},
		{say(bind("", "s1", "x"), execute("", 0), syncing), "Z"}, {say(bind("", "s1"), syncing), "Z"},
		{say(bind("", "s1", "7"), describe('P', ""), execute("", 0), syncing), "Z"},
		{say(prepare("s2", "select 1; select 2"), syncing), "Z"},
	},
	"names of which Postgres reads 63 bytes": {
		{say(prepare(long+"1", "select generate_series(1,3)"), syncing), "Z"}, {say(prepare(long+"2", "select 2"), syncing), "Z"},
		{say(bind("", long+"3"), describe('P', ""), execute("", 0), syncing), "Z"}, ask("begin"),
		{say(bind(long+"1", long), execute(long+"2", 1), describe('P', long), bind(long+"3", long), syncing), "Z"}, ask("rollback"),
		{say(describe('S', long+"4"), forget('S', long+"5"), describe('S', long+"4"), syncing), "Z"},
		{say(prepare(long+"2", "select 2"), syncing), "Z"}, ask("deallocate " + long), {say(bind("", long+"2"), execute("", 0), syncing), "Z"},
	},
	"large objects": {
		ask("begin"), {say(callOf("lo_create", 77001)), "Z"}, {say(callOf("lo_open", 77001, 0x60000)), "Z"}, {say(callOf("lowrite", 0, 1234)), "Z"},
		{say(callOf("lo_lseek", 0, 1, 0)), "Z"}, {say(callOf("loread", 0, 2)), "Z"}, ask("savepoint a"), {say(callOf("lo_open", 77001, 0x40000)), "Z"},
		ask("rollback to a"), {say(callOf("loread", 1, 2)), "Z"}, ask("rollback"), ask("begin"), {say(callOf("loread", 0, 2)), "Z"}, ask("rollback"),
		ask("begin"), {say(callOf("lo_create", 77001)), "Z"}, {say(callOf("lo_open", 77001, 0x60000)), "Z"}, ask("commit"), ask("begin"), {say(callOf("loread", 0, 2)), "Z"}, ask("rollback"),
		{say(callOf("lo_open", 77001, 0x40000)), "Z"}, {say(callOf("loread", 0, 2)), "Z"}, {say(callOf("lo_unlink", 77001)), "Z"}, {say(callOf("lo_unlink", 77001)), "Z"},
		ask("select lo_import('/nowhere')"), ask("select lo_export(1, '/nowhere')"),
	},
	"portals across Sync": {
		{say(prepare("s1", "select generate_series(1,3)"), bind("p1", "s1"), execute("p1", 1), syncing), "Z"},
		{say(execute("p1", 1), syncing), "Z"}, ask("begin"),
		{say(bind("p1", "s1"), execute("p1", 1), syncing), "Z"}, {say(execute("p1", 1), syncing), "Z"},
		{say(describe('P', "p1"), execute("p1", 0), syncing), "Z"}, {say(forget('P', "p1"), syncing), "Z"},
		{say(execute("p1", 0), syncing), "Z"}, ask("rollback"), {say(execute("", 0), syncing), "Z"},
	},
	"row limits": {
		{say(prepare("", "select generate_series(1,5)"), bind("", ""), execute("", 2), execute("", 2), execute("", 2), execute("", 2), syncing), "Z"},
		{say(bind("", ""), execute("", 5), execute("", 1), syncing), "Z"},
	},
	"Flush without Sync": {
		{say(prepare("s1", "select $1::text"), describe('S', "s1"), flush), "T"},
		{say(bind("", "s1", "hello"), flush), "2"}, {say(describe('P', ""), flush), "T"},
		{say(execute("", 0), flush), "C"}, {say(flush, flush, syncing), "Z"},
		{say(bind("", "no"), flush), "E"}, {say(bind("", "s1", "skipped"), flush, execute("", 0), flush, syncing), "Z"},
		{say(forget('S', "s1"), flush), "3"}, {say(prepare("s1", "select 2"), flush), "1"}, {say(syncing), "Z"},
	},
	"FunctionCall": {
		{say(add(40, 2)), "Z"}, {say(add(1<<31-1, 1)), "Z"}, {say(&pgproto3.FunctionCall{Function: 1}), "Z"},
		ask("begin"), {say(add(1, 1)), "Z"}, ask("bad"), {say(add(1, 1), add(2, 2)), "ZZ"}, ask("commit"),
		{say(prepare("s1", "select 1"), add(1, 2), bind("", "s1"), execute("", 0), syncing), "ZZ"},
	},
	"an error in a pipeline": {
		{say(prepare("s1", "select 1/$1::int"), bind("", "s1", "1"), execute("", 0), syncing,
			bind("", "s1", "0"), execute("", 0), prepare("s2", "select 2"), bind("", "s1", "1"), execute("", 0), syncing,
			bind("", "s2"), execute("", 0), syncing, bind("", "s1", "1"), execute("", 0), syncing), "ZZZZ"},
		{say(prepare("s2", "select 3"), bind("", "s2"), execute("", 0), query("select 4"), query("bad"), query("select 5")), "ZZZ"},
	},
	"an error in a transaction": {
		ask("begin"), {say(prepare("s1", "select 1"), syncing), "Z"}, ask("bad"),
		{say(prepare("s2", "select 1"), syncing), "Z"}, {say(bind("", "s1"), execute("", 0), syncing), "Z"},
		{say(prepare("s2", "rollback"), bind("", "s2"), execute("", 0), syncing), "Z"},
		{say(bind("", "s1"), execute("", 0), syncing), "Z"}, {say(bind("", "s2"), execute("", 0), syncing), "Z"},
	},
	"an implicit transaction of a pipeline": {
		ask(table),
		{say(prepare("", "insert into t values (1)"), bind("", ""), execute("", 0), bind("", ""), execute("", 0), syncing), "Z"},
		ask("select count(*) from t"),
		{say(prepare("", "begin"), bind("", ""), execute("", 0), syncing), "Z"}, ask("insert into t values (1)"), ask("commit"), ask("select a + 0 from t"),
	},
	"several statements in one": {
		ask("select 1; select 2"), ask("select 1; bad; select 2"), ask("select 1; select 1/0; select 2"), ask(""), ask(" ; ;"),
		ask("begin; select 1"), ask("select 2; commit; select 3"), {say(query("select 1"), query(""), query("select 2")), "ZZZ"},
		{say(prepare("", ""), bind("", ""), describe('P', ""), execute("", 0), syncing), "Z"},
	},
	"COPY": {
		ask(table), {say(query("copy t from stdin")), "G"}, {say(data("1\n"), data("2\n3\n"), done), "Z"},
		ask("copy t to stdout"), ask("copy t to stdout; select 1"), ask("copy t to stdout (format binary)"),
		{say(query("copy t from stdin"), data("4\n"), done, query("select count(*) from t")), "ZZ"},
		{say(prepare("", "copy t from stdin"), bind("", ""), execute("", 0), flush), "G"},
		{say(data("5\n"), done, syncing), "Z"}, {say(prepare("", "copy t to stdout"), bind("", ""), execute("", 0), syncing), "Z"},
	},
	"COPY that fails half way": {
		ask(table), {say(query("copy t from stdin")), "G"}, {say(data("1\n"), data("x\n")), "Z"},
		{say(data("2\n"), data("3\n"), done, query("select count(*) from t")), "Z"},
		{say(query("copy t from stdin")), "G"}, {say(data("1\n"), fail("enough")), "Z"},
		{say(query("copy missing from stdin"), data("1\n"), done, query("select 1")), "ZZ"},
		{say(query("copy t from stdin; copy t from stdin")), "G"}, {say(data("1\n"), done), "G"}, {say(data("1\n"), done), "Z"},
		{say(prepare("s1", "copy t from stdin"), bind("", "s1"), execute("", 0), flush), "G"},
		{say(data("1\n"), data("x\n"), data("2\n"), done, bind("", "s1"), execute("", 0), syncing), "Z"},
		ask("begin"), {say(query("copy t from stdin")), "G"}, {say(data("x\n"), done), "Z"}, ask("commit"), ask("select count(*) from t"),
	},
	"notices": {
		ask("do 'begin raise notice ''one''; raise warning ''two''; end'"), ask("drop table if exists missing, gone"),
		{say(prepare("", "commit"), bind("", ""), execute("", 0), syncing, query("select 1")), "ZZ"},
	},
	"settings": {
		ask("set timezone = 'Asia/Tokyo'"), ask("show timezone"), ask("begin; set timezone = 'UTC'"), ask("rollback"), ask("show timezone"),
		{say(query("set application_name = 'a'"), query("show application_name")), "ZZ"},
		{say(prepare("s1", "set datestyle = 'German'"), bind("", "s1"), execute("", 0), syncing), "Z"}, ask("select date '2026-11-26'"),
		ask("begin"), ask("set local timezone = 'UTC'"), ask("show timezone"), ask("commit"), ask("show timezone"),
		ask("select set_config('timezone', 'Europe/Paris', false)"), ask("reset timezone"), ask("set nonsense = 1"), ask("show application_name"),
	},
	"notifications": {
		ask("listen x"), ask("notify x, 'one'"), {say(query("notify x, 'two'; select 1"), query("select 2")), "ZZ"},
		ask("begin; notify x, 'three'; notify x, 'three'"), ask("select 3"), ask("commit"), ask("unlisten x"), ask("notify x, 'four'"),
	},
	"statements of SQL": {
		ask("prepare s1 as select 1"), {say(bind("", "s1"), execute("", 0), syncing), "Z"}, ask("execute s1"), ask("deallocate s1"), ask("execute s1"),
		{say(prepare("s2", "select 2"), syncing), "Z"}, ask("deallocate all"), {say(bind("", "s2"), execute("", 0), syncing), "Z"},
		{say(prepare("s2", "select 3"), syncing), "Z"}, ask("discard all"), {say(bind("", "s2"), execute("", 0), syncing), "Z"},
	},
	"much at once": {
		{say(prepare("s1", "select $1::text"), bind("", "s1", strings.Repeat("lake", 300_000)), execute("", 0), syncing), "Z"},
		ask("select repeat('base', 300000), g from generate_series(1, 3) g"), ask("select '" + strings.Repeat("x", 200_000) + "'"),
	},
	"what is not the protocol": {
		{say(raw("D\x00\x00\x00\x06?\x00"), syncing), "Z"}, {say(raw("B\x00\x00\x00\x06x\x00"), syncing), "Z"},
		{say(data("late"), done, fail("later"), query("select 1")), "Z"}, {say(raw("P\x00\x00\x00\x05x"), syncing), "Z"}, ask("select 2"),
	},
	"what is no message": {{say(raw("?\x00\x00\x00\x04")), "Z"}},
}

// The answers of the proxy are those of the server.
func TestAgreesWithServer(t *testing.T) {
	t.Parallel()
	inComparison(t, func(t *testing.T, c comparison) {
		chance := rand.New(rand.NewPCG(1, 2))
		for _, name := range slices.Sorted(maps.Keys(conversations)) {
			t.Run(name, func(t *testing.T) {
				c.t = t
				c.agree(conversations[name], chance, 2)
			})
		}
	})
}

// So are the reports at login.
func TestLoginReportsWhatTheServerReports(t *testing.T) {
	t.Parallel()
	asked := map[string]string{"application_name": "till", "timezone": "Asia/Tokyo", "options": "-c datestyle=German,DMY -c intervalstyle=iso_8601"}
	told := func(t *testing.T, config *pgx.ConnConfig) map[string]string {
		maps.Copy(config.RuntimeParams, asked)
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		h, err := conn.PgConn().Hijack()
		if err != nil {
			t.Fatal(err)
		}
		defer h.Conn.Close()
		return h.ParameterStatuses
	}
	inComparison(t, func(t *testing.T, c comparison) {
		want := told(t, c.direct().Config())
		if want["TimeZone"] != asked["timezone"] || want["DateStyle"] != "German, DMY" {
			t.Fatalf("the server itself says %v", want)
		}
		for range 3 {
			if c.shuffler != nil {
				c.shuffler.shuffle(rand.New(rand.NewPCG(1, 2)))
			}
			if got := told(t, c.r.connect().Config()); !maps.Equal(got, want) {
				t.Errorf("told %v, not %v", got, want)
			}
		}
	})
}
