package pgwire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// collector puts messages together from the spans of a stream and checks that
// the spans say the truth about them.
type collector struct {
	scanner  pgwire.Scanner
	messages []pgwire.Message
	partial  []byte // the message that is not yet complete
	taken    int    // bytes of the stream in spans
}

// feed scans a chunk. An error of the scanner is an *Error; any other is a
// span that cannot be.
func (c *collector) feed(chunk []byte) error {
	for len(chunk) > 0 {
		span, err := c.scanner.Next(chunk)
		if err != nil {
			return err
		}
		if err := c.take(span, chunk); err != nil {
			return fmt.Errorf("span %+v of a chunk of %d: %w", span, len(chunk), err)
		}
		chunk = chunk[span.Size:]
	}
	return nil
}

func (c *collector) take(span pgwire.Span, chunk []byte) error {
	if span.Size <= 0 || span.Size > len(chunk) {
		return errors.New("is not in the chunk")
	}
	if span.Offset != len(c.partial) || span.First() != (len(c.partial) == 0) {
		return fmt.Errorf("%d bytes of the message came earlier", len(c.partial))
	}
	c.partial = append(c.partial, chunk[:span.Size]...)
	c.taken += span.Size
	have := len(c.partial)
	length := 0
	if have >= pgwire.HeaderSize {
		length = int(binary.BigEndian.Uint32(c.partial[1:])) + 1
	}
	switch {
	case span.Type != c.partial[0]:
		return fmt.Errorf("the type is %q", c.partial[0])
	case span.Length != length:
		return fmt.Errorf("the length is %d", length)
	case span.Last() != (have == length):
		return fmt.Errorf("has %d of %d bytes", have, length)
	case span.Whole() != (span.First() && span.Last()):
		return errors.New("whole is not first and last")
	case c.scanner.AtBoundary() != span.Last():
		return errors.New("the scanner is elsewhere than the span")
	case !span.Last() && span.Size != len(chunk):
		return errors.New("ends before message and chunk do")
	}
	header := min(max(0, pgwire.HeaderSize-span.Offset), span.Size)
	if span.Header() != header || !bytes.Equal(span.Body(chunk), chunk[header:span.Size]) {
		return fmt.Errorf("has %d bytes of the header", header)
	}
	if span.Last() {
		c.messages = append(c.messages, pgwire.Message{Type: c.partial[0], Body: c.partial[pgwire.HeaderSize:]})
		c.partial = nil
	}
	return nil
}

// encoded is a stream of messages as pgproto3 writes them.
func encoded[M pgproto3.Message](t testing.TB, messages []M) (stream []byte, want []pgwire.Message) {
	t.Helper()
	for _, m := range messages {
		b, err := m.Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		stream = append(stream, b...)
		want = append(want, pgwire.Message{Type: b[0], Body: b[pgwire.HeaderSize:]})
	}
	return stream, want
}

func clientMessages() []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{
		&pgproto3.Query{String: "select 1"},
		&pgproto3.Parse{Name: "s1", Query: "select $1", ParameterOIDs: []uint32{23}},
		&pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s1", ParameterFormatCodes: []int16{1},
			Parameters: [][]byte{{0, 0, 0, 7}, nil, {}}, ResultFormatCodes: []int16{1, 0}},
		&pgproto3.Describe{ObjectType: 'S', Name: "s1"},
		&pgproto3.Execute{Portal: "p", MaxRows: 5},
		&pgproto3.Flush{},
		&pgproto3.Close{ObjectType: 'P', Name: "p"},
		&pgproto3.Sync{},
		&pgproto3.FunctionCall{Function: 1598},
		&pgproto3.CopyData{Data: []byte("1\t2\n")},
		&pgproto3.CopyData{},
		&pgproto3.CopyDone{},
		&pgproto3.CopyFail{Message: "no"},
		&pgproto3.Terminate{},
	}
}

func serverMessages() []pgproto3.BackendMessage {
	return []pgproto3.BackendMessage{
		&pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"},
		&pgproto3.BackendKeyData{ProcessID: 9, SecretKey: []byte("abcd")},
		&pgproto3.ReadyForQuery{TxStatus: 'I'},
		&pgproto3.ParseComplete{},
		&pgproto3.BindComplete{},
		&pgproto3.ParameterDescription{ParameterOIDs: []uint32{23}},
		&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("a"), DataTypeOID: 23}}},
		&pgproto3.NoData{},
		&pgproto3.DataRow{Values: [][]byte{[]byte("1"), nil, {}}},
		&pgproto3.PortalSuspended{},
		&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")},
		&pgproto3.EmptyQueryResponse{},
		&pgproto3.CloseComplete{},
		&pgproto3.NoticeResponse{Severity: "NOTICE", Code: "00000", Message: "hm"},
		&pgproto3.NotificationResponse{PID: 9, Channel: "c", Payload: "p"},
		&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42601", Message: "no"},
		&pgproto3.FunctionCallResponse{Result: []byte("1")},
		&pgproto3.CopyInResponse{ColumnFormatCodes: []uint16{0, 0}},
		&pgproto3.CopyOutResponse{ColumnFormatCodes: []uint16{0}},
		&pgproto3.CopyBothResponse{ColumnFormatCodes: []uint16{}},
		&pgproto3.CopyData{Data: []byte("1\t2\n")},
		&pgproto3.CopyDone{},
	}
}

// streams calls test for a stream of each direction that holds every message.
func streams(t *testing.T, test func(t *testing.T, d pgwire.Direction, stream []byte, want []pgwire.Message)) {
	for _, d := range []pgwire.Direction{pgwire.FromClient, pgwire.FromServer} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			stream, want := encoded(t, clientMessages())
			if d == pgwire.FromServer {
				stream, want = encoded(t, serverMessages())
			}
			test(t, d, stream, want)
		})
	}
}

func checkChunks(t *testing.T, d pgwire.Direction, want []pgwire.Message, chunks ...[]byte) {
	t.Helper()
	c := collector{scanner: pgwire.Scanner{Direction: d}}
	var sizes []int
	for _, chunk := range chunks {
		sizes = append(sizes, len(chunk))
		if err := c.feed(chunk); err != nil {
			t.Fatalf("chunks of %v: %v", sizes, err)
		}
	}
	if !slices.EqualFunc(c.messages, want, equalMessages) || c.partial != nil {
		t.Fatalf("chunks of %v: got %q and %q, want %q", sizes, c.messages, c.partial, want)
	}
}

func equalMessages(a, b pgwire.Message) bool {
	return a.Type == b.Type && string(a.Body) == string(b.Body)
}

func TestScannerFindsMessagesAcrossEverySplit(t *testing.T) {
	t.Parallel()
	streams(t, func(t *testing.T, d pgwire.Direction, stream []byte, want []pgwire.Message) {
		for i := range len(stream) + 1 {
			checkChunks(t, d, want, stream[:i], stream[i:])
			for j := i + 1; j <= min(i+2*pgwire.HeaderSize, len(stream)); j++ {
				checkChunks(t, d, want, stream[:i], stream[i:j], stream[j:])
			}
		}
	})
}

func TestScannerFindsMessagesInChunksOfEverySize(t *testing.T) {
	t.Parallel()
	streams(t, func(t *testing.T, d pgwire.Direction, stream []byte, want []pgwire.Message) {
		for size := 1; size <= len(stream); size++ {
			checkChunks(t, d, want, slices.Collect(slices.Chunk(stream, size))...)
		}
	})
}

// Every message that pgproto3 knows how to send is in the streams, so a type
// without a name here is one that was forgotten.
func TestEveryMessageHasItsName(t *testing.T) {
	t.Parallel()
	check := func(m pgproto3.Message, name string) {
		if want := strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3."); name != want {
			t.Errorf("%s is called %s", want, name)
		}
	}
	seen := map[byte]bool{}
	for _, m := range clientMessages() {
		b, _ := m.Encode(nil)
		check(m, pgwire.ClientType(b[0]).String())
		seen[b[0]] = true
	}
	for _, m := range serverMessages() {
		b, _ := m.Encode(nil)
		check(m, pgwire.ServerType(b[0]).String())
		seen[b[0]+128] = true
	}
	for b := range 128 {
		client, server := pgwire.ClientType(b).String(), pgwire.ServerType(b).String()
		if quoted := fmt.Sprintf("%q", byte(b)); (client != quoted) != seen[byte(b)] || (server != quoted) != seen[byte(b)+128] {
			t.Errorf("type %s is called %s and %s", quoted, client, server)
		}
	}
}

func header(typ byte, length uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{typ}, length)
}

func TestScannerLimitsLengths(t *testing.T) {
	t.Parallel()
	const client, server = pgwire.FromClient, pgwire.FromServer
	for _, c := range []struct {
		direction pgwire.Direction
		in        []byte
		want      string // part of the error, "" if there is none
	}{
		{client, header('Q', 4), ""},
		{client, header('Q', 3), "invalid length 3 of client message Query: must be 4 to 1073741822"},
		{client, header('Q', 0), "invalid length 0 of client message Query"},
		{client, header('Q', 1<<30-2), ""},
		{client, header('d', 1<<30-2), ""},
		{client, header('B', 1<<30-1), "invalid length 1073741823 of client message Bind"},
		{client, header('P', 1<<32-1), "invalid length 4294967295 of client message Parse"},
		{client, header('D', 10000), ""},
		{client, header('D', 10001), "invalid length 10001 of client message Describe: must be 4 to 10000"},
		{client, header('S', 10001), "of client message Sync"},
		{client, header('p', 8), "no client message has type 'p'"},
		{client, header('T', 8), "no client message has type 'T'"},
		{client, header(0, 8), `no client message has type '\x00'`},
		{client, header(0xff, 8), `no client message has type 'ÿ'`},
		{server, header('D', 1<<30), ""},
		{server, header('D', 1<<30+1), "of server message DataRow: must be 4 to 1073741824"},
		{server, header('C', 30000), ""},
		{server, header('C', 30001), "invalid length 30001 of server message CommandComplete"},
		{server, header('t', 6+4*65535), ""},
		{server, header('S', 100000), ""},
		{server, header('Z', 1<<31), "of server message ReadyForQuery"},
		{server, header('R', 8), "no server message has type 'R'"},
		{server, header('Q', 8), "no server message has type 'Q'"},
	} {
		for split := range len(c.in) {
			s := pgwire.Scanner{Direction: c.direction}
			err := scan(&s, c.in[:split])
			if err == nil {
				err = scan(&s, c.in[split:])
			}
			checkRefusal(t, fmt.Sprintf("%s %q split at %d", c.direction, c.in, split), err, c.want)
		}
	}
}

func checkRefusal(t *testing.T, what string, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	var e *pgwire.Error
	if !errors.As(err, &e) || e.Severity != "FATAL" || e.Code != "08P01" || !strings.Contains(e.Message, want) {
		t.Errorf("%s: got error %v, want %q", what, err, want)
	}
}

// scan scans a chunk and forgets the spans.
func scan(s *pgwire.Scanner, chunk []byte) error {
	for len(chunk) > 0 {
		span, err := s.Next(chunk)
		if err != nil {
			return err
		}
		chunk = chunk[span.Size:]
	}
	return nil
}

func TestScannerConsumesNothingItRefuses(t *testing.T) {
	t.Parallel()
	var s pgwire.Scanner
	if err := scan(&s, []byte("Q\x00\x00")); err != nil {
		t.Fatal(err)
	}
	before := s
	first, second := scan(&s, []byte("\x00\x01")), scan(&s, []byte("\x00\x01"))
	if first == nil || second == nil || first.Error() != second.Error() || s != before {
		t.Errorf("got %v, then %v; state %+v, before %+v", first, second, s, before)
	}
}

func TestScannerAtTheEndOfAChunk(t *testing.T) {
	t.Parallel()
	var s pgwire.Scanner
	for _, c := range []struct {
		chunk      string
		atBoundary bool
	}{
		{"", true}, {"S\x00", false}, {"\x00\x00", false}, {"\x04", true}, {"d\x00\x00\x00\x09ab", false}, {"cde", true},
	} {
		if err := scan(&s, []byte(c.chunk)); err != nil {
			t.Fatal(err)
		}
		span, err := s.Next(nil)
		if err != nil || span.Size != 0 || span.Whole() || span.Last() {
			t.Errorf("after %q: got span %+v, %v; want an empty one", c.chunk, span, err)
		}
		if s.AtBoundary() != c.atBoundary {
			t.Errorf("after %q: at a boundary = %v", c.chunk, s.AtBoundary())
		}
	}
}

func TestScannerPassesTheLargestMessageInPieces(t *testing.T) {
	t.Parallel()
	var s pgwire.Scanner
	chunk := make([]byte, 1<<20)
	left := 1<<30 - 1 // the type is not counted by the length
	copy(chunk, header('d', uint32(left)-1))
	for left > 0 {
		piece := chunk[:min(len(chunk), left)]
		span, err := s.Next(piece)
		if err != nil || span.Length != 1<<30-1 || span.Last() != (len(piece) == left) {
			t.Fatalf("with %d bytes left: span %+v, %v", left, span, err)
		}
		left -= span.Size
	}
	if !s.AtBoundary() {
		t.Error("not at a boundary after the message")
	}
}

func TestScannerAllocatesNothing(t *testing.T) {
	stream, _ := encoded(t, serverMessages())
	n := testing.AllocsPerRun(100, func() {
		s := pgwire.Scanner{Direction: pgwire.FromServer}
		for at := 0; at < len(stream); at += 7 {
			if err := scan(&s, stream[at:min(at+7, len(stream))]); err != nil {
				t.Fatal(err)
			}
		}
		if err := scan(&s, stream); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkScanner(b *testing.B) {
	for _, size := range []int{16, 64, 1024, 16 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			message := pgwire.Message{Type: byte(pgwire.ServerDataRow), Body: make([]byte, size-pgwire.HeaderSize)}
			var chunk []byte
			messages := 0
			for len(chunk) < 64<<10 {
				chunk = message.Append(chunk)
				messages++
			}
			chunk = chunk[:len(chunk)-size/2] // so that one is split
			s := pgwire.Scanner{Direction: pgwire.FromServer}
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			for b.Loop() {
				s = pgwire.Scanner{Direction: pgwire.FromServer}
				if err := scan(&s, chunk); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*messages), "ns/message")
		})
	}
}
