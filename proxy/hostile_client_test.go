package proxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// rawLogin logs in and returns the connection.
func (r *rig) rawLogin() net.Conn {
	r.t.Helper()
	raw := r.dial()
	login(r.t, pgproto3.NewFrontend(raw, raw), map[string]string{"user": "me", "database": "shop"})
	return raw
}

// lastError is the error with which the proxy ends a connection.
func lastError(t testing.TB, conn io.Reader) (last pgproto3.ErrorResponse) {
	t.Helper()
	front := pgproto3.NewFrontend(conn, nil)
	for {
		m, err := front.Receive()
		if isTimeout(err) {
			t.Fatal("the connection is not ended")
		}
		if err != nil {
			return last
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			last = *e
		}
	}
}

func encoded(t testing.TB, messages ...pgproto3.FrontendMessage) (packet []byte) {
	t.Helper()
	for _, m := range messages {
		var err error
		if packet, err = m.Encode(packet); err != nil {
			t.Fatal(err)
		}
	}
	return packet
}

// unfinishedMessages are the beginnings of messages that will never be complete.
func unfinishedMessages(t testing.TB) map[string][]byte {
	long := strings.Repeat("x", 100<<10)
	sync := encoded(t, &pgproto3.Sync{})
	return map[string][]byte{
		"a byte":                       {'Q'},
		"a header":                     message('Q', 100, ""),
		"half a Query":                 message('Q', 100, "SELECT 1"),
		"most of a long Query":         message('Q', 200<<10, "SELECT '"+long),
		"half a Parse":                 message('P', 100, "name\x00SELECT"),
		"half a Bind":                  message('B', 1000, "\x00\x00"),
		"half a Sync":                  sync[:3],
		"half a Terminate":             {'X', 0, 0},
		"half of what is no message":   message('d', 1000, "data outside of a copy"),
		"a byte after a request":       append(encoded(t, &pgproto3.Query{String: "SELECT 1"}), 'Q'),
		"half a Parse after a Sync":    append(bytes.Clone(sync), message('P', 100, "name\x00SELECT")...),
		"half a Query, long, after it": append(encoded(t, &pgproto3.Query{String: "SELECT 1"}), message('Q', 200<<10, "SELECT '"+long)...),
		"half a call of a function":    message('F', 1000, "\x00\x00"),
		"half a Close":                 message('C', 10, "S"),
	}
}

// Clients that have begun a message and do not go on take no server connection from
// others. Each is told so when its time is over.
func TestUnfinishedMessageTakesNoServerConnection(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	for name, beginning := range unfinishedMessages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startPooled(t, proxy.Config{DefaultPoolSize: 1, QueryWaitTimeout: limit})
			began := time.Now()
			var hostile []net.Conn
			for range 3 {
				conn := r.rawLogin()
				if _, err := conn.Write(beginning); err != nil {
					t.Fatal(err)
				}
				hostile = append(hostile, conn)
			}
			conn := r.connect()
			for i := range 10 {
				if got := one[int](t, conn, "SELECT $1::int", i); got != i {
					t.Errorf("got %d, want %d", got, i)
				}
			}
			for _, one := range hostile {
				if e := lastError(t, one); e.Severity != "FATAL" || e.Code != "57P05" || !strings.Contains(e.Message, "not completed") {
					t.Errorf("told %s %s %s", e.Severity, e.Code, e.Message)
				}
			}
			if took := time.Since(began); took < limit || took > limit+10*time.Second {
				t.Errorf("ended after %s", took)
			}
			one[int](t, conn, "SELECT 1")
		})
	}
}

// What is sent of a message now and then does not give it more time.
func TestDrippedMessageIsEnded(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 2, QueryWaitTimeout: time.Second})
	for name, beginning := range map[string][]byte{
		"short": message('Q', 10_000, "SELECT"),
		"long":  message('Q', 1<<20, strings.Repeat("x", 100<<10)),
		"after another": append(encoded(t, &pgproto3.Query{String: "SELECT 1"}),
			message('P', 10_000, "x")...),
		"half with a server connection": append(encoded(t, &pgproto3.Parse{Query: "SELECT length($1)"}),
			message('B', 1<<20, "\x00\x00\x00\x00\x00\x01\x00\x0f\x00\x00"+strings.Repeat("x", 20<<10))...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := r.rawLogin()
			ended := make(chan pgproto3.ErrorResponse, 1)
			go func() { ended <- lastError(t, conn) }()
			conn.Write(beginning)
			drip := time.NewTicker(50 * time.Millisecond)
			defer drip.Stop()
			for late := time.After(20 * time.Second); ; {
				select {
				case e := <-ended:
					if e.Code != "57P05" {
						t.Errorf("told %s %s", e.Code, e.Message)
					}
					return
				case <-drip.C:
					conn.Write([]byte("x"))
				case <-late:
					t.Fatal("not ended")
				}
			}
		})
	}
}

// A slow client that does go on gets its answer, however its messages are cut, and
// longer than the limit for a message that does not go on.
func TestSlowMessageIsAnswered(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1, QueryWaitTimeout: 2 * time.Second})
	conn := r.rawLogin()
	text := strings.Repeat("y", 200<<10)
	packet := encoded(t, &pgproto3.Query{String: "SELECT length('" + text + "')"},
		&pgproto3.Parse{Name: "s", Query: "SELECT length($1)"}, &pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte(text)}},
		&pgproto3.Execute{}, &pgproto3.Sync{}, &pgproto3.Query{String: "SELECT 42"})
	began := time.Now()
	go func() {
		pace := time.NewTicker(100 * time.Millisecond)
		defer pace.Stop()
		for len(packet) > 0 {
			n := min(len(packet), 7919)
			conn.Write(packet[:n])
			packet = packet[n:]
			<-pace.C
		}
	}()
	front := pgproto3.NewFrontend(conn, nil)
	var rows []string
	for ready := 0; ready < 3; {
		m, err := front.Receive()
		if err != nil {
			t.Fatalf("after %q: %v", rows, err)
		}
		if row, ok := m.(*pgproto3.DataRow); ok {
			rows = append(rows, string(row.Values[0]))
		}
		ready += isAnswer(t, m)
	}
	if got := strings.Join(rows, " "); got != "204800 204800 42" {
		t.Errorf("got %s after %s", got, time.Since(began))
	}
}

// The memory for unfinished messages is bounded, a message is held once, and nothing
// is kept of a client that is gone. Others are served.
func TestUnfinishedMessagesTakeBoundedMemory(t *testing.T) {
	r := startPooled(t, proxy.Config{DefaultPoolSize: 2})
	one[int](t, r.connect(), "SELECT 1")
	const size = 90 << 20
	before := usedKiB()
	part := bytes.Repeat([]byte("x"), 1<<20)
	begin := func() net.Conn {
		conn := r.rawLogin()
		conn.Write(message('Q', size, "SELECT '"))
		for range size>>20 - 1 {
			if _, err := conn.Write(part); err != nil {
				break // the proxy has ended the connection
			}
		}
		return conn
	}
	first := begin()
	testkit.Eventually(t, "it has arrived", func() bool { return usedKiB()-before > size*8/10>>10 })
	if grown := usedKiB() - before; grown > 12*size>>10/10 {
		t.Errorf("%d MiB for a message of %d", grown>>10, size>>20)
	}
	second, third := begin(), begin()
	if e := lastError(t, third); e.Code != "53200" {
		t.Errorf("told %s %s", e.Code, e.Message)
	}
	if grown := usedKiB() - before; grown > 300<<10 {
		t.Errorf("%d MiB", grown>>10)
	}
	if one[int](t, r.connect(), "SELECT 1") != 1 {
		t.Error("wrong answer")
	}
	first.Close()
	second.Close()
	testkit.Eventually(t, "nothing is left", func() bool { return usedKiB()-before < 20<<10 })
	conn := r.rawLogin() // one client may have nearly all of it
	const most = 250 << 20
	conn.Write(message('Q', most+4+18, "SELECT length('"))
	for range most >> 20 {
		conn.Write(part)
	}
	conn.Write([]byte("')\x00"))
	front := pgproto3.NewFrontend(conn, nil)
	for {
		switch m, err := front.Receive(); m := m.(type) {
		case *pgproto3.DataRow:
			if string(m.Values[0]) != fmt.Sprint(most) {
				t.Errorf("got %s", m.Values[0])
			}
			return
		case *pgproto3.ErrorResponse, nil:
			t.Fatal(m, err)
		}
	}
}

// A login that is dripped byte by byte ends with client_login_timeout, at each stage.
func TestDrippedLoginIsEndedAtEachStage(t *testing.T) {
	t.Parallel()
	ours, _ := certificate(t)
	r := startPooled(t, proxy.Config{ClientLoginTimeout: time.Second, ClientTLS: ours, Users: users(t, map[string]string{"ann": "secret"})})
	startup := request(0x30000, "user\x00ann\x00database\x00shop\x00\x00")
	answered := func(conn net.Conn, packet []byte, size int) {
		conn.Write(packet)
		if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
			t.Error(err)
		}
	}
	initial := encoded(t, &pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte("n,,n=,r=abcdefghijklmnopqrstuvwx")})
	for name, stage := range map[string]struct {
		before func(net.Conn)
		drip   []byte
	}{
		"request for TLS":      {func(net.Conn) {}, sslRequest()},
		"TLS at once":          {func(net.Conn) {}, append([]byte{0x16, 3, 1, 2, 0, 1}, make([]byte, 500)...)},
		"handshake":            {func(c net.Conn) { answered(c, sslRequest(), 1) }, append([]byte{0x16, 3, 1, 2, 0, 1}, make([]byte, 500)...)},
		"after a handshake":    {func(c net.Conn) { answered(c, request(80877104, ""), 1) }, startup},
		"startup":              {func(net.Conn) {}, startup},
		"name of a mechanism":  {func(c net.Conn) { answered(c, startup, 9) }, initial},
		"the end of the proof": {func(c net.Conn) { answered(c, startup, 9); c.Write(initial) }, message('p', 200, strings.Repeat("c", 190))},
		"nothing":              {func(net.Conn) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := r.dial()
			began := time.Now()
			stage.before(conn)
			ended := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, conn)
				ended <- err
			}()
			pace := time.NewTicker(100 * time.Millisecond)
			defer pace.Stop()
			for drip := stage.drip; ; {
				select {
				case err := <-ended:
					if took := time.Since(began); isTimeout(err) || took < time.Second/2 || took > 25*time.Second {
						t.Errorf("ended after %s, %v", took, err)
					}
					return
				case <-pace.C:
					if len(drip) > 1 {
						conn.Write(drip[:1])
						drip = drip[1:]
					}
				}
			}
		})
	}
}

// Many hostile clients at once cost little memory and few lines of the log, and the
// others are served.
func TestHostileClientsCostLittle(t *testing.T) {
	const n = 400
	r := startPooled(t, proxy.Config{DefaultPoolSize: 2, MaxClientConn: 2 * n, ClientTLS: func() *tls.Config { c, _ := certificate(t); return c }()})
	conn := r.connect()
	one[int](t, conn, "SELECT 1")
	before, began := usedKiB(), time.Now()
	var all sync.WaitGroup
	var hostile []net.Conn
	beginnings := unfinishedMessages(t)
	var names []string
	for name := range beginnings {
		if !strings.Contains(name, "long") {
			names = append(names, name)
		}
	}
	for i := range n {
		c := r.rawLogin()
		hostile = append(hostile, c)
		packet := beginnings[names[i%len(names)]]
		if i%4 == 0 {
			packet = []byte("nonsense that is no message\r\n\r\n")
		}
		all.Go(func() { c.Write(packet) })
	}
	all.Wait()
	for i := range 100 {
		if one[int](t, conn, "SELECT $1::int", i) != i {
			t.Fatal("wrong answer")
		}
	}
	if grown := usedKiB() - before; grown > n*40 {
		t.Errorf("%d KiB for each", grown/n)
	}
	for _, c := range hostile {
		c.Close()
	}
	testkit.Eventually(t, "they are gone", func() bool { return r.Stats().Clients == 1 })
	if lines, most := strings.Count(r.log.String(), "level=WARN"), 2*(2+int(time.Since(began)/time.Second)); lines > most {
		t.Errorf("%d lines, at most %d are expected: %s", lines, most, fmt.Sprint(r.log))
	}
}

// A client that sends requests without end and reads no answers costs little memory,
// whatever the requests are.
func TestFloodOfRequestsTakesBoundedMemory(t *testing.T) {
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1})
	other := r.connect()
	for name, flood := range map[string]pgproto3.FrontendMessage{
		"Sync": &pgproto3.Sync{}, "Flush": &pgproto3.Flush{}, "Query": &pgproto3.Query{}, "Execute": &pgproto3.Execute{},
		"Parse": &pgproto3.Parse{Query: "SELECT"}, "Close": &pgproto3.Close{ObjectType: 'S', Name: "unknown"},
		"Describe": &pgproto3.Describe{ObjectType: 'S'}, "CopyData": &pgproto3.CopyData{Data: []byte("x")}, "CopyDone": &pgproto3.CopyDone{},
	} {
		t.Run(name, func(t *testing.T) {
			one[int](t, other, "SELECT 1")
			conn := r.rawLogin()
			before := usedKiB()
			conn.Write(encoded(t, &pgproto3.Parse{Query: "SELECT"}, &pgproto3.Bind{})) // for Execute
			part := bytes.Repeat(encoded(t, flood), 10_000)
			for range 60 {
				conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				if _, err := conn.Write(part); err != nil {
					break // it waits for its answers to be read
				}
			}
			if grown := usedKiB() - before; grown > 24<<10 {
				t.Errorf("%d MiB", grown>>10)
			}
			conn.Close()
			if one[int](t, other, "SELECT 1") != 1 {
				t.Error("wrong answer")
			}
		})
	}
}

// What clients can cause again and again is logged once a second.
func TestClientsFillNoLog(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1, AdminUsers: []string{"me"}})
	request := func(parameters ...string) []byte {
		return request(0x30000, strings.Join(parameters, "\x00")+"\x00\x00")
	}
	refused := func(parameters ...string) func() {
		packet := request(parameters...)
		return func() {
			conn := r.dial()
			conn.Write(packet)
			if e := lastError(t, conn); e.Severity != "FATAL" {
				t.Errorf("told %+v", e)
			}
		}
	}
	holder := r.connect()
	for name, hostile := range map[string]func(){
		"unknown database": refused("user", "me", "database", "shop/nowhere"),
		"role":             refused("user", "me", "database", "shop", "role", "you"),
		"options":          refused("user", "me", "database", "shop", "options", "nonsense"),
		"console": func() {
			conn := r.dial()
			login(t, pgproto3.NewFrontend(conn, conn), map[string]string{"user": "me", "database": "pgbouncer"})
			conn.Close()
		},
		"own server connection": func() {
			conn := r.rawLogin()
			conn.Write(encoded(t, &pgproto3.Query{String: "SELECT pg_terminate_backend(pg_backend_pid())"}))
			if e := lastError(t, conn); e.Code != "57P01" {
				t.Errorf("told %+v", e)
			}
		},
		"canceled while it waits": func() {
			exec(t, holder, "BEGIN")
			defer exec(t, holder, "ROLLBACK")
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			waiter := r.connect()
			if err := waiter.QueryRow(ctx, "SELECT 1").Scan(nil); err == nil {
				t.Error("no error")
			}
		},
	} {
		began, before := time.Now(), len(r.log.String())
		for range 12 {
			hostile()
		}
		text := r.log.String()[before:]
		if lines, most := strings.Count(text, "\n")-strings.Count(text, "level=DEBUG"), 2*(2+int(time.Since(began)/time.Second)); lines > most {
			t.Errorf("%s: %d lines, at most %d are expected:\n%s", name, lines, most, text)
		}
	}
}

// The memory of a client's statements is given back soon after the client is gone, also
// if nothing else happens.
func TestMemoryOfStatementsIsGivenBack(t *testing.T) {
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1})
	resident := func() int {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapSys-m.HeapReleased) >> 20
	}
	one[int](t, r.connect(), "SELECT 1")
	debug.FreeOSMemory()
	before := resident()
	conn := r.rawLogin()
	front := pgproto3.NewFrontend(conn, conn)
	const statements, size = 48, 1 << 20
	for i := range statements {
		front.SendParse(&pgproto3.Parse{Name: fmt.Sprint(i), Query: fmt.Sprintf("SELECT '%d%s'", i, strings.Repeat("x", size))})
		front.SendSync(&pgproto3.Sync{})
		if err := front.Flush(); err != nil {
			t.Fatal(err)
		}
		for ready := 0; ready == 0; {
			m, err := front.Receive()
			if err != nil {
				t.Fatal(err)
			}
			ready = isAnswer(t, m)
		}
	}
	if held := resident() - before; held < statements*size>>20 {
		t.Fatalf("%d statements of 1 MiB take %d MiB", statements, held)
	}
	conn.Close()
	testkit.Eventually(t, "the memory is given back", func() bool { return resident()-before < 30 })
}
