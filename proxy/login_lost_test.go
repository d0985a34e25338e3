package proxy_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/proxy"
)

// A login with new settings needs a server connection. If that is lost, the
// client gets an error or another one, without a race.
func TestServerLostDuringLogin(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 3})
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i := range 6 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				conn, err := pgx.Connect(context.Background(), r.url("shop", fmt.Sprintf("&application_name=joins-%d-%d", i, n)))
				switch code := sqlstate(err); code {
				case "":
					conn.Close(context.Background())
				case "57P01", "08006":
				default:
					t.Errorf("client %d: %v", i, err)
					return
				}
			}
		})
	}
	for range 300 {
		exec(t, direct, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()")
	}
	cancel()
	clients.Wait()
}
