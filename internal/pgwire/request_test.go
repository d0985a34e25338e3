package pgwire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// packet puts the length before code and rest.
func packet(code uint32, rest string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(rest)))
	b = binary.BigEndian.AppendUint32(b, code)
	return append(b, rest...)
}

func TestReadRequest(t *testing.T) {
	t.Parallel()
	longKey := strings.Repeat("k", 256)
	for name, c := range map[string]struct {
		in   []byte
		want pgwire.Request
	}{
		"ssl":             {packet(80877103, ""), pgwire.SSLRequest{}},
		"gssenc":          {packet(80877104, ""), pgwire.GSSENCRequest{}},
		"ssl with a tail": {packet(80877103, "x"), pgwire.SSLRequest{}},
		"cancel":          {packet(80877102, "\x00\x00\x00\x07abcd"), &pgwire.CancelRequest{ProcessID: 7, SecretKey: []byte("abcd")}},
		"long cancel key": {packet(80877102, "\x80\x00\x00\x00"+longKey),
			&pgwire.CancelRequest{ProcessID: 1 << 31, SecretKey: []byte(longKey)}},
		"startup 3.0": {packet(0x30000, "user\x00me\x00database\x00\x00\x00"),
			&pgwire.Startup{Version: pgwire.Version30, Parameters: []pgwire.Parameter{{Name: "user", Value: "me"}, {Name: "database"}}}},
		"startup 3.2": {packet(0x30002, "user\x00me\x00\x00"),
			&pgwire.Startup{Version: pgwire.Version32, Parameters: []pgwire.Parameter{{Name: "user", Value: "me"}}}},
		"startup of the future": {packet(0x3270f, "user\x00me\x00_pq_.x\x001\x00\x00"),
			&pgwire.Startup{Version: 0x3270f, Parameters: []pgwire.Parameter{{Name: "user", Value: "me"}, {Name: "_pq_.x", Value: "1"}}}},
		"no parameters": {packet(0x30000, "\x00"), &pgwire.Startup{Version: pgwire.Version30}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := bytes.NewReader(append(c.in, "next"...))
			got, err := pgwire.ReadRequest(r)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Fatalf("got %#v, %v; want %#v", got, err, c.want)
			}
			if rest, _ := io.ReadAll(r); string(rest) != "next" {
				t.Errorf("read %d bytes too many", 4-len(rest))
			}
		})
	}
}

func TestReadRequestRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   []byte
		code string // "" closes the connection silently
	}{
		"too short":              {[]byte{0, 0, 0, 7, 0, 3, 0}, ""},
		"too long":               {packet(0x30000, "user\x00"+strings.Repeat("x", 10000)), ""},
		"huge":                   {[]byte("\xff\xff\xff\xff"), ""},
		"an HTTP request":        {[]byte("GET / HTTP/1.1\r\n\r\n"), ""},
		"protocol 2":             {packet(0x20000, "user\x00me\x00\x00"), "0A000"},
		"protocol 4":             {packet(0x40000, "user\x00me\x00\x00"), "0A000"},
		"cancel without key":     {packet(80877102, "\x00\x00\x00\x07"), ""},
		"cancel key of 257":      {packet(80877102, "\x00\x00\x00\x07"+strings.Repeat("k", 257)), ""},
		"no terminator":          {packet(0x30000, "user\x00me\x00"), "08P01"},
		"unfinished value":       {packet(0x30000, "user\x00me"), "08P01"},
		"bytes after the end":    {packet(0x30000, "user\x00me\x00\x00x"), "08P01"},
		"nothing but a protocol": {packet(0x30000, ""), "08P01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pgwire.ReadRequest(bytes.NewReader(c.in))
			if c.code == "" {
				if !errors.Is(err, pgwire.ErrLength) {
					t.Fatalf("got %v, want %v", err, pgwire.ErrLength)
				}
				return
			}
			var e *pgwire.Error
			if !errors.As(err, &e) || e.Code != c.code {
				t.Fatalf("got %v, want an error to answer with %s", err, c.code)
			}
		})
	}
}

func TestReadRequestCutShort(t *testing.T) {
	t.Parallel()
	whole := packet(0x30000, "user\x00me\x00\x00")
	for n := range whole {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := pgwire.ReadRequest(bytes.NewReader(whole[:n])); err != want {
			t.Errorf("after %d bytes: %v, want %v", n, err, want)
		}
	}
}

func TestStartupParameters(t *testing.T) {
	t.Parallel()
	s := &pgwire.Startup{Version: pgwire.Version30, Parameters: []pgwire.Parameter{
		{Name: "user", Value: "first"}, {Name: "options", Value: "-c x=1"}, {Name: "user", Value: "last"}}}
	if s.User() != "last" || s.Database() != "last" {
		t.Errorf("user %q, database %q; want the last user for both", s.User(), s.Database())
	}
	s.Set("options", "")
	s.Set("user", "me")
	s.Set("database", "db")
	want := packet(0x30000, "user\x00me\x00database\x00db\x00\x00")
	if got := s.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNegotiate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asked   pgwire.Version
		extra   []pgwire.Parameter
		newest  pgwire.Version
		want    pgwire.Version
		unknown []string
		agreed  bool
	}{
		"3.0 of 3.0": {asked: pgwire.Version30, newest: pgwire.Version30, want: pgwire.Version30, agreed: true},
		"3.0 of 3.2": {asked: pgwire.Version30, newest: pgwire.Version32, want: pgwire.Version30, agreed: true},
		"3.2 of 3.0": {asked: pgwire.Version32, newest: pgwire.Version30, want: pgwire.Version30},
		"grease": {asked: 0x3270f, newest: pgwire.Version32, want: pgwire.Version32,
			extra: []pgwire.Parameter{{Name: "_pq_.a", Value: "1"}}, unknown: []string{"_pq_.a"}},
		"only an option": {asked: pgwire.Version30, newest: pgwire.Version30, want: pgwire.Version30,
			extra: []pgwire.Parameter{{Name: "_pq_.a"}, {Name: "_pq_.b"}}, unknown: []string{"_pq_.a", "_pq_.b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &pgwire.Startup{Version: c.asked, Parameters: append([]pgwire.Parameter{{Name: "user", Value: "me"}}, c.extra...)}
			v, unknown, agreed := s.Negotiate(c.newest)
			if v != c.want || !reflect.DeepEqual(unknown, c.unknown) || agreed != c.agreed {
				t.Fatalf("got %v %v %v", v, unknown, agreed)
			}
			// pgproto3 reads it as a client would.
			m, err := pgproto3.NewFrontend(bytes.NewReader(pgwire.AppendNegotiate(nil, v, unknown)), nil).Receive()
			n, ok := m.(*pgproto3.NegotiateProtocolVersion)
			if err != nil || !ok || n.NewestMinorProtocol != uint32(c.want) || len(n.UnrecognizedOptions) != len(unknown) {
				t.Errorf("message %#v, %v", m, err)
			}
		})
	}
}

func TestErrorIsSentAsErrorResponse(t *testing.T) {
	t.Parallel()
	e := &pgwire.Error{Severity: "ERROR", Code: "XX000", Message: "m", Detail: "d", Hint: "h"}
	m, err := pgproto3.NewFrontend(bytes.NewReader(e.Append(nil)), nil).Receive()
	got, ok := m.(*pgproto3.ErrorResponse)
	if err != nil || !ok {
		t.Fatal(m, err)
	}
	want := pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "XX000", Message: "m", Detail: "d", Hint: "h"}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	if s := (&pgwire.Error{Code: "08P01", Message: "m"}).Error(); s != "FATAL 08P01: m" {
		t.Error(s)
	}
}

func TestReadMessageReadsOneMessageWithinItsLimit(t *testing.T) {
	t.Parallel()
	in := pgwire.Message{Type: 'p', Body: []byte("secret\x00")}.Append(nil)
	r := bytes.NewReader(append(in, "next"...))
	m, err := pgwire.ReadMessage(r, 7)
	if err != nil || m.Type != 'p' || string(m.Body) != "secret\x00" || r.Len() != 4 {
		t.Fatal(m, err, r.Len())
	}
	var e *pgwire.Error
	if _, err := pgwire.ReadMessage(bytes.NewReader(in), 6); !errors.As(err, &e) {
		t.Errorf("over the limit: %v", err)
	}
	if _, err := pgwire.ReadMessage(strings.NewReader("p\x00\x00\x00\x03"), 6); !errors.As(err, &e) {
		t.Errorf("length below 4: %v", err)
	}
	if _, err := pgwire.ReadMessage(bytes.NewReader(in[:5]), 7); err != io.ErrUnexpectedEOF {
		t.Errorf("cut short: %v", err)
	}
}

// FuzzParsedRequestEncodesToItself checks that an accepted packet is the same after
// it has been encoded and parsed again, and that each error can be sent to the
// client.
func FuzzParsedRequestEncodesToItself(f *testing.F) {
	f.Add(packet(80877103, "")[4:])
	f.Add(packet(80877104, "")[4:])
	f.Add(packet(80877102, "\x00\x00\x00\x07abcd")[4:])
	f.Add(packet(0x30000, "user\x00me\x00database\x00\x00\x00")[4:])
	f.Add(packet(0x3270f, "user\x00me\x00_pq_.x\x001\x00\x00")[4:])
	f.Add(packet(0x20000, "")[4:])
	f.Add([]byte(" / HTTP/1.1\r\nHost: localhost\r\n\r\n")) // an HTTP request, whose "GET" became the length
	for _, r := range recordings(f) {
		for _, body := range r.requests {
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := pgwire.ReadRequest(bytes.NewReader(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)))
		if err != nil {
			if errors.Is(err, pgwire.ErrLength) { // to which Postgres sends no answer
				return
			}
			var e *pgwire.Error
			if !errors.As(err, &e) || e.Code == "" || e.Message == "" {
				t.Fatalf("%v cannot be sent to the client", err)
			}
			return
		}
		var wire []byte
		switch req := req.(type) {
		case *pgwire.Startup:
			wire = req.Append(nil)
		case *pgwire.CancelRequest:
			if wire, err = req.Encode(nil); err != nil {
				t.Fatal(err)
			}
		default:
			return
		}
		if !bytes.Equal(wire[4:], body) {
			t.Fatalf("%q was written as %q", body, wire[4:])
		}
		if again, err := pgwire.ReadRequest(bytes.NewReader(wire)); err != nil || !reflect.DeepEqual(again, req) {
			t.Fatalf("%#v, then %#v, %v", req, again, err)
		}
	})
}
