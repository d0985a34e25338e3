package proxy_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy"
)

// A client that waits for a server connection is not idle, and its server connection is
// not lost to it.
func TestWaitingClientIsNotIdle(t *testing.T) {
	t.Parallel()
	const limit = time.Second
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1, ClientIdleTimeout: limit})
	waiting := r.connect()
	busy := r.busy()
	answer := asking(waiting, "SELECT 1")
	r.waiting(1)
	for range 4 { // keeps the transaction from being idle, and takes several rounds of the janitor
		exec(t, busy, "SELECT pg_sleep(0.8)")
	}
	exec(t, busy, "COMMIT")
	if err := soon(t, "the answer", answer); err != nil {
		t.Error(err)
	}
	if p := r.settled(); p.ServersIdle != 1 {
		t.Errorf("%+v", p)
	}
}

// stuckLog does not return from a message before the test goes on.
type stuckLog struct {
	message string
	reached chan bool
	goOn    chan bool
}

func (*stuckLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *stuckLog) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l *stuckLog) WithGroup(string) slog.Handler          { return l }

func (l *stuckLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == l.message {
		l.reached <- true
		<-l.goOn
	}
	return nil
}

// A log that takes no line about a lost server connection holds up no other client.
func TestStuckLogHoldsUpNoClient(t *testing.T) {
	t.Parallel()
	for message, inUse := range map[string]bool{"idle server connection lost": false, "server connection lost": true} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			log := &stuckLog{message, make(chan bool), make(chan bool)}
			defer close(log.goOn)
			r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, Logger: slog.New(log)})
			conn, user := r.connect(), r.connect()
			pid := backend(t, conn)
			r.settled()
			if inUse {
				exec(t, user, "BEGIN")
			}
			terminate(t, direct, pid)
			soon(t, "the line", log.reached)
			if inUse {
				write(t, user, &pgproto3.Query{String: "SELECT 1"})
			}
			for range 3 {
				if err := soon(t, "the answer", asking(conn, "SELECT 1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A client that sends without end what needs no answer, to a server that does not read it,
// holds up no other client.
func TestFloodWithoutAnswersHoldsUpNoOtherClient(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1, TrustFunctions: true, DefaultTarget: "other", Targets: map[string]*lakebase.Connector{
		"shop": newConnector(t, "postgres://me@"+l.Addr().String()+"/shop?sslmode=disable"), "other": newConnector(t, "my-instance")}})
	server, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	silent, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.AddServerConn("shop", server, map[string]string{"client_encoding": "UTF8"}); err != nil {
		t.Fatal(err)
	}
	other, flooding := connect(t, r.url("other", "")), r.rawLogin()
	defer silent.Close()
	for flood := bytes.Repeat(encoded(t, &pgproto3.Flush{}), 10_000); err == nil; {
		flooding.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = flooding.Write(flood)
	}
	if !isTimeout(err) {
		t.Fatal(err)
	}
	if err := soon(t, "the answer", asking(other, "SELECT 1")); err != nil {
		t.Error(err)
	}
}
