package resultstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/resultstream"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// journal records the calls of a run.
type journal struct {
	mu    sync.Mutex
	lines []string
	onRow func() error
	rows  int
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) has(line string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Contains(j.lines, line)
}

func (j *journal) Columns(columns []pgproto3.FieldDescription) error {
	var names []string
	for _, c := range columns {
		names = append(names, string(c.Name))
	}
	j.add("columns %s", strings.Join(names, " "))
	return nil
}

func (j *journal) Row(values [][]byte) error {
	j.rows++
	if j.onRow != nil {
		return j.onRow()
	}
	line := "row"
	for _, v := range values {
		if v == nil {
			line += " NULL"
		} else {
			line += " " + string(v)
		}
	}
	j.add("%s", line)
	return nil
}

func (j *journal) Complete(tag string, rows bool) error {
	j.add("complete %s %v", tag, rows)
	return nil
}
func (j *journal) CopyIn() error            { j.add("copy in"); return nil }
func (j *journal) Notice(n *pgconn.PgError) { j.add("notice %s", n.Message) }
func (j *journal) Idle() error              { return nil }

// run runs r and compares the calls with want.
func run(t *testing.T, r resultstream.Request, want ...string) error {
	t.Helper()
	j := &journal{}
	err := resultstream.Run(t.Context(), connect(t).PgConn(), r, j)
	if !slices.Equal(j.lines, want) {
		t.Errorf("%s\nreports %q\nwant    %q", r.SQL, j.lines, want)
	}
	return err
}

func TestSeveralStatementsReportInOrder(t *testing.T) {
	t.Parallel()
	err := run(t, resultstream.Request{SQL: `
		SELECT 1 AS a, NULL AS b, 'x' AS c; ; CREATE TEMP TABLE m (a int);
		DO $$ BEGIN RAISE NOTICE 'hello'; END $$; LISTEN c; NOTIFY c, 'p'; SELECT FROM m`},
		"columns a b c", "row 1 NULL x", "complete SELECT 1 true",
		"complete CREATE TABLE false", "notice hello", "complete DO false", "complete LISTEN false", "complete NOTIFY false",
		"columns ", "complete SELECT 0 true")
	if err != nil {
		t.Error(err)
	}
}

func TestParamsAreValuesOfOneStatement(t *testing.T) {
	t.Parallel()
	err := run(t, resultstream.Request{SQL: `SELECT $1::int + 1 AS n, $2 AS t`, Params: []string{"41", "'; DROP --"}},
		"columns n t", "row 42 '; DROP --", "complete SELECT 1 true")
	if err != nil {
		t.Error(err)
	}
	err = run(t, resultstream.Request{SQL: `SELECT 1; SELECT $1::int`, Params: []string{"1"}})
	wantState(t, err, "42601")
}

func wantState(t *testing.T, err error, code string) *pgconn.PgError {
	t.Helper()
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != code {
		t.Fatalf("got %v, want SQLSTATE %s", err, code)
	}
	return refused
}

func TestErrorEndsTheTextAndKeepsTheSession(t *testing.T) {
	t.Parallel()
	conn := connect(t).PgConn()
	j := &journal{}
	err := resultstream.Run(t.Context(), conn, resultstream.Request{SQL: "BEGIN; SELECT 1/0; SELECT 1"}, j)
	wantState(t, err, "22012")
	if err := resultstream.Run(t.Context(), conn, resultstream.Request{SQL: "ROLLBACK; BEGIN"}, j); err != nil || !j.has("complete BEGIN false") {
		t.Errorf("%v, %q", err, j.lines)
	}
}

func TestCopyInAndOut(t *testing.T) {
	t.Parallel()
	name := table(t)
	var data bytes.Buffer
	for i := range 100_000 {
		data.WriteString(strconv.Itoa(i) + "\n")
	}
	want := data.String()
	err := run(t, resultstream.Request{SQL: "COPY " + name + " FROM STDIN; SELECT count(*) FROM " + name, CopyIn: &data},
		"copy in", "complete COPY 100000 false", "columns count", "row 100000", "complete SELECT 1 true")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t, resultstream.Request{SQL: "COPY " + name + " TO STDOUT", CopyOut: &out}, "complete COPY 100000 false"); err != nil || out.String() != want {
		t.Errorf("%v; %d bytes came back of %d", err, out.Len(), len(want))
	}
}

func TestCopyInFailures(t *testing.T) {
	t.Parallel()
	name := table(t)
	err := run(t, resultstream.Request{SQL: "COPY " + name + " FROM STDIN"}, "copy in")
	if refused := wantState(t, err, "57014"); !strings.Contains(refused.Message, "there is no data") {
		t.Error(refused)
	}
	err = run(t, resultstream.Request{SQL: "COPY " + name + " FROM STDIN", CopyIn: io.MultiReader(strings.NewReader("a\n"), failingReader{})}, "copy in")
	if refused := wantState(t, err, "57014"); !strings.Contains(refused.Message, "disk on fire") {
		t.Error(refused)
	}
	// The server fails the COPY while there is always more to send.
	err = run(t, resultstream.Request{SQL: "COPY " + name + " FROM STDIN (FORMAT csv)", CopyIn: endless{}}, "copy in")
	wantState(t, err, "22P04")
	if n := ask(t, "SELECT count(*)::text FROM "+name); n != "0" {
		t.Errorf("%s rows of three failed COPYs", n)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, "a,b\n"), nil }

// A receiver that fails ends the run, and the server's session.
func TestReceiverFails(t *testing.T) {
	t.Parallel()
	conn := connect(t).PgConn()
	full := errors.New("no space left")
	j := &journal{onRow: func() error { return full }}
	err := resultstream.Run(t.Context(), conn, resultstream.Request{SQL: "SELECT generate_series(1, 1e9::bigint)"}, j)
	if !errors.Is(err, full) || j.rows != 1 {
		t.Errorf("%v after %d rows", err, j.rows)
	}
	testkit.Eventually(t, "the session is over", func() bool {
		return ask(t, "SELECT count(*)::text FROM pg_stat_activity WHERE pid = $1", conn.PID()) == "0"
	})
}

// A statement whose connection breaks is not sent again.
func TestLostConnection(t *testing.T) {
	t.Parallel()
	name := table(t)
	conn := connect(t).PgConn()
	j := &journal{}
	err := resultstream.Run(t.Context(), conn, resultstream.Request{
		SQL: "INSERT INTO " + name + " VALUES ('once'); COMMIT; SELECT pg_terminate_backend(pg_backend_pid()); SELECT pg_sleep(10)"}, j)
	wantState(t, err, "57P01")
	if !j.has("complete INSERT 0 1 false") {
		t.Error(j.lines)
	}
	if n := ask(t, "SELECT count(*)::text FROM "+name); n != "1" {
		t.Errorf("%s rows, want the one", n)
	}
	if err := resultstream.Run(t.Context(), conn, resultstream.Request{SQL: "SELECT 1"}, j); err == nil {
		t.Error("a lost connection ran a statement")
	}
}

func TestCutConnectionIsALostError(t *testing.T) {
	t.Parallel()
	conn := connect(t).PgConn()
	j := &journal{onRow: func() error { _ = conn.Conn().Close(); return nil }} // later rows find it closed
	err := resultstream.Run(t.Context(), conn, resultstream.Request{SQL: "SELECT 1 UNION ALL SELECT n FROM generate_series(2, 100000) n"}, j)
	var lost *resultstream.LostError
	if !errors.As(err, &lost) {
		t.Error(err)
	}
}

// running waits until the session runs something.
func running(t *testing.T, pid uint32) {
	t.Helper()
	testkit.Eventually(t, "the statement runs", func() bool {
		return ask(t, "SELECT coalesce(max(state), '') FROM pg_stat_activity WHERE pid = $1 AND backend_type = 'client backend'", pid) == "active"
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]resultstream.Request{
		"waiting":   {SQL: "SELECT pg_sleep(600)"},
		"params":    {SQL: "SELECT pg_sleep($1::int)", Params: []string{"600"}},
		"returning": {SQL: "SELECT generate_series(1, 1e9::bigint)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t).PgConn()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { running(t, conn.PID()); cancel() }()
			err := resultstream.Run(ctx, conn, r, &journal{onRow: func() error { return nil }})
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			j := &journal{}
			if err := resultstream.Run(t.Context(), conn, resultstream.Request{SQL: "SELECT 1"}, j); err != nil || !j.has("row 1") {
				t.Errorf("afterwards: %v, %q", err, j.lines)
			}
		})
	}
}

// A server that waits for COPY data ignores cancel requests.
func TestCancelCopyIn(t *testing.T) {
	t.Parallel()
	name := table(t)
	conn := connect(t).PgConn()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in, feed := io.Pipe()
	defer feed.Close()
	go func() {
		_, _ = feed.Write([]byte("a\n")) // read once the COPY is under way
		cancel()
	}()
	err := resultstream.Run(ctx, conn, resultstream.Request{SQL: "COPY " + name + " FROM STDIN", CopyIn: in}, &journal{})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := ask(t, "SELECT count(*)::text FROM "+name); n != "0" {
		t.Errorf("%s rows of a cancelled COPY", n)
	}
}

func TestStatementTimeoutIsNotACancellation(t *testing.T) {
	t.Parallel()
	err := run(t, resultstream.Request{SQL: "SET statement_timeout = 1000; SELECT pg_sleep(10)"}, "complete SET false", "columns pg_sleep")
	wantState(t, err, "57014")
}
