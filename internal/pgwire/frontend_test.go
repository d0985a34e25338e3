package pgwire_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// bodyOf returns the body of a message as pgproto3 encodes it.
func bodyOf(t testing.TB, m pgproto3.Message) []byte {
	t.Helper()
	b, err := m.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b[pgwire.HeaderSize:]
}

// result hides the type of a Decode function's result.
func result[T any](v T, err error) (any, error) { return v, err }

func TestDecodeClientMessages(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		decode func(body []byte) (any, error)
		in     pgproto3.Message
		want   any
	}{
		"Parse": {decodeParse, &pgproto3.Parse{Name: "s1", Query: "select $1, $2", ParameterOIDs: []uint32{23, 0}},
			pgwire.Parse{Name: []byte("s1"), Query: []byte("select $1, $2"),
				Rest: []byte("select $1, $2\x00\x00\x02\x00\x00\x00\x17\x00\x00\x00\x00")}},
		"unnamed Parse": {decodeParse, &pgproto3.Parse{},
			pgwire.Parse{Name: []byte{}, Query: []byte{}, Rest: []byte("\x00\x00\x00")}},
		"long Parse": {decodeParse, &pgproto3.Parse{Query: long},
			pgwire.Parse{Name: []byte{}, Query: []byte(long), Rest: []byte(long + "\x00\x00\x00")}},
		"Parse of 65,535 parameter types": {decodeParse, &pgproto3.Parse{ParameterOIDs: make([]uint32, 65535)},
			pgwire.Parse{Name: []byte{}, Query: []byte{}, Rest: append([]byte("\x00\xff\xff"), make([]byte, 4*65535)...)}},
		"Bind": {decodeBind, &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s1", Parameters: [][]byte{[]byte("a\x00"), nil}},
			pgwire.Bind{Portal: []byte("p"), Statement: []byte("s1"),
				Rest: []byte("\x00\x00\x00\x02\x00\x00\x00\x02a\x00\xff\xff\xff\xff\x00\x00")}},
		"unnamed Bind": {decodeBind, &pgproto3.Bind{},
			pgwire.Bind{Portal: []byte{}, Statement: []byte{}, Rest: make([]byte, 6)}},
		"Describe statement": {decodeDescribe, &pgproto3.Describe{ObjectType: 'S', Name: "s1"},
			pgwire.Object{Kind: pgwire.PreparedStatement, Name: []byte("s1")}},
		"Describe portal": {decodeDescribe, &pgproto3.Describe{ObjectType: 'P'},
			pgwire.Object{Kind: pgwire.Portal, Name: []byte{}}},
		"Close statement": {decodeClose, &pgproto3.Close{ObjectType: 'S', Name: "s1"},
			pgwire.Object{Kind: pgwire.PreparedStatement, Name: []byte("s1")}},
		"Close portal": {decodeClose, &pgproto3.Close{ObjectType: 'P', Name: "p"},
			pgwire.Object{Kind: pgwire.Portal, Name: []byte("p")}},
		"Query":       {decodeQuery, &pgproto3.Query{String: "select 1; select 2"}, []byte("select 1; select 2")},
		"empty Query": {decodeQuery, &pgproto3.Query{}, []byte{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.decode(bodyOf(t, c.in))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func decodeParse(b []byte) (any, error)    { return result(pgwire.DecodeParse(b)) }
func decodeBind(b []byte) (any, error)     { return result(pgwire.DecodeBind(b)) }
func decodeDescribe(b []byte) (any, error) { return result(pgwire.DecodeDescribe(b)) }
func decodeClose(b []byte) (any, error)    { return result(pgwire.DecodeClose(b)) }
func decodeQuery(b []byte) (any, error)    { return result(pgwire.DecodeQuery(b)) }

func TestDecodeRefusesMalformedClientMessages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		decode func(body []byte) (any, error)
		bodies []string
	}{
		{"Parse", decodeParse, []string{"", "s", "s\x00", "s\x00q", "s\x00q\x00", "s\x00q\x00\x00", "s\x00q\x00\x00\x00x",
			"s\x00q\x00\x00\x01", "s\x00q\x00\x00\x01\x00\x00\x00", "s\x00q\x00\xff\xff\x00\x00\x00\x17", "s\x00q\x00\x00\x01\x00\x00\x00\x17\x00"}},
		{"Bind", decodeBind, []string{"", "p", "p\x00", "p\x00s"}},
		{"Describe", decodeDescribe, []string{"", "S", "Sx", "S\x00\x00", "s\x00", "\x00\x00", "Px\x00y"}},
		{"Close", decodeClose, []string{"", "P", "Sx", "S\x00\x00", "X\x00"}},
		{"Query", decodeQuery, []string{"", "select", "select\x00 1\x00", "\x00\x00"}},
	} {
		for _, body := range c.bodies {
			checkMalformed(t, c.decode, body, "ERROR", fmt.Sprintf("malformed %s message from client", c.name))
		}
	}
}

func checkMalformed(t *testing.T, decode func(body []byte) (any, error), body, severity, message string) {
	t.Helper()
	got, err := decode([]byte(body))
	var e *pgwire.Error
	if !errors.As(err, &e) || e.Code != "08P01" || e.Message != message || !strings.HasPrefix(e.Error(), severity) {
		t.Errorf("body %q: got error %v, want %s: %s", body, err, severity, message)
	}
	if !reflect.ValueOf(got).IsZero() {
		t.Errorf("body %q: got %+v beside the error", body, got)
	}
}

// An append to a decoded field must not change the message.
func TestDecodedFieldsHaveNoRoomToGrow(t *testing.T) {
	t.Parallel()
	body := bodyOf(t, &pgproto3.Parse{Name: "s1", Query: "select 1"})
	before := string(body)
	p, err := pgwire.DecodeParse(body)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(p.Name, "overwritten"...)
	_ = append(p.Query, "overwritten"...)
	if string(body) != before {
		t.Errorf("the message became %q", body)
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	bodies := map[string][]byte{}
	for _, m := range clientMessages() {
		bodies[fmt.Sprintf("%T", m)] = bodyOf(t, m)
	}
	for _, m := range serverMessages() {
		bodies[fmt.Sprintf("%T", m)] = bodyOf(t, m)
	}
	for name, decode := range map[string]func(b []byte) error{
		"Parse":           func(b []byte) error { _, err := pgwire.DecodeParse(b); return err },
		"Bind":            func(b []byte) error { _, err := pgwire.DecodeBind(b); return err },
		"Describe":        func(b []byte) error { _, err := pgwire.DecodeDescribe(b); return err },
		"Close":           func(b []byte) error { _, err := pgwire.DecodeClose(b); return err },
		"Query":           func(b []byte) error { _, err := pgwire.DecodeQuery(b); return err },
		"ReadyForQuery":   func(b []byte) error { _, err := pgwire.DecodeReadyForQuery(b); return err },
		"CommandComplete": func(b []byte) error { _, err := pgwire.DecodeCommandComplete(b); return err },
		"ParameterStatus": func(b []byte) error { _, err := pgwire.DecodeParameterStatus(b); return err },
		"ErrorResponse":   func(b []byte) error { _, err := pgwire.DecodeErrorResponse(b); return err },
		"NoticeResponse":  func(b []byte) error { _, err := pgwire.DecodeErrorResponse(b); return err },
	} {
		body, ok := bodies["*pgproto3."+name]
		if !ok {
			t.Fatalf("no %s among the messages", name)
		}
		n := testing.AllocsPerRun(100, func() {
			if err := decode(body); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
