//go:build unix

package txpool

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
)

var (
	sequences = flag.Int("sequences", 1000, "number of random message sequences of TestAgreesWithPostgres, each up to a ReadyForQuery")
	seed      = flag.Uint64("seed", 1, "seed of the random sequences")
)

// known are conversations of one client. It waits for the responses after each line;
// | separates the segments of a line, each of which ends with one ReadyForQuery.
var known = []string{
	"Q(select 1)",
	"Q(select 1; select 2) | Q(bad) | Q() | P(,) B() E S",
	"P(s1,select 1) D(s1) B(s1) DP E S\nB(s1) E S\nC(s1) S\nB(s1) E S",
	"P(s1,select 1) S | P(s1,select 2) S | B(s1) E S | P(s1,bad) S\nB(s1) E S",
	"P(s1,bad) B(s1) S | B(s1) S\nB(s1) S",
	"B(s1) S | D(s1) S | C(s1) S | B(lb_1) S | B() S | D() S",
	"P(,select 1) S\nB() E S\nD() S\nQ(select 2)\nB() E S",
	"P(,select 1/0) B() E P(s1,select 2) S\nB(s1) S\nP(s1,select 3) B(s1) E S",
	"Q(begin)\nP(s1,select 1) S\nQ(bad)\nP(s2,select 1) S | B(s1) S | D(s1) S\nP(s2,rollback) B(s2) E S\nB(s2) E S\nB(s1) E S",
	"Q(begin)\nB(no) S\nQ(commit)",
	"Q(begin)\nP(s1,select 1) P(s1,select 1) S\nQ(commit)\nB(s1) S",
	"P(s1,select generate_series(1,3)) B(s1) E(1) H E(1) E S | B(s1) E(2) S\nE S",
	"F | F | S | P(,bad) F S",
	"P(s1,select 1) S\nQ(deallocate all) | B(s1) E S\nP(s1,select 1) B(s1) E S",
	"P(s1,select 1) S\nP(,deallocate all) B() E S | B(s1) E S",
	"P(s1,select 1) S\nQ(deallocate s1)\nB(s1) S\nQ(deallocate s1)\nP(s1,select 2) B(s1) E S",
	"P(s1,select 1) S\nQ(deallocate prepare \"s1\") | B(s1) S | P(s1,select 2) B(s1) E S",
	"P(s1,select 1) S\nP(,deallocate s1) B() E S\nB(s1) S\nB() E S\nP(s1,select 2) B(s1) E S\nB() E S\nB(s1) E S",
	"P(s1,select 1) P(,deallocate s1) B() E B() E B(s1) E S",
	"P(s1,select 1) S\nQ(begin)\nQ(bad)\nQ(deallocate s1)\nP(,deallocate s1) S\nQ(rollback)\nB(s1) E S\nP(,deallocate s1) B() E S\nB(s1) S",
	"P(s1,select 1) S\nQ(begin) | Q(bad) | Q(deallocate s1) | Q(rollback) | B(s1) E S",
	"P(s1,select * from u) S\nQ(create temp table u ()) | P(s1,select * from u) S\nQ(drop table u)\nP(s1,select 1) S",
	"P(s1,select 1) S\nQ(discard all)\nB(s1) E S",
	"P(s1,select 1) P(,deallocate all) B() E P(s2,select 2) P(s1,select 3) B(s2) E B(s1) E S\nB(s1) E B(s2) E S",
	"P(s1,select 1) P(s2,deallocate all) S\nB(s2) E P(s2,select 2) P(s1,select 1) B(s1) E D(s2) S | B(s1) E S",
	"P(s1,select 1) S\nP(,discard all) B() E P(s1,select 1) B(s1) E S | B(s1) E C(s1) P(s1,select 2) B(s1) E S",
	"P(s1,select 1) P(s2,deallocate all) S\nQ(begin)\nB(s2) S\nE P(s3,select 3) B(s1) S | B(s3) S\nQ(rollback)\nB(s3) E S",
	"P(s1,select 1) P(s2,deallocate all) B(s2) E B(s1) E P(s3,select 3) S | P(s3,select 4) B(s3) E S | Q(deallocate all) | P(s3,select 5) B(s3) E S",
	"Q(prepare s1 as select 1)\nB(s1) E S | C(s1) S | B(s1) E S",
	"Q(create temp table t (a int))\nQ(copy t from stdin) d(1\n) d(2\n) c | Q(select a + 0 from t) | Q(copy t to stdout)",
	"Q(create temp table t (a int))\nQ(copy t from stdin) d(x\n) d(2\n) c | Q(select a + 0 from t)",
	"Q(create temp table t (a int))\nQ(copy t from stdin) d(1\n) f(no) | Q(select a + 0 from t)",
	"Q(create temp table t (a int))\nQ(copy t from stdin; copy t from stdin) d(1\n) c d(2\n) c | Q(select a + 0 from t)",
	"Q(create temp table t (a int))\nP(,copy t from stdin) B() E d(1\n) c S | P(,copy t to stdout) B() E S",
	"Q(create temp table t (a int))\nP(,copy t from stdin) B() E d(x\n) c S | Q(select a + 0 from t)",
	"P(,copy missing from stdin) B() E d(x\n) c S | Q(select 1)",
	"Q(create temp table t (a int unique deferrable initially deferred))\nP(,insert into t select 1 union all select 1) B() E S | Q(select 1)",
	"Q(listen x)\nQ(unlisten x)\nQ(select 1)",
	"Q(set search_path = x)\nQ(show search_path)\nQ(reset all)\nQ(show search_path)",
	"Q(set search_path to a, \"B c\", public; set a.b to 'x\\y''z')\nQ(show search_path)\nQ(show a.b)",
	"Q(begin)\nQ(set search_path = x)\nQ(show search_path)\nQ(rollback)\nQ(show search_path)",
	"Q(begin)\nQ(set search_path = x)\nQ(bad)\nQ(commit)\nQ(show search_path)",
	"Q(set time zone interval '-08:00' hour to minute)\nQ(show time zone)\nQ(set time zone default)\nQ(show time zone)",
	"Q(set bytea_output = escape)\nP(s1,select '\\x00ff'::bytea) B(s1) E S\nQ(set bytea_output = hex)\nB(s1) E S",
	"Q(set role pg_monitor)\nQ(select current_user)\nQ(reset role)\nQ(select current_user)",
	"Q(create temp table t (a int))\nQ(select count(*) from t)\nQ(drop table t)\nQ(select 1)\nQ(select count(*) from t)",
	"Q(select pg_advisory_lock_shared(7))\nQ(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())\nQ(select pg_advisory_unlock_shared(7))\nQ(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())",
	"Q(do 'begin perform set_config(''work_mem'', ''1MB'', false); end')\nQ(show work_mem)",
	"Q(create function pg_temp.f() returns text language sql as 'select set_config(''work_mem'', ''2MB'', false)')\nQ(select pg_temp.f())\nQ(show work_mem)",
	"P(,set lock_timeout = 7) B() E S\nQ(show lock_timeout)\nP(s1,reset lock_timeout) B(s1) E S\nQ(show lock_timeout)",
	"Q(declare c cursor with hold for select 1)\nQ(fetch c)\nQ(close c)\nQ(fetch c)",
	"Q(set standard_conforming_strings = off)\nQ(select 'a\\'' || 'b')\nQ(reset all)\nQ(show standard_conforming_strings)",
	"Q(set session characteristics as transaction read only)\nQ(show default_transaction_read_only)\nQ(begin; set transaction read write)\nQ(show transaction_read_only)\nQ(commit)\nQ(show transaction_read_only)",
	"Q(do 'begin raise notice ''a''; end')",
	"D(s1) E S | CP E S | DP S",
	"P(s1,select 1) S\nQ(begin)\nQ(bad)\nQ(deallocate s1) | P(s1,select 1) S\nQ(rollback)\nP(s1,select 'x'::text) S",
	"P(s1,select 1) S\nC(s1) S\nQ(begin)\nB(s2) S | P(s1,select 1) S | P(s2,rollback) S\nQ(rollback)",
}

var texts = []string{"select 1", "select 'x'::text", "select 1/0", "bad", "rollback", "", "select generate_series(1,3)"}

// settingTexts change and show settings.
var settingTexts = []string{
	"Q(set datestyle = 'sql, dmy')", "Q(set local datestyle = 'german')", "Q(reset datestyle)", "Q(select date '2024-02-01')",
	"Q(set search_path = a, b)", "Q(show search_path)", "Q(reset all)", "Q(discard all)",
	"Q(select set_config('a.b', 'x', false))", "Q(select set_config('a.b', 'y', true))", "Q(select coalesce(current_setting('a.b', true), ''))",
	"P(,set a.b = 'z') B() E S", "P(,show datestyle) B() E S", "Q(set bad = 1)", "Q(select 1; set work_mem = '3MB'; select 1/0)", "Q(show work_mem)",
}

// conversation returns a random conversation.
func conversation(random *rand.Rand) string {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	name := func() string { return pick("s1", "s1", "s2", "s3", "") }
	var lines []string
	for range 1 + random.IntN(8) {
		var segments []string
		for range 1 + random.IntN(3) {
			if random.IntN(5) == 0 {
				segments = append(segments, pick("Q(select 1)", "Q(bad)", "F", "Q(deallocate all)", "Q(deallocate s1)"))
				continue
			}
			if random.IntN(4) == 0 {
				segments = append(segments, pick(settingTexts...))
				continue
			}
			var words []string
			// Only here it is never skipped: see the package comment.
			if random.IntN(3) == 0 {
				words = append(words, "P(,"+pick(texts...)+")")
			}
			for range random.IntN(6) {
				words = append(words, pick("P("+pick("s1", "s1", "s2", "s3")+","+pick(texts...)+")", "B("+name()+")", "B("+name()+")",
					"D("+name()+")", "C("+name()+")", "E", "E(1)", "DP", "CP", "H", "P(d1,deallocate all) B(d1) E", "C(d2) P(d2,discard all) B(d2) E", "C(d1)"))
			}
			segments = append(segments, strings.Join(append(words, "S"), " "))
		}
		lines = append(lines, strings.Join(segments, " | "))
		if random.IntN(4) == 0 {
			lines = append(lines, pick("Q(begin)", "Q(begin)", "Q(commit)"))
			for range random.IntN(3) {
				lines = append(lines, strings.Join(segments[:1+random.IntN(len(segments))], " | "))
			}
			lines = append(lines, "Q(rollback)")
		}
	}
	return strings.Join(lines, "\n")
}

// A conversation through a Relay, each time on another server connection that other
// clients have used, must have the same responses as one with the server itself.
func TestAgreesWithPostgres(t *testing.T) {
	server := testpostgres.Start(t)
	pool := newPool(t, server)
	random := rand.New(rand.NewPCG(*seed, 2))
	next := len(known)
	for compared, began := 0, time.Now(); compared < *sequences; next-- {
		script := conversation(random)
		if next > 0 {
			script = known[next-1]
		}
		before := compared
		if compared += pool.compare(t, script, random); compared/100_000 > before/100_000 {
			t.Logf("%d sequences in %v", compared, time.Since(began).Round(time.Second))
		}
	}
	if pool.shared == 0 {
		t.Error("no statement was shared")
	}
	t.Logf("%d times on another server", pool.switches)
}

// compare has one conversation with the server and through the pool, and returns the
// number of its segments.
func (p *pool) compare(t *testing.T, script string, random *rand.Rand) (segments int) {
	t.Helper()
	playing = script
	direct := dial(t, p.server, "postgres", postgres.Admin)
	client := NewClient(&p.table)
	for i, line := range lines(script) {
		if name, text := argument(line); name == "X" { // others, past the pool
			p.outside(t, text)
			continue
		}
		stream := fromClient(strings.ReplaceAll(line, " | ", " "))
		n := strings.Count(line, " | ") + 1
		segments += n
		want := comparable(direct.ask(t, stream, n))
		got := comparable(p.ask(t, client, stream, n, random))
		if got != want {
			t.Fatalf("line %d of\n%s\ngot\n%s\nwant\n%s", i+1, script, got, want)
		}
	}
	p.disconnect(t, client, random)
	_ = direct.conn.Close()
	return segments
}

// longBind returns a Bind of s1 with a parameter of n bytes.
func longBind(n int) []byte {
	length := binary.BigEndian.AppendUint32(nil, uint32(n))
	return message('B', "\x00s1\x00", "\x00\x00", "\x00\x01", string(length), strings.Repeat("x", n), "\x00\x00")
}

func TestBeginningOfALongBindIsSentBeforeItsEnd(t *testing.T) {
	pool := newPool(t, testpostgres.Start(t))
	random := rand.New(rand.NewPCG(*seed, 3))
	client := NewClient(&pool.table)
	pool.ask(t, client, fromClient("P(s1,select 'length '||length($1::text)) S"), 1, random)
	for _, n := range []int{1, earlyPart - 100, earlyPart, 1 << 20, 5 << 20} {
		for range 5 { // on several servers
			stream := append(longBind(n), fromClient("E S")...)
			got := string(pool.ask(t, client, stream, 1, random))
			if !strings.Contains(got, fmt.Sprintf("length %d", n)) {
				t.Errorf("of %d: %q", n, got)
			}
			stream = append(append(fromClient("P(,bad)"), longBind(n)...), fromClient("E S Q(select 1)")...)
			got = comparable(pool.ask(t, client, stream, 2, random))
			if !strings.Contains(got, "42601") || !strings.Contains(got, "SELECT 1") {
				t.Errorf("of %d after an error: %q", n, got)
			}
		}
	}
	pool.disconnect(t, client, random)

	var x Relay
	x.Link(NewClient(&pool.table), newServer(&pool.table, 0))
	pool.table.Catalog.Scanned(0, "", defined)
	_, toServer, _, err := x.FromClient(longBind(1 << 20)[:1<<19], nil, nil)
	if err != nil || len(toServer) < earlyPart || x.fromClient.missing == 0 {
		t.Errorf("half a message: %v, sent %d, missing %d", err, len(toServer), x.fromClient.missing)
	}
	if _, ok := x.DisconnectClient(nil); ok {
		t.Error("a server that waits for the rest of a message is not closed")
	}
	x.Link(NewClient(&pool.table), newServer(&pool.table, 0))
	long := message('Q')
	binary.BigEndian.PutUint32(long[1:], maxText+1)
	var e *pgwire.Error
	if _, _, _, err := x.FromClient(long, nil, nil); !errors.As(err, &e) || e.Code != "54000" {
		t.Errorf("a text that is too long: %v", err)
	}
}

// lines splits a script; within parentheses a newline is data.
func lines(script string) (out []string) {
	depth, start := 0, 0
	for i, r := range script + "\n" {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == '\n' && depth == 0:
			out = append(out, script[start:i])
			start = i + 1
		}
	}
	return out
}

var statementName = regexp.MustCompile(`"(lb_)*(\d+|s\d)"`)

// comparable returns the messages that a client got, without names and process IDs.
func comparable(stream []byte) string {
	var out strings.Builder
	scanner := pgwire.Scanner{Direction: pgwire.FromServer}
	for len(stream) > 0 {
		span, err := scanner.Next(stream)
		if err != nil || !span.Whole() {
			return fmt.Sprintf("%sand the malformed %q", out.String(), stream)
		}
		body := span.Body(stream)
		stream = stream[span.Size:]
		switch span.Type {
		case 'E':
			e, err := pgwire.DecodeErrorResponse(body)
			fmt.Fprintf(&out, "E %s %s %s %v\n", e.Severity, e.Code, statementName.ReplaceAll(e.Message, []byte("NAME")), err)
		case 'T':
			var d pgproto3.RowDescription
			if err := d.Decode(body); err != nil {
				return fmt.Sprint(out.String(), err)
			}
			for i := range d.Fields {
				d.Fields[i].TableOID = 0 // each database has its own
			}
			fmt.Fprintf(&out, "T %v\n", d.Fields)
		case 'S': // these also come after a link
		case 'V': // a process ID
			fmt.Fprintf(&out, "V\n")
		default:
			fmt.Fprintf(&out, "%c %q\n", span.Type, body)
		}
	}
	return parametersBeforeError.ReplaceAllString(out.String(), "E ")
}

// parametersBeforeError are those of a statement whose result has changed: the relay sends
// only the error.
var parametersBeforeError = regexp.MustCompile(`t "[^\n]*"\nE `)

// playing is the current conversation.
var playing string

// link is a connection to the server after login.
type link struct {
	conn  net.Conn
	state *Server
}

func (l *link) read(t *testing.T) []byte {
	t.Helper()
	buffer := make([]byte, 8192)
	_ = l.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	n, err := l.conn.Read(buffer)
	if err != nil {
		t.Fatalf("%v (pooled: %v) in\n%s", err, l.state != nil, playing)
	}
	return buffer[:n]
}

func (l *link) write(t *testing.T, stream []byte) {
	t.Helper()
	if _, err := l.conn.Write(stream); err != nil {
		t.Fatal(err)
	}
}

// ask sends a stream and reads the responses to its segments.
func (l *link) ask(t *testing.T, stream []byte, segments int) (got []byte) {
	t.Helper()
	l.write(t, stream)
	for answered(got) < segments {
		got = append(got, l.read(t)...)
	}
	return got
}

// answered returns the number of ReadyForQuery messages.
func answered(stream []byte) (n int) {
	scanner := pgwire.Scanner{Direction: pgwire.FromServer}
	for len(stream) > 0 {
		span, err := scanner.Next(stream)
		if err != nil {
			return 1 << 30
		}
		if span.Type == 'Z' && span.Last() {
			n++
		}
		stream = stream[span.Size:]
	}
	return n
}

// pool has a few server connections that clients share.
type pool struct {
	user     string // of the pool
	server   *postgres.Server
	others   [2]*link // past the pool: to the database of direct connections, and to the pool's
	table    Statements
	links    []*link
	on       *link // the client's while it is not idle
	relay    Relay
	switches int
	shared   int // statements, at most
}

// pooled is the database of the pool. Direct connections are to another one.
const pooled = "pooled"

func newPool(t *testing.T, server *postgres.Server) *pool {
	p := &pool{server: server, user: postgres.Admin}
	p.others[0] = dial(t, server, "postgres", p.user)
	p.others[0].ask(t, fromClient("Q(create database "+pooled+")"), 1)
	p.others[1] = dial(t, server, pooled, p.user)
	for range 3 {
		p.links = append(p.links, p.dial(t))
	}
	return p
}

func (p *pool) dial(t *testing.T) *link {
	l := dial(t, p.server, pooled, p.user)
	l.state = newServer(&p.table, 4)
	return l
}

func (p *pool) ask(t *testing.T, c *Client, stream []byte, segments int, random *rand.Rand) (got []byte) {
	t.Helper()
	if p.on == nil {
		p.on = p.links[random.IntN(len(p.links))]
		p.relay.Link(c, p.on.state)
		p.switches++
	}
	x := &p.relay
	for {
		for len(stream) > 0 || x.Stalled() {
			n := 0
			if len(stream) > 0 {
				n = 1 + random.IntN(len(stream))
			}
			rest, toServer, toClient, err := x.FromClient(stream[:n], nil, got)
			if err != nil {
				t.Fatal(err)
			}
			got, stream = toClient, stream[n-len(rest):]
			p.on.write(t, x.AppendInternalQuery(toServer))
			if x.Stalled() {
				break
			}
		}
		if len(stream) == 0 && !x.Stalled() && answered(got) >= segments && x.internalPending == 0 {
			break
		}
		got = p.receive(t, got, random)
	}
	if x.Idle() {
		p.on = nil
	}
	return got
}

// receive reads from the server and passes the bytes on in pieces.
func (p *pool) receive(t *testing.T, got []byte, random *rand.Rand) []byte {
	t.Helper()
	answers := p.on.read(t)
	for len(answers) > 0 { // the reads differ between runs
		n := 1 + random.IntN(len(answers))
		var err error
		if got, err = p.relay.FromServer(answers[:n], got); err != nil {
			t.Fatal(err)
		}
		answers = answers[n:]
	}
	if e := p.relay.SettingsError(); e != nil {
		t.Fatalf("%v in\n%s", e, playing)
	}
	p.shared = max(p.shared, p.table.Len())
	p.on.write(t, p.relay.AppendInternalQuery(nil))
	return got
}

// disconnect disconnects a client. A server that cannot be cleaned up is closed.
func (p *pool) disconnect(t *testing.T, c *Client, random *rand.Rand) {
	t.Helper()
	defer c.Close()
	if p.on == nil {
		return
	}
	left, ok := p.relay.DisconnectClient(nil)
	if ok {
		p.on.write(t, p.relay.AppendInternalQuery(left))
		for !p.relay.Idle() {
			p.receive(t, nil, random)
		}
		p.on = nil
		return
	}
	for i, l := range p.links {
		if l == p.on {
			l.state.Close()
			_ = l.conn.Close()
			p.links[i] = p.dial(t)
		}
	}
	p.on = nil
}

// outside runs a text in both databases past the pool.
func (p *pool) outside(t *testing.T, text string) {
	t.Helper()
	for _, l := range p.others {
		l.ask(t, fromClient("Q("+text+")"), 1)
	}
}

func dial(t *testing.T, server *postgres.Server, database, user string) *link {
	t.Helper()
	config, err := pgconn.ParseConfig("host=" + server.SocketDir() + " port=5432 dbname=" + database + " sslmode=disable user=" + user)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Conn.Close() })
	return &link{conn: raw.Conn}
}
