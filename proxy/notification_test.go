package proxy_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/proxy"
)

// A listener gets every notification, also those that arrive during the proxy's
// internal queries.
func TestListenerGetsEveryNotification(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode})
		listener := r.connect()
		exec(t, listener, "LISTEN news")
		const n = 500
		said := make(chan error, 1)
		go func() {
			for i := range n {
				if _, err := direct.Exec(context.Background(), fmt.Sprintf("NOTIFY news, '%d'", i)); err != nil {
					said <- err
					return
				}
			}
			said <- nil
		}()
		for end := (<-chan error)(said); end != nil; {
			exec(t, listener, "SET work_mem = '5MB'") // it is asked what that has changed
			select {
			case err := <-end:
				if err != nil {
					t.Fatal(err)
				}
				end = nil
			default:
			}
		}
		for i := range n {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			heard, err := listener.WaitForNotification(ctx)
			cancel()
			if err != nil {
				t.Fatalf("%d was not heard: %v", i, err)
			}
			if heard.Payload != fmt.Sprint(i) {
				t.Fatalf("heard %s, want %d", heard.Payload, i)
			}
		}
	})
}

// A client recognizes the notifications of its own NOTIFY by the process ID that it was
// told, as with a direct connection, also next to an answer and from a function.
func TestOwnNotificationsHaveTheClientsProcessID(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode})
		listener, other := r.connect(), r.connect()
		exec(t, other, "SELECT 1") // the process IDs differ from those of the server
		exec(t, listener, "LISTEN news")
		exec(t, direct, "LISTEN news")
		for conn, texts := range map[*pgx.Conn][]string{
			listener: {"NOTIFY news, 'own'", "SELECT pg_notify('news', repeat('x', 7999))", "BEGIN; NOTIFY news; SELECT 1; COMMIT"},
			direct:   {"NOTIFY news"},
		} {
			for _, text := range texts {
				if _, err := conn.Exec(t.Context(), text, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatal(err)
				}
				own := listener.PgConn().PID()
				if conn == direct {
					own = direct.PgConn().PID()
				}
				for _, hears := range []*pgx.Conn{listener, direct} {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					heard, err := hears.WaitForNotification(ctx)
					cancel()
					if err != nil {
						t.Fatal(err)
					}
					if (conn == hears || conn == direct) && heard.PID != own {
						t.Errorf("%s: process ID %d, want %d", text, heard.PID, own)
					}
				}
			}
		}
	})
}
