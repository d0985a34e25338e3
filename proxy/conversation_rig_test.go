package proxy_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/proxy"
)

// turn is what a client says at once, and up to what it then listens: as many
// messages of one type as the text is long. What would end the connection is
// heard to its end.
type turn struct {
	say  []pgproto3.FrontendMessage
	hear string
}

// speaker is a client that speaks in messages.
type speaker struct {
	t      testing.TB
	conn   net.Conn
	in     *bufio.Reader
	status byte // of the transaction
}

// takeOver makes a speaker of a connection that is logged in.
func takeOver(t testing.TB, conn *pgx.Conn) *speaker {
	t.Helper()
	if err := conn.PgConn().SyncConn(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, err := conn.PgConn().Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Conn.Close() })
	return &speaker{t: t, conn: h.Conn, in: bufio.NewReader(h.Conn), status: 'I'}
}

// take has s take its turn, in pieces of random sizes if there is chance. It
// returns what was heard, a line for each message.
func (s *speaker) take(turn turn, chance *rand.Rand) (heard string) {
	s.t.Helper()
	s.conn.SetDeadline(time.Now().Add(time.Minute))
	var packet []byte
	for _, m := range turn.say {
		var err error
		if packet, err = m.Encode(packet); err != nil {
			s.t.Fatal(err)
		}
	}
	for len(packet) > 0 {
		n := len(packet)
		if chance != nil {
			n = min(n, 1+chance.IntN(40)*chance.IntN(40))
		}
		if _, err := s.conn.Write(packet[:n]); err != nil {
			return "cannot be written to\n"
		}
		packet = packet[n:]
	}
	return s.listen(turn.hear)
}

func (s *speaker) listen(until string) (heard string) {
	s.t.Helper()
	var lines strings.Builder
	for left := len(until); left > 0; {
		kind, body, err := s.receive()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
			lines.WriteString("closed\n")
			return lines.String()
		}
		if err != nil {
			s.t.Fatalf("%v; heard so far:\n%s", err, lines.String())
		}
		if kind == 'Z' && len(body) == 1 {
			s.status = body[0]
		}
		if kind == until[0] {
			left--
		}
		lines.WriteString(readable(kind, body))
	}
	return lines.String()
}

func (s *speaker) receive() (kind byte, body []byte, err error) {
	var header [5]byte
	if _, err := io.ReadFull(s.in, header[:]); err != nil {
		return 0, nil, err
	}
	body = make([]byte, binary.BigEndian.Uint32(header[1:])-4)
	_, err = io.ReadFull(s.in, body)
	return header[0], body, err
}

var preparedName = regexp.MustCompile(`prepared statement "(lb_[a-z2-7]{13}_)*(lb_)*(\d+|s\d)"`)

// readable is a message without what may differ between two connections: the
// names of statements, in errors, and process and object IDs; nor does it
// matter where in its source Postgres finds an error, or in what words it
// breaks with a client that does not keep to the protocol.
func readable(kind byte, body []byte) string {
	switch kind {
	case 'E', 'N':
		var e pgproto3.ErrorResponse
		if err := e.Decode(body); err == nil {
			e.Message = preparedName.ReplaceAllString(e.Message, "prepared statement NAME")
			if e.Severity == "FATAL" && e.Code == "08P01" {
				e.Message = ""
			}
			if strings.HasPrefix(e.SchemaName, "pg_temp_") {
				e.SchemaName = "pg_temp"
			}
			e.File, e.Line, e.Routine = "", 0, ""
			return fmt.Sprintf("%c %+v\n", kind, e)
		}
	case 'A':
		var n pgproto3.NotificationResponse
		if err := n.Decode(body); err == nil {
			return fmt.Sprintf("A %s %s\n", n.Channel, n.Payload)
		}
	case 'T':
		var d pgproto3.RowDescription
		if err := d.Decode(body); err == nil {
			for i := range d.Fields {
				d.Fields[i].TableOID, d.Fields[i].DataTypeOID = system(d.Fields[i].TableOID), system(d.Fields[i].DataTypeOID)
			}
			return fmt.Sprintf("T %+v\n", d.Fields)
		}
	case 't':
		var d pgproto3.ParameterDescription
		if err := d.Decode(body); err == nil {
			for i := range d.ParameterOIDs {
				d.ParameterOIDs[i] = system(d.ParameterOIDs[i])
			}
			return fmt.Sprintf("t %v\n", d.ParameterOIDs)
		}
	}
	return fmt.Sprintf("%c %q\n", kind, body)
}

// system is an object ID if it is the same in every database, else 0.
func system(oid uint32) uint32 {
	if oid >= 16384 {
		return 0
	}
	return oid
}

// shuffler has a pool lend its clients another server connection each time.
type shuffler struct {
	t       testing.TB
	helpers []*pgx.Conn
}

// newShuffler needs a pool of four.
func newShuffler(r *rig) *shuffler {
	return &shuffler{t: r.t, helpers: []*pgx.Conn{r.connect(), r.connect(), r.connect()}}
}

// shuffle takes three server connections and gives them back in any order. The
// one given back last is lent next.
func (s *shuffler) shuffle(chance *rand.Rand) {
	for _, conn := range s.helpers {
		exec(s.t, conn, "begin")
	}
	for _, i := range chance.Perm(len(s.helpers)) {
		exec(s.t, s.helpers[i], "commit")
	}
}

// comparison is a proxy, and how to get past it.
type comparison struct {
	t        *testing.T
	r        *rig
	direct   func() *pgx.Conn
	shuffler *shuffler // in transaction mode
}

// agree holds a conversation with the server itself, and as often as times says by way
// of the proxy. All must be the same.
func (c comparison) agree(conversation []turn, chance *rand.Rand, times int) {
	c.t.Helper()
	var want []string
	direct := takeOver(c.t, c.direct())
	for _, turn := range conversation {
		want = append(want, direct.take(turn, nil))
	}
	direct.conn.Close()
	for range times {
		c.agreeOnce(conversation, want, chance)
	}
}

// agreeOnce holds a conversation by way of the proxy.
func (c comparison) agreeOnce(conversation []turn, want []string, chance *rand.Rand) {
	c.t.Helper()
	proxied := takeOver(c.t, c.r.connect())
	for i, turn := range conversation {
		if proxied.status == 'I' && c.shuffler != nil {
			c.shuffler.shuffle(chance)
		}
		if got := proxied.take(turn, chance); got != want[i] {
			c.t.Fatalf("turn %d, %+v\nfrom the proxy:\n%s\nfrom the server:\n%s", i+1, turn, got, want[i])
		}
	}
	proxied.conn.Close()
}

// inComparison runs a test in both modes, with an instance of its own.
func inComparison(t *testing.T, test func(*testing.T, comparison)) {
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 4})
		c := comparison{t: t, r: r, direct: func() *pgx.Conn {
			conn, err := pgx.ConnectConfig(t.Context(), direct.Config())
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}}
		if mode == proxy.TransactionMode {
			c.shuffler = newShuffler(r)
		}
		test(t, c)
		if mode == proxy.TransactionMode && len(r.pids()) < 2 {
			t.Error("all that was said to one server connection")
		}
	})
}
