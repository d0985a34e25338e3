package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// hostileServer is a server that does what it likes. By itself it logs everybody in
// and answers each query with its text.
type hostileServer struct {
	t      testing.TB
	l      net.Listener
	logIn  func(net.Conn)              // answers the startup packet, nil for the usual answer
	answer func(net.Conn, string) bool // answers a query, if it reports so
	conns  sync.WaitGroup
}

// startHostile starts the server, and a proxy of one server connection before it.
func startHostile(t testing.TB, s *hostileServer, cfg proxy.Config) *rig {
	t.Helper()
	var err error
	if s.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.t = t
	t.Cleanup(func() {
		s.l.Close()
		s.conns.Wait()
	})
	s.conns.Go(func() {
		for {
			conn, err := s.l.Accept()
			if err != nil {
				return
			}
			s.conns.Go(func() { s.serve(conn) })
		}
	})
	cfg.Targets = map[string]*lakebase.Connector{"shop": newConnector(t, fmt.Sprintf("postgres://me@%s/shop?sslmode=disable", s.l.Addr()))}
	cfg.DefaultPoolSize, cfg.TrustFunctions = 1, true
	return start(t, cfg)
}

func (s *hostileServer) serve(conn net.Conn) {
	defer conn.Close()
	backend := pgproto3.NewBackend(conn, nil)
	switch m, err := backend.ReceiveStartupMessage(); m.(type) {
	case *pgproto3.CancelRequest:
		io.Copy(io.Discard, conn) // never done
		return
	default:
		if err != nil {
			return
		}
	}
	if s.logIn != nil {
		s.logIn(conn)
	} else {
		conn.Write(said(&pgproto3.AuthenticationOk{}, &pgproto3.BackendKeyData{ProcessID: 7, SecretKey: []byte("1234")}, ready))
	}
	for {
		m, err := backend.Receive()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *pgproto3.Query:
			if s.answer == nil || !s.answer(conn, m.String) {
				conn.Write(said(answerTo(m.String)...))
			}
		case *pgproto3.Sync:
			conn.Write(said(ready))
		case *pgproto3.Terminate:
			return
		}
	}
}

var ready = &pgproto3.ReadyForQuery{TxStatus: 'I'}

// answerTo is an answer to a query: one row, its text.
func answerTo(text string) []pgproto3.BackendMessage {
	return []pgproto3.BackendMessage{&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("text"), DataTypeOID: 25, DataTypeSize: -1}}},
		row(text), &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}, ready}
}

func row(text string) *pgproto3.DataRow { return &pgproto3.DataRow{Values: [][]byte{[]byte(text)}} }

func said(messages ...pgproto3.BackendMessage) (packet []byte) {
	for _, m := range messages {
		packet, _ = m.Encode(packet) // fails only beyond a gigabyte
	}
	return packet
}

// heard is what a client hears in answer to a query: rows, and the code of an error. It
// must hear something.
func heard(t testing.TB, conn net.Conn, text string) (rows []string, code string) {
	t.Helper()
	conn.Write(encoded(t, &pgproto3.Query{String: text}))
	front := pgproto3.NewFrontend(conn, nil)
	for {
		m, err := front.Receive()
		if isTimeout(err) {
			t.Fatalf("%s: no end of the answer after %q", text, rows)
		}
		if err != nil {
			return rows, code
		}
		switch m := m.(type) {
		case *pgproto3.DataRow:
			rows = append(rows, string(m.Values[0]))
		case *pgproto3.ErrorResponse:
			if code = m.Code; m.Severity == "FATAL" {
				return rows, code
			}
		case *pgproto3.ReadyForQuery:
			return rows, code
		}
	}
}

// What a server sends out of order ends its connection: its client is told, whether it
// has its answer or not, and no other client gets any of it.
func TestAnswersOutOfOrderEndTheServerConnection(t *testing.T) {
	t.Parallel()
	whole := answerTo("hostile")
	for name, answer := range map[string][]byte{
		"a ReadyForQuery too many":         said(append(whole, ready)...),
		"a row after ReadyForQuery":        said(append(whole, row("secret"))...),
		"an answer after the answer":       said(append(whole, answerTo("secret")...)...),
		"a row without its description":    said(row("secret"), whole[2], ready),
		"a row after its end":              said(whole[0], whole[1], whole[2], row("secret"), ready),
		"nothing but ReadyForQuery":        said(ready),
		"ParseComplete":                    said(&pgproto3.ParseComplete{}, ready),
		"copied data":                      said(&pgproto3.CopyData{Data: []byte("secret")}, whole[2], ready),
		"another key":                      said(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte("1234")}),
		"a request for a password":         said(&pgproto3.AuthenticationCleartextPassword{}),
		"an error after ReadyForQuery":     said(append(whole, &pgproto3.ErrorResponse{Severity: "ERROR", Code: "22012", Message: "secret"})...),
		"nonsense":                         []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"nonsense after the answer":        append(said(whole...), "HTTP/1.1 400 Bad Request\r\n\r\n"...),
		"an impossible length":             message('C', 3, ""),
		"a CommandComplete of a gigabyte":  message('C', 1<<30, ""),
		"parameters without end":           parameters(100_000),
		"a parameter of a gigabyte":        message('S', 1<<30, "search_path\x00"),
		"a malformed error":                message('E', 8, "Mabc"),
		"a ReadyForQuery of no such state": message('Z', 5, "X"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startHostile(t, &hostileServer{answer: func(conn net.Conn, text string) bool {
				if text == "hostile" {
					conn.Write(answer)
				}
				return text == "hostile"
			}}, proxy.Config{PoolMode: proxy.TransactionMode})
			other := r.rawLogin()
			for round := range 3 {
				began := time.Now()
				rows, code := heard(t, r.rawLogin(), "hostile")
				if code != "08P01" && code != "" || code == "" && len(rows) == 0 {
					t.Errorf("its client heard %q and %q", rows, code)
				}
				if strings.Contains(strings.Join(rows, " "), "secret") {
					t.Errorf("its client heard %q", rows)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("took %s", took)
				}
				mine := fmt.Sprint("mine ", round)
				if rows, code := heard(t, other, mine); code != "" || len(rows) != 1 || rows[0] != mine {
					t.Errorf("another client heard %q, %s", rows, code)
				}
			}
			if lines := strings.Count(r.log.String(), "level=WARN"); lines > 3 {
				t.Errorf("%d lines for three connections:\n%s", lines, r.log)
			}
		})
	}
}

// parameters are n reports.
func parameters(n int) (packet []byte) {
	for i := range n {
		packet = append(packet, said(&pgproto3.ParameterStatus{Name: fmt.Sprint("parameter_", i), Value: "x"})...)
	}
	return packet
}

// What comes in the same segment as the whole answer is told to the client that has got
// the answer.
func TestClientWithItsAnswerIsToldOfTheEnd(t *testing.T) {
	t.Parallel()
	r := startHostile(t, &hostileServer{answer: func(conn net.Conn, text string) bool {
		conn.Write(said(append(answerTo(text), ready)...))
		return true
	}}, proxy.Config{PoolMode: proxy.TransactionMode})
	conn := r.rawLogin()
	conn.Write(encoded(t, &pgproto3.Query{String: "hello"}))
	var all bytes.Buffer
	e := lastError(t, io.TeeReader(conn, &all))
	if e.Severity != "FATAL" || e.Code != "08P01" || !strings.Contains(e.Message, "ReadyForQuery") {
		t.Errorf("told %+v", e)
	}
	if answer := said(answerTo("hello")...); !bytes.HasPrefix(all.Bytes(), answer) {
		t.Errorf("heard %q, want %q first", all.Bytes(), answer)
	}
}

// A ReadyForQuery too many that comes when another client waits is not its answer.
func TestLateReadyForQueryIsNobodysAnswer(t *testing.T) {
	t.Parallel()
	r := startHostile(t, &hostileServer{answer: func(conn net.Conn, text string) bool {
		if text == "second" {
			conn.Write(said(ready)) // as if the first had been late
			conn.Write(said(answerTo(text)...))
		}
		return text == "second"
	}}, proxy.Config{PoolMode: proxy.TransactionMode})
	if rows, code := heard(t, r.rawLogin(), "first"); code != "" || len(rows) != 1 {
		t.Errorf("heard %q, %s", rows, code)
	}
	if rows, code := heard(t, r.rawLogin(), "second"); code != "08P01" || len(rows) != 0 {
		t.Errorf("heard %q, %s", rows, code)
	}
}

// What a server sends unasked without end costs neither memory nor the others' time: it
// is disconnected, or its client reads all of it.
func TestFloodOfAServerIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		flood []byte
		idle  bool // it comes when no client waits
	}{
		"parameters, idle":              {said(&pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"}), true},
		"notices, idle":                 {said(&pgproto3.NoticeResponse{Severity: "NOTICE", Message: "hello"}), true},
		"notifications, idle":           {said(&pgproto3.NotificationResponse{Channel: "news"}), true},
		"a notice of a gigabyte, idle":  {append(message('N', 1<<30-10, ""), make([]byte, 8<<20)...), true},
		"different parameters, in work": {parameters(100_000), false},
	} {
		t.Run(name, func(t *testing.T) {
			flood := bytes.Repeat(c.flood, 1+(8<<20)/len(c.flood))
			var flooded sync.WaitGroup
			flooded.Add(1)
			r := startHostile(t, &hostileServer{answer: func(conn net.Conn, text string) bool {
				if text != "flood" {
					return false
				}
				if c.idle {
					conn.Write(said(answerTo(text)...))
				}
				defer flooded.Done()
				for conn.SetWriteDeadline(time.Now().Add(time.Minute)); ; {
					if _, err := conn.Write(flood); err != nil {
						if isTimeout(err) {
							t.Error("the flood was not ended")
						}
						return true
					}
				}
			}}, proxy.Config{PoolMode: proxy.TransactionMode})
			before := usedKiB()
			rows, code := heard(t, r.rawLogin(), "flood")
			if c.idle != (len(rows) == 1 && code == "") || c.idle != (code != "08P01") {
				t.Errorf("heard %q, %s", rows, code)
			}
			testkit.Eventually(t, "the server connection is closed", func() bool { return len(r.Servers()) == 0 })
			flooded.Wait()
			if grown := usedKiB() - before; grown > 20<<10 {
				t.Errorf("%d KiB", grown)
			}
			if rows, code := heard(t, r.rawLogin(), "mine"); code != "" || len(rows) != 1 || rows[0] != "mine" {
				t.Errorf("another client heard %q, %s", rows, code)
			}
			if lines := strings.Count(r.log.String(), "\n"); lines > 50 {
				t.Errorf("%d lines:\n%s", lines, r.log)
			}
		})
	}
}

// A login that floods, that is out of order or that is dripped byte by byte at any of
// its stages fails within server_connect_timeout, and costs little.
func TestHostileLoginsFail(t *testing.T) {
	ok := said(&pgproto3.AuthenticationOk{})
	all := said(&pgproto3.AuthenticationOk{}, &pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"},
		&pgproto3.NoticeResponse{Severity: "NOTICE", Message: "hello"}, &pgproto3.BackendKeyData{ProcessID: 7, SecretKey: []byte("1234")})
	endless := func(before, flood []byte) func(net.Conn) {
		flood = bytes.Repeat(flood, 1+(1<<20)/len(flood))
		return func(conn net.Conn) {
			conn.Write(before)
			for conn.SetWriteDeadline(time.Now().Add(time.Minute)); ; {
				if _, err := conn.Write(flood); err != nil {
					return
				}
			}
		}
	}
	dripped := func(packet []byte) func(net.Conn) {
		return func(conn net.Conn) {
			pace := time.NewTicker(100 * time.Millisecond)
			defer pace.Stop()
			for i := 0; ; i++ {
				if _, err := conn.Write([]byte{packet[i%len(packet)]}); err != nil {
					return
				}
				<-pace.C
			}
		}
	}
	once := func(packet []byte) func(net.Conn) { return func(conn net.Conn) { conn.Write(packet) } }
	for name, logIn := range map[string]func(net.Conn){
		"parameters without end":           endless(ok, parameters(50_000)),
		"one parameter without end":        endless(ok, said(&pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"})),
		"notices without end":              endless(ok, said(&pgproto3.NoticeResponse{Severity: "NOTICE", Message: "hello"})),
		"notices before anything":          endless(nil, said(&pgproto3.NoticeResponse{Severity: "NOTICE", Message: "hello"})),
		"authentication without end":       endless(nil, ok),
		"keys without end":                 endless(ok, said(&pgproto3.BackendKeyData{ProcessID: 7, SecretKey: []byte("1234")})),
		"an error of a gigabyte":           endless(message('E', 1<<30-10, ""), []byte("x")),
		"too many parameters":              once(append(append(bytes.Clone(ok), parameters(300)...), said(&pgproto3.BackendKeyData{ProcessID: 7, SecretKey: []byte("1234")}, ready)...)),
		"rows in its place":                once(said(answerTo("secret")...)),
		"rows after it":                    once(append(append(bytes.Clone(all), said(ready)...), said(row("secret"))...)),
		"an answer after it":               once(append(append(bytes.Clone(all), said(ready)...), said(answerTo("secret")...)...)),
		"a ReadyForQuery too many":         once(append(append(bytes.Clone(all), said(ready)...), said(ready)...)),
		"nonsense":                         once([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")),
		"nothing":                          func(conn net.Conn) { io.Copy(io.Discard, conn) },
		"dripped":                          dripped(append(bytes.Clone(all), make([]byte, 1000)...)),
		"dripped after the authentication": func(conn net.Conn) { conn.Write(ok); dripped(all[len(ok):])(conn) },
		"dripped parameters":               func(conn net.Conn) { conn.Write(ok); dripped(parameters(1000))(conn) },
		"dripped error":                    dripped(said(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "57P03", Message: strings.Repeat("x", 1000)})),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inModes(t, func(t *testing.T, mode proxy.Mode) {
				const limit = time.Second
				r := startHostile(t, &hostileServer{logIn: logIn}, proxy.Config{PoolMode: mode, ServerConnectTimeout: limit, QueryWaitTimeout: 3 * time.Second})
				raw := r.dial()
				raw.Write(request(0x30000, "user\x00me\x00database\x00shop\x00\x00"))
				began := time.Now()
				answer, err := io.ReadAll(io.LimitReader(raw, 1<<20))
				if isTimeout(err) || len(answer) == 1<<20 {
					t.Fatalf("no end: %d bytes, %v", len(answer), err)
				}
				if !bytes.Contains(answer, []byte("FATAL")) || bytes.Contains(answer, []byte("secret")) {
					t.Errorf("answered %q", answer)
				}
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("took %s", took)
				}
				if lines := strings.Count(r.log.String(), "level=WARN"); lines == 0 || lines > 20 {
					t.Errorf("%d lines:\n%s", lines, r.log)
				}
			})
		})
	}
}

// A client that is disconnected is told why, though the server does not answer the
// request to cancel its query.
func TestForcedShutdownIsToldWithoutTheServer(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		asked := make(chan bool, 1)
		r := startHostile(t, &hostileServer{answer: func(_ net.Conn, text string) bool {
			asked <- true
			return true
		}}, proxy.Config{PoolMode: mode})
		client := r.rawLogin()
		client.Write(encoded(t, &pgproto3.Query{String: "SELECT pg_sleep(60)"}))
		<-asked
		now, cancel := context.WithCancel(t.Context())
		cancel()
		go r.Shutdown(now)
		m, err := pgproto3.NewFrontend(client, nil).Receive()
		if e, ok := m.(*pgproto3.ErrorResponse); !ok || e.Code != "57P01" {
			t.Errorf("%#v, %v", m, err)
		}
	})
}
