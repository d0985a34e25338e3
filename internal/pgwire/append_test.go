package pgwire_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// message returns m as pgproto3 encodes it.
func message(t testing.TB, m pgproto3.Message) []byte {
	t.Helper()
	b, err := m.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAppendedMessagesAreThoseOfPgproto3(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		got  func(dst []byte) []byte
		want pgproto3.Message
	}{
		"Describe": {func(dst []byte) []byte { return pgwire.AppendDescribe(dst, pgwire.PreparedStatement, "s") },
			&pgproto3.Describe{ObjectType: 'S', Name: "s"}},
		"Close": {func(dst []byte) []byte { return pgwire.AppendClose(dst, pgwire.Portal, "") },
			&pgproto3.Close{ObjectType: 'P'}},
		"Bind":          {pgwire.AppendBindUnnamed, &pgproto3.Bind{}},
		"Execute":       {func(dst []byte) []byte { return pgwire.AppendExecute(dst, "p", 7) }, &pgproto3.Execute{Portal: "p", MaxRows: 7}},
		"Query":         {func(dst []byte) []byte { return pgwire.AppendQuery(dst, "select 1") }, &pgproto3.Query{String: "select 1"}},
		"CopyFail":      {func(dst []byte) []byte { return pgwire.AppendCopyFail(dst, "gone") }, &pgproto3.CopyFail{Message: "gone"}},
		"Sync":          {pgwire.AppendSync, &pgproto3.Sync{}},
		"Flush":         {pgwire.AppendFlush, &pgproto3.Flush{}},
		"Terminate":     {pgwire.AppendTerminate, &pgproto3.Terminate{}},
		"ParseComplete": {pgwire.AppendParseComplete, &pgproto3.ParseComplete{}},
		"CloseComplete": {pgwire.AppendCloseComplete, &pgproto3.CloseComplete{}},
		"ReadyForQuery": {func(dst []byte) []byte { return pgwire.AppendReadyForQuery(dst, pgwire.TxFailed) },
			&pgproto3.ReadyForQuery{TxStatus: 'E'}},
		"ParameterStatus": {func(dst []byte) []byte { return pgwire.AppendParameterStatus(dst, "TimeZone", "UTC") },
			&pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"}},
		"NoticeResponse": {func(dst []byte) []byte {
			return pgwire.AppendNotice(dst, &pgwire.Error{Code: "00000", Message: "the database is waking", Hint: "wait"})
		}, &pgproto3.NoticeResponse{Severity: "NOTICE", SeverityUnlocalized: "NOTICE", Code: "00000", Message: "the database is waking", Hint: "wait"}},
		"warning": {func(dst []byte) []byte {
			return pgwire.AppendNotice(dst, &pgwire.Error{Severity: "WARNING", Code: "01000", Message: "m", Detail: "d"})
		}, &pgproto3.NoticeResponse{Severity: "WARNING", SeverityUnlocalized: "WARNING", Code: "01000", Message: "m", Detail: "d"}},
		"ErrorResponse": {(&pgwire.Error{Severity: "ERROR", Code: "26000", Message: "m", Hint: "h"}).Append,
			&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "26000", Message: "m", Hint: "h"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := c.got([]byte("before"))
			if want := "before" + string(message(t, c.want)); string(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestAppendRenamedChangesOnlyTheName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 100)
	for _, name := range []string{"", "other", long} {
		parse := pgproto3.Parse{Name: "s1", Query: "select $1", ParameterOIDs: []uint32{23}}
		p, err := pgwire.DecodeParse(bodyOf(t, &parse))
		if err != nil {
			t.Fatal(err)
		}
		parse.Name = name
		want := "before" + string(message(t, &parse))
		if got := p.AppendRenamed([]byte("before"), name); string(got) != want {
			t.Errorf("Parse: got %q, want %q", got, want)
		}
		if got := (pgwire.Parse{Rest: p.Rest}).AppendRenamed([]byte("before"), name); string(got) != want {
			t.Errorf("Parse from its rest: got %q, want %q", got, want)
		}

		bind := pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s1", ParameterFormatCodes: []int16{1},
			Parameters: [][]byte{[]byte("a\x00b"), nil}, ResultFormatCodes: []int16{1}}
		b, err := pgwire.DecodeBind(bodyOf(t, &bind))
		if err != nil {
			t.Fatal(err)
		}
		bind.PreparedStatement = name
		want = "before" + string(message(t, &bind))
		if got := b.AppendRenamed([]byte("before"), name); string(got) != want {
			t.Errorf("Bind: got %q, want %q", got, want)
		}
	}
}

// A zero byte within a string must not split it into two fields.
func TestAppendEndsStringsAtZeroBytes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ got, want []byte }{
		"Query": {pgwire.AppendQuery(nil, "select 1\x00; drop"), message(t, &pgproto3.Query{String: "select 1"})},
		"ParameterStatus": {pgwire.AppendParameterStatus(nil, "a\x00b", "\x00c"),
			message(t, &pgproto3.ParameterStatus{Name: "a"})},
		"Describe": {pgwire.AppendDescribe(nil, 'S', "s\x00"), message(t, &pgproto3.Describe{ObjectType: 'S', Name: "s"})},
	} {
		if string(c.got) != string(c.want) {
			t.Errorf("%s: got %q, want %q", name, c.got, c.want)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 1024)
	p := pgwire.Parse{Rest: []byte("select 1\x00\x00\x00")}
	b := pgwire.Bind{Portal: []byte("p"), Rest: make([]byte, 6)}
	n := testing.AllocsPerRun(100, func() {
		out := p.AppendRenamed(dst, "s1")
		out = b.AppendRenamed(out, "s1")
		out = pgwire.AppendDescribe(out, pgwire.PreparedStatement, "s1")
		out = pgwire.AppendClose(out, pgwire.PreparedStatement, "s1")
		out = pgwire.AppendQuery(out, "select 1")
		out = pgwire.AppendTerminate(pgwire.AppendFlush(pgwire.AppendSync(out)))
		out = pgwire.AppendCloseComplete(pgwire.AppendParseComplete(out))
		out = pgwire.AppendReadyForQuery(out, pgwire.TxIdle)
		out = pgwire.AppendParameterStatus(out, "TimeZone", "UTC")
		if len(out) > cap(dst) {
			t.Fatalf("%d bytes do not fit", len(out))
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
