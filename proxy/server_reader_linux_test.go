//go:build !noeventloop

package proxy_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// A client that has sent Terminate within a transaction, and reads its last answer late,
// gets it, and its session ends.
func TestTerminateBeforeTheAnswerIsRead(t *testing.T) {
	t.Parallel()
	inTransaction := &pgproto3.ReadyForQuery{TxStatus: 'T'}
	answered := make(chan struct{}, 1)
	rolledBack := make(chan struct{}, 1)
	s := &hostileServer{answer: func(conn net.Conn, text string) bool {
		switch text {
		case "BEGIN":
			conn.Write(said(&pgproto3.CommandComplete{CommandTag: []byte(text)}, inTransaction))
			answered <- struct{}{}
		case "SELECT 1":
			answer := answerTo(strings.Repeat("x", 8<<10))
			conn.Write(said(append(answer[:len(answer)-1], inTransaction)...))
			answered <- struct{}{}
		case "ROLLBACK":
			rolledBack <- struct{}{}
			return false
		default:
			return false
		}
		return true
	}}
	r := startHostile(t, s, proxy.Config{PoolMode: proxy.TransactionMode})
	r.rawLogin() // what the server reports is known from now on
	client := r.rawLogin()
	client.SetDeadline(time.Now().Add(time.Minute))
	for asked, text := 0, "BEGIN"; ; asked, text = asked+1, "SELECT 1" {
		client.Write(encoded(t, &pgproto3.Query{String: text}))
		soon(t, "the answer", answered)
		testkit.Eventually(t, "the proxy has the answer", func() bool { answered, _, _ := r.Unread(); return answered })
		if _, unread, _ := r.Unread(); unread {
			break
		}
		if asked == 10_000 {
			t.Fatal("no answer remains unread")
		}
	}
	client.Write(encoded(t, &pgproto3.Terminate{}))
	testkit.Eventually(t, "the session waits for its end", func() bool { _, _, waits := r.Unread(); return waits })
	if _, err := io.Copy(io.Discard, client); err != nil {
		t.Fatalf("the session does not end: %v", err)
	}
	soon(t, "ROLLBACK", rolledBack)
}

// stuckConn is a client that reads nothing until it is told to, whatever the deadline.
type stuckConn struct {
	net.Conn
	writing, read chan struct{}
}

func (c *stuckConn) SetWriteDeadline(time.Time) error { return nil }

func (c *stuckConn) Write(p []byte) (int, error) {
	close(c.writing)
	<-c.read
	return len(p), nil
}

func (c *stuckConn) Read([]byte) (int, error) { return 0, io.EOF }

// idleServer starts a proxy that has one server connection, which is idle.
func idleServer(t *testing.T) *rig {
	t.Helper()
	r := startHostile(t, &hostileServer{}, proxy.Config{PoolMode: proxy.TransactionMode})
	conn := r.rawLogin()
	if _, code := heard(t, conn, "SELECT 1"); code != "" {
		t.Fatal(code)
	}
	r.settled()
	return r
}

// The server connection is not held up while its client is sent a last error.
func TestLastErrorHoldsNothingUp(t *testing.T) {
	t.Parallel()
	r := idleServer(t)
	ours, theirs := net.Pipe()
	defer ours.Close()
	client := &stuckConn{theirs, make(chan struct{}), make(chan struct{})}
	ended := make(chan bool, 1)
	go func() { ended <- r.SendError(client) }()
	soon(t, "the error is being written", client.writing)
	looked := make(chan struct{})
	go func() {
		r.Servers()
		close(looked)
	}()
	defer func() {
		close(client.read)
		if !soon(t, "the error is written", ended) {
			t.Error("the session does not end")
		}
	}()
	soon(t, "the server connection can be looked at", looked)
}

// A client does not get a server connection whose last words have come, and are yet to be
// handled.
func TestLastWordsOfAnIdleServerConnection(t *testing.T) {
	t.Parallel()
	r := idleServer(t)
	ours, theirs := net.Pipe()
	defer ours.Close()
	fatal := said(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P01", Message: "terminating connection"})
	if r.AcquireAfter(fatal, theirs) {
		t.Error("a client has got it")
	}
}
