package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// patience keeps a server from reading, and bulk is more than all buffers on
// the way hold.
var (
	patience = &pgproto3.Query{String: "SELECT pg_sleep(8)"}
	bulk     = &pgproto3.Query{String: "SELECT 1 /*" + strings.Repeat("x", 32<<20) + "*/"}
)

// isAnswer is 1 for what ends an answer. An error fails the test.
func isAnswer(t testing.TB, m pgproto3.BackendMessage) int {
	t.Helper()
	switch m := m.(type) {
	case *pgproto3.ErrorResponse:
		t.Errorf("%s: %s", m.Code, m.Message)
	case *pgproto3.ReadyForQuery:
		return 1
	}
	return 0
}

// residentKiB is how much memory the process has.
func residentKiB(t testing.TB) (kib int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if n, _ := fmt.Sscanf(string(line), "VmRSS: %d kB", &kib); n == 1 {
			return kib
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// A client that does not read its gigabyte, and then reads it slowly, costs no
// memory and does not delay other clients.
func TestSlowReaderCostsNoMemory(t *testing.T) {
	inModesAlone(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 2})
		memory := func(when string, before int) (resident int) {
			t.Helper()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			resident = residentKiB(t)
			if before != 0 && (m.HeapInuse > 150<<20 || resident-before > 300<<10) {
				t.Errorf("%s: %d MiB of heap in use, %d MiB more resident", when, m.HeapInuse>>20, (resident-before)>>10)
			}
			return resident
		}
		conn := r.connect()
		others := func() {
			t.Helper()
			for i := range 100 {
				if one[int](t, conn, "SELECT $1::int", i) != i {
					t.Fatal("wrong answer")
				}
			}
		}
		others()
		before := memory("before", 0)
		raw := r.dial()
		raw.SetDeadline(time.Now().Add(2 * time.Minute))
		front := pgproto3.NewFrontend(raw, raw)
		login(t, front, map[string]string{"user": "me", "database": "shop"})
		front.Send(&pgproto3.Query{String: "SELECT repeat('x', 10000) FROM generate_series(1, 100000) -- a gigabyte"})
		if err := front.Flush(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "the server waits for its client", func() bool {
			return one[int](t, direct, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND query LIKE '%a gigabyte%'") == 1
		})
		others()
		memory("unread", before)
		chunk := make([]byte, 5<<20)
		for range 12 {
			if _, err := io.ReadFull(raw, chunk); err != nil {
				t.Fatal(err)
			}
			others()
		}
		memory("read in part", before)
		raw.Close()
		stopped(t, direct, "a gigabyte")
		testkit.Eventually(t, "the client is forgotten", func() bool { return r.Stats().Clients == 1 })
	})
}

// inModesAlone is inModes for tests that look at the whole process.
func inModesAlone(t *testing.T, test func(*testing.T, proxy.Mode)) {
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		t.Run(string(mode), func(t *testing.T) { test(t, mode) })
	}
}

// A pipeline that is sent to its end before the first answer is read.
func TestPipelineSentBeforeReadingIsAnswered(t *testing.T) {
	t.Parallel()
	const n = 5_000
	for name, messages := range map[string]func(i int) []pgproto3.FrontendMessage{
		"simple": func(i int) []pgproto3.FrontendMessage {
			return []pgproto3.FrontendMessage{&pgproto3.Query{String: fmt.Sprint("SELECT ", i)}}
		},
		"extended": func(i int) []pgproto3.FrontendMessage {
			return []pgproto3.FrontendMessage{&pgproto3.Parse{Query: fmt.Sprint("SELECT ", i)}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}}
		},
		"named, one sync": func(i int) []pgproto3.FrontendMessage {
			name := fmt.Sprint("s", i)
			all := []pgproto3.FrontendMessage{&pgproto3.Parse{Name: name, Query: fmt.Sprint("SELECT ", i)}, &pgproto3.Bind{PreparedStatement: name},
				&pgproto3.Execute{}, &pgproto3.Close{ObjectType: 'S', Name: name}}
			if i == n-1 {
				all = append(all, &pgproto3.Sync{})
			}
			return all
		},
		"named, many syncs": func(i int) []pgproto3.FrontendMessage {
			name := fmt.Sprint("s", i%7)
			return []pgproto3.FrontendMessage{&pgproto3.Close{ObjectType: 'S', Name: name}, &pgproto3.Parse{Name: name, Query: fmt.Sprint("SELECT ", i)},
				&pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{}, &pgproto3.Sync{}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inModes(t, func(t *testing.T, mode proxy.Mode) {
				front := start(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 1}).loggedIn()
				for i := range n {
					for _, m := range messages(i) {
						front.Send(m)
					}
				}
				sent := make(chan error, 1)
				go func() { sent <- front.Flush() }()
				if name != "named, many syncs" { // where the proxy has to wait for answers to go on
					if err := soon(t, "all is sent", sent); err != nil {
						t.Fatal(err)
					}
				}
				for i := 0; i < n; {
					m, err := front.Receive()
					if err != nil {
						t.Fatal(i, err)
					}
					isAnswer(t, m)
					if row, ok := m.(*pgproto3.DataRow); ok {
						if got := string(row.Values[0]); got != fmt.Sprint(i) {
							t.Fatalf("got %s, want %d", got, i)
						}
						i++
					}
				}
			})
		})
	}
}

// A copy that fails half way while the client goes on sending is drained, and
// the client goes on.
func TestCopyFailsWhileTheClientSends(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 1})
		exec(t, direct, "CREATE TABLE numbers (n int)")
		conn, other := r.connect(), r.connect()
		if mode == proxy.TransactionMode {
			other = direct
		}
		for _, begin := range []string{"SELECT 1", "BEGIN"} {
			exec(t, conn, begin)
			front := conn.PgConn().Frontend()
			front.Send(&pgproto3.Query{String: "COPY numbers FROM STDIN"})
			line := []byte(strings.Repeat("1\n", 30<<10))
			for i := range 400 { // 24 MB
				if i == 10 {
					line = []byte("not a number\n" + string(line))
				}
				front.Send(&pgproto3.CopyData{Data: line})
				if err := front.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			front.Send(&pgproto3.CopyDone{})
			front.Send(&pgproto3.Query{String: "ROLLBACK"})
			if err := front.Flush(); err != nil {
				t.Fatal(err)
			}
			failed := false
			for ready := 0; ready < 2; {
				m, err := front.Receive()
				if err != nil {
					t.Fatal(err)
				}
				switch m := m.(type) {
				case *pgproto3.ErrorResponse:
					failed = m.Code == "22P02"
				case *pgproto3.ReadyForQuery:
					ready++
				}
			}
			if !failed {
				t.Error("the copy did not fail")
			}
			if n := one[int](t, other, "SELECT count(*) FROM numbers"); n != 0 {
				t.Errorf("%d rows", n)
			}
			// Not through pgx's own state, which knows nothing of the copy.
			front.Send(&pgproto3.Query{String: "SELECT 42"})
			if err := front.Flush(); err != nil {
				t.Fatal(err)
			}
			for ready := 0; ready == 0; {
				m, err := front.Receive()
				if err != nil {
					t.Fatal(err)
				}
				ready += isAnswer(t, m)
			}
		}
	})
}

// A copy whose data pauses goes on.
func TestPausedCopyGoesOn(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 1})
		front, raw := r.loggedIn(), r.dial()
		slow := pgproto3.NewFrontend(raw, raw)
		login(t, slow, map[string]string{"user": "me", "database": "shop"})
		message, err := (&pgproto3.Query{String: "SELECT '" + strings.Repeat("y", 3000) + "'"}).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		for len(message) > 0 {
			n := min(97, len(message))
			if _, err := raw.Write(message[:n]); err != nil {
				t.Fatal(err)
			}
			message = message[n:]
			if mode == proxy.SessionMode || len(message) == 0 {
				continue
			}
			// Nothing to do yet for a server: another client may have it.
			if c := r.pool().ClientsActive; c > 1 {
				t.Errorf("%d clients are active", c)
			}
		}
		for ready := 0; ready == 0; {
			m, err := slow.Receive()
			if err != nil {
				t.Fatal(err)
			}
			ready += isAnswer(t, m)
		}
		front.Send(&pgproto3.Query{String: "SELECT 1"})
		if err := front.Flush(); err != nil {
			t.Fatal(err)
		}
		for ready := 0; ready == 0; {
			m, err := front.Receive()
			if err != nil {
				t.Fatal(err)
			}
			ready += isAnswer(t, m)
		}
	})
}

// A client that does not read does not delay a forced shutdown.
func TestClientThatDoesNotReadDoesNotDelayShutdown(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode})
		reads, writes := r.loggedIn(), r.loggedIn()
		reads.Send(&pgproto3.Query{String: "SELECT repeat('x', 10000) FROM generate_series(1, 100000) -- unread"})
		if err := reads.Flush(); err != nil {
			t.Fatal(err)
		}
		blocked := make(chan error, 1)
		go func() {
			writes.Send(&pgproto3.Query{String: "SELECT pg_sleep(60) -- unread"})
			writes.Send(bulk)
			blocked <- writes.Flush()
		}()
		testkit.Eventually(t, "both wait", func() bool {
			return one[int](t, direct, "SELECT count(*) FROM pg_stat_activity WHERE wait_event IN ('ClientWrite', 'PgSleep') AND query LIKE '%-- unread'") == 2
		})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		if err := r.Shutdown(ctx); !errors.Is(err, context.Canceled) || time.Since(began) > 8*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		<-blocked
		stopped(t, direct, "-- unread")
	})
}

// The query of a client that vanishes while its own write waits is canceled.
func TestQueryOfAClientThatVanishesWhileSendingIsCanceled(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	conn := r.connect()
	sent := make(chan error, 1)
	go func() {
		for _, m := range []*pgproto3.Query{{String: "SELECT pg_sleep(60) -- full"}, bulk, bulk, bulk} {
			b, err := m.Encode(nil)
			if err == nil {
				_, err = conn.PgConn().Conn().Write(b)
			}
			if err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	runs(t, direct, "-- full")
	select {
	case err := <-sent:
		t.Fatal("there was room for all of it:", err)
	case <-time.After(500 * time.Millisecond):
	}
	reset(conn) // an orderly end would be behind what there is no room for
	<-sent
	stopped(t, direct, "-- full")
	if one[int](t, r.connect(), "SELECT 1") != 1 {
		t.Error("wrong answer")
	}
}
