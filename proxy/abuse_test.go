package proxy_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// message is one with any length field.
func message(typ byte, length uint32, body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{typ}, length), body...)
}

// Malformed input after the login disconnects its sender alone, with an error that
// is logged once.
func TestMalformedInputAfterLoginDisconnectsItsSenderAlone(t *testing.T) {
	t.Parallel()
	query, err := (&pgproto3.Query{String: "SELECT 'before'"}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, nonsense := range map[string][]byte{
		"HTTP":                      []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"no such type":              message('?', 4, ""),
		"a type of the server's":    message('Z', 5, "I"),
		"a second start-up":         request(0x30000, "user\x00me\x00\x00"),
		"a length of nothing":       message('Q', 0, ""),
		"a length too short":        message('Q', 3, ""),
		"the longest length":        message('Q', 0xffffffff, "SELECT"),
		"a length beyond 1 GiB":     message('d', 1<<30, "data"),
		"too long for its type":     message('S', 20_000, strings.Repeat("x", 20_000)),
		"a password, too late":      message('p', 12, "\x00\x00\x00\x00\x00\x00\x00\x00"),
		"zeros":                     make([]byte, 100),
		"after a query, no message": append(bytes.Clone(query), 0xff, 0xff, 0xff, 0xff, 0xff),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startPooled(t, proxy.Config{DefaultPoolSize: 1})
			raw := r.dial()
			front := pgproto3.NewFrontend(raw, raw)
			login(t, front, map[string]string{"user": "me", "database": "shop"})
			began := time.Now()
			if _, err := raw.Write(nonsense); err != nil {
				t.Fatal(err)
			}
			var last *pgproto3.ErrorResponse
			for {
				m, err := front.Receive()
				if err != nil {
					break
				}
				if e, ok := m.(*pgproto3.ErrorResponse); ok {
					copied := *e
					last = &copied
				}
			}
			if last == nil || last.Severity != "FATAL" || last.Code != "08P01" {
				t.Errorf("answered %+v", last)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
			if one[int](t, r.connect(), "SELECT 1") != 1 {
				t.Error("wrong answer")
			}
			if n := strings.Count(r.log.String(), "08P01"); n != 1 {
				t.Errorf("logged %d times", n)
			}
		})
	}
}

// A malformed message within sound lengths is Postgres's to refuse.
func TestMalformedMessagesAreRefusedByPostgres(t *testing.T) {
	t.Parallel()
	parse, err := (&pgproto3.Parse{Query: "SELECT 1"}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 1})
		for name, m := range map[string][]byte{
			"Query without end":    message('Q', 12, "SELECT 1"),
			"Parse without fields": message('P', 4, ""),
			"Bind, too short":      append(bytes.Clone(parse), message('B', 8, "\x00\x00\x00\x05")...),
			"Describe of nothing":  message('D', 6, "?\x00"),
			"Execute, too short":   message('E', 5, "\x00"),
			"Close of nothing":     message('C', 6, "?\x00"),
		} {
			raw := r.dial()
			front := pgproto3.NewFrontend(raw, raw)
			login(t, front, map[string]string{"user": "me", "database": "shop"})
			raw.Write(append(m, message('S', 4, "")...))
			refused := false
			for ready := false; !ready; {
				m, err := front.Receive()
				if err != nil {
					break // Postgres ends some of these sessions
				}
				switch m := m.(type) {
				case *pgproto3.ErrorResponse:
					refused = m.Code == "08P01"
				case *pgproto3.ReadyForQuery:
					ready = refused
				}
			}
			if !refused {
				t.Errorf("%s: not refused", name)
			}
			raw.Close()
			if one[int](t, r.connect(), "SELECT 1") != 1 {
				t.Error("wrong answer")
			}
		}
	})
}

// Clients that do not complete their login cost little, and no longer than
// client_login_timeout.
func TestUnfinishedLoginsCostLittle(t *testing.T) {
	const n = 1000
	r := startPooled(t, proxy.Config{ClientLoginTimeout: 3 * time.Second, MaxClientConn: n})
	before, goroutines := usedKiB(), runtime.NumGoroutine()
	var conns []net.Conn
	// One that says nothing at all may not even be accepted.
	beginnings := [][]byte{{0}, {0, 0, 0, 50}, []byte("\x00\x00\x20\x00\x00\x03\x00\x00user\x00"), sslRequest(), {0x16, 3, 1}}
	for i := range n {
		conn := r.dial()
		conn.Write(beginnings[i%len(beginnings)])
		conns = append(conns, conn)
	}
	testkit.Eventually(t, "all are there", func() bool { return r.Stats().Accepted >= n })
	if one[int](t, r.connect(), "SELECT 1") != 1 {
		t.Error("wrong answer")
	}
	if grown := usedKiB() - before; grown > n*30 {
		t.Errorf("%d KiB for each", grown/n)
	}
	var wg sync.WaitGroup
	began := time.Now()
	for _, conn := range conns {
		wg.Go(func() { io.Copy(io.Discard, conn) })
	}
	wg.Wait()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the last one went after %s", took)
	}
	testkit.Eventually(t, "nothing is left of them", func() bool { return runtime.NumGoroutine() < goroutines+20 })
}

// client_login_timeout bounds the whole login, also of a client that sends a byte
// at a time.
func TestLoginTimeoutBoundsTheWholeLogin(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{ClientLoginTimeout: 500 * time.Millisecond})
	raw := r.dial()
	packet := request(0x30000, "user\x00"+strings.Repeat("x", 5000)+"\x00\x00")
	began := time.Now()
	ended := make(chan []byte, 1)
	go func() {
		reply, _ := io.ReadAll(raw)
		ended <- reply
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case reply := <-ended:
			if !bytes.Contains(reply, []byte("08006")) || time.Since(began) > 20*time.Second {
				t.Errorf("answered %q after %s", reply, time.Since(began))
			}
			return
		case <-tick.C:
			raw.Write(packet[i : i+1])
		}
	}
}

// A long message costs only what has arrived of it.
func TestAnnouncedLengthCostsNothing(t *testing.T) {
	r := startPooled(t, proxy.Config{DefaultPoolSize: 4})
	before := residentKiB(t)
	for range 50 {
		raw := r.dial()
		login(t, pgproto3.NewFrontend(raw, raw), map[string]string{"user": "me", "database": "shop"})
		raw.Write(message('Q', 1<<30-10, "SELECT 1"))
		raw.Close()
	}
	testkit.Eventually(t, "they are gone", func() bool { return r.Stats().Clients == 0 })
	if grown := residentKiB(t) - before; grown > 50<<10 {
		t.Errorf("%d KiB", grown)
	}
	if one[int](t, r.connect(), fmt.Sprint("SELECT 1")) != 1 {
		t.Error("wrong answer")
	}
}

// Statements that a client has dropped are released even if the client disconnects
// in the middle of a message, which closes its server connection. Otherwise it
// could fill the memory.
func TestDroppedStatementsAreForgotten(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1})
	for i := range 5 {
		raw := r.dial()
		front := pgproto3.NewFrontend(raw, raw)
		login(t, front, map[string]string{"user": "me", "database": "shop"})
		front.SendParse(&pgproto3.Parse{Name: "x", Query: fmt.Sprintf("SELECT %d", i)})
		front.SendClose(&pgproto3.Close{ObjectType: 'S', Name: "x"})
		if err := front.Flush(); err != nil {
			t.Fatal(err)
		}
		raw.Write(message('d', 100, "half a message"))
		testkit.Eventually(t, "it has a server connection", func() bool { return r.Stats().ServerConns["shop"] == 1 })
		raw.Close()
		testkit.Eventually(t, "it is gone", func() bool { return r.Stats().Clients == 0 })
	}
	console := r.console()
	testkit.Eventually(t, "no statement is left", func() bool {
		_, rows := rowsOf(t, console, "SHOW PREPARED")
		return only(t, rows, "database", "shop")["statements"] == int64(0)
	})
}

// usedKiB is the memory of the heap and of stacks that is in use: unlike the
// resident memory, it does not depend on what earlier tests have left free.
func usedKiB() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc+m.StackInuse) >> 10
}
