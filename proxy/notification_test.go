package proxy_test

import (
	"context"
	"fmt"
	"testing"
	"time"

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
