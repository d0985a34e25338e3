//go:build linux && !noeventloop

package proxy_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// Clients and server connections of transaction mode have no goroutine of their own, before
// they have sent a query and after it.
func TestClientsAndServerConnectionsHaveNoGoroutine(t *testing.T) {
	const clients, servers = 100, 10
	r := startPooled(t, proxy.Config{DefaultPoolSize: servers, MinPoolSize: servers})
	one[int](t, r.connect(), "SELECT 1")
	testkit.Eventually(t, "the pool is full", func() bool { return r.pool().ServersIdle == servers })
	for range clients {
		conn := r.rawLogin()
		t.Cleanup(func() { conn.Close() })
		conn.Write(message('Q', 13, "SELECT 1\x00"))
		for front := pgproto3.NewFrontend(conn, nil); ; {
			m, err := front.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if _, ready := m.(*pgproto3.ReadyForQuery); ready {
				break
			}
		}
	}
	stacks := make([]byte, 16<<20)
	testkit.Eventually(t, "none has a goroutine", func() bool {
		all := stacks[:runtime.Stack(stacks, true)]
		return !bytes.Contains(all, []byte("proxy.(*pooledClient)")) && !bytes.Contains(all, []byte("proxy.(*serverConn)"))
	})
}
