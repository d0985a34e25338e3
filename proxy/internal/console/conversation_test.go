package console_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// talk sends messages to a console and returns its answers up to so many
// ReadyForQuery, one word for each message.
func talk(t *testing.T, front *pgproto3.Frontend, owed int, messages ...pgproto3.FrontendMessage) string {
	t.Helper()
	for _, m := range messages {
		front.Send(m)
	}
	if err := front.Flush(); err != nil {
		t.Fatal(err)
	}
	var words []string
	for owed > 0 {
		m, err := front.Receive()
		if err != nil {
			t.Fatalf("%v after %q", err, words)
		}
		word := strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3.")
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			word += ":" + string(m.TxStatus)
			owed--
		case *pgproto3.ErrorResponse:
			word = m.Severity + ":" + m.Code
		case *pgproto3.CommandComplete:
			word += ":" + strings.ReplaceAll(string(m.CommandTag), " ", "_")
		case *pgproto3.DataRow:
			word += fmt.Sprintf(":%q", bytes.Join(m.Values, []byte("|")))
		case *pgproto3.RowDescription:
			word += fmt.Sprintf(":%d", m.Fields[0].Format)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestConsoleSpeaksTheExtendedProtocol(t *testing.T) {
	t.Parallel()
	raw, front := start(t, &fake{}).raw()
	parse := func(name, sql string) *pgproto3.Parse { return &pgproto3.Parse{Name: name, Query: sql} }
	bind := func(portal, name string, formats ...int16) *pgproto3.Bind {
		return &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: name, ResultFormatCodes: formats}
	}
	portal := func(name string) *pgproto3.Describe { return &pgproto3.Describe{ObjectType: 'P', Name: name} }
	execute := func(name string, rows uint32) *pgproto3.Execute {
		return &pgproto3.Execute{Portal: name, MaxRows: rows}
	}
	sync, flush := &pgproto3.Sync{}, &pgproto3.Flush{}
	for _, c := range []struct {
		name     string
		messages []pgproto3.FrontendMessage
		want     string
	}{
		{"text", []pgproto3.FrontendMessage{parse("", "SELECT 258, 'a'"), bind("", ""), portal(""), execute("", 0), sync},
			`ParseComplete BindComplete RowDescription:0 DataRow:"258|a" CommandComplete:SELECT_1 ReadyForQuery:I`},
		{"binary", []pgproto3.FrontendMessage{bind("", "", 1), portal(""), execute("", 0), sync},
			`BindComplete RowDescription:1 DataRow:"\x00\x00\x00\x00\x00\x00\x01\x02|a" CommandComplete:SELECT_1 ReadyForQuery:I`},
		{"a format each", []pgproto3.FrontendMessage{bind("", "", 0, 1), execute("", 0), sync},
			`BindComplete DataRow:"258|a" CommandComplete:SELECT_1 ReadyForQuery:I`},
		{"named", []pgproto3.FrontendMessage{parse("s", "SHOW STATE"), &pgproto3.Describe{ObjectType: 'S', Name: "s"}, sync},
			`ParseComplete ParameterDescription RowDescription:0 ReadyForQuery:I`},
		{"in portions", []pgproto3.FrontendMessage{bind("p", "s"), execute("p", 3), flush, execute("p", 3), execute("p", 1), sync},
			`BindComplete DataRow:"active|yes" DataRow:"paused|no" DataRow:"suspended|no" PortalSuspended DataRow:"stopping|no" CommandComplete:SHOW CommandComplete:SHOW ReadyForQuery:I`},
		{"a portal ends with its transaction", []pgproto3.FrontendMessage{execute("p", 0), sync}, `ERROR:34000 ReadyForQuery:I`},
		{"a portal in a transaction", []pgproto3.FrontendMessage{&pgproto3.Query{String: "BEGIN"}, bind("p", "s"), execute("p", 3), sync, execute("p", 0), sync, &pgproto3.Query{String: "END"}},
			`CommandComplete:BEGIN ReadyForQuery:T BindComplete DataRow:"active|yes" DataRow:"paused|no" DataRow:"suspended|no" PortalSuspended ReadyForQuery:T DataRow:"stopping|no" CommandComplete:SHOW ReadyForQuery:T CommandComplete:END ReadyForQuery:I`},
		{"a name twice", []pgproto3.FrontendMessage{parse("s", "SHOW STATE"), sync}, `ERROR:42P05 ReadyForQuery:I`},
		{"closed", []pgproto3.FrontendMessage{&pgproto3.Close{ObjectType: 'S', Name: "s"}, bind("", "s"), sync}, `CloseComplete ERROR:26000 ReadyForQuery:I`},
		{"skipped after an error", []pgproto3.FrontendMessage{parse("", "NONSENSE"), bind("", ""), &pgproto3.Query{String: "SELECT 1"}, sync}, `ERROR:42601 ReadyForQuery:I`},
		{"nothing", []pgproto3.FrontendMessage{parse("", " ; -- "), bind("", ""), portal(""), execute("", 0), sync}, `ParseComplete BindComplete NoData EmptyQueryResponse ReadyForQuery:I`},
		{"no result", []pgproto3.FrontendMessage{parse("", "SET a TO b"), bind("", ""), portal(""), execute("", 0), sync}, `ParseComplete BindComplete NoData CommandComplete:SET ReadyForQuery:I`},
		{"two at once", []pgproto3.FrontendMessage{parse("", "SHOW STATE; SHOW POOLS"), sync}, `ERROR:42601 ReadyForQuery:I`},
		{"an argument", []pgproto3.FrontendMessage{parse("", "SHOW STATE"), &pgproto3.Bind{Parameters: [][]byte{[]byte("x")}}, sync}, `ParseComplete ERROR:08P01 ReadyForQuery:I`},
		{"too few formats", []pgproto3.FrontendMessage{parse("", "SELECT 1, 2, 3"), bind("", "", 0, 1), sync}, `ParseComplete ERROR:08P01 ReadyForQuery:I`},
		{"many simple ones", []pgproto3.FrontendMessage{&pgproto3.Query{String: "SELECT 1; SET a = 'b'; NONSENSE; SELECT 2"}, &pgproto3.Query{}},
			`RowDescription:0 DataRow:"1" CommandComplete:SELECT_1 CommandComplete:SET ERROR:42601 ReadyForQuery:I EmptyQueryResponse ReadyForQuery:I`},
		{"a function call", []pgproto3.FrontendMessage{&pgproto3.FunctionCall{Function: 1, ResultFormatCode: 0}}, `ERROR:0A000 ReadyForQuery:I`},
		{"copy data that is not expected", []pgproto3.FrontendMessage{&pgproto3.CopyData{Data: []byte("x")}, &pgproto3.CopyDone{}, &pgproto3.Query{String: "SELECT 1"}},
			`RowDescription:0 DataRow:"1" CommandComplete:SELECT_1 ReadyForQuery:I`},
	} {
		if got := talk(t, front, strings.Count(c.want, "ReadyForQuery"), c.messages...); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
	raw.Write([]byte("!\x00\x00\x00\x04"))
	m, err := front.Receive()
	if e, ok := m.(*pgproto3.ErrorResponse); !ok || e.Severity != "FATAL" || e.Code != "08P01" {
		t.Errorf("%T %v for a message that does not exist", m, err)
	}
}

// A message that is too long ends the session before it is read.
func TestConsoleBoundsMessages(t *testing.T) {
	t.Parallel()
	raw, front := start(t, &fake{}).raw()
	raw.Write([]byte("Q\x40\x00\x00\x00"))
	m, err := front.Receive()
	if e, ok := m.(*pgproto3.ErrorResponse); !ok || e.Severity != "FATAL" || e.Code != "08P01" {
		t.Errorf("%T %v for a message of a gigabyte", m, err)
	}
	if _, err := front.Receive(); err == nil {
		t.Error("the console goes on after a message that it has not read")
	}
}
