package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/proxy"
)

// A client's session is reset while the client's own goroutine ends: the two must
// not use its statements at once, as the race detector would show.
func TestPinnedClientsDisconnectWithoutRaces(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 2})
	for range 50 {
		conn := r.connect()
		if _, err := conn.Prepare(t.Context(), "mine", "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		exec(t, conn, "LISTEN somewhere")
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := one[int](t, r.connect(), "SELECT count(*) FROM pg_listening_channels()"); n != 0 {
		t.Errorf("a client listens to %d channels of those that have gone", n)
	}
}

// A killed client gets the reason even while an earlier answer is being written.
func TestKilledClientsGetTheReason(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode})
		for range 60 {
			conn := r.connect()
			exec(t, conn, "BEGIN")
			if err := r.KillClient(uint64(conn.PgConn().PID())); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			_, err := conn.WaitForNotification(ctx)
			cancel()
			wantCode(t, err, "57P01", "")
		}
	})
}
