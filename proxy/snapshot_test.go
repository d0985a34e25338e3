package proxy_test

import (
	"context"
	"sync"
	"testing"

	"github.com/lakebase-go/lakebase/proxy"
)

// A snapshot of a pool counts each server connection once, also while they change
// clients.
func TestPoolCountsEachServerOnce(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 2})
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 3 {
		conn := r.connect()
		clients.Go(func() {
			for ctx.Err() == nil {
				if _, err := conn.Exec(context.Background(), "SELECT 1"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer clients.Wait()
	defer cancel()
	for range 20_000 {
		p := r.pool()
		if n := p.ServersActive + p.ServersIdle + p.ServersResetting + p.ServersConnecting; n > 2 {
			t.Fatalf("%d server connections in a pool of two: %+v", n, p)
		}
	}
}
