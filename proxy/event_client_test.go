package proxy_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

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
