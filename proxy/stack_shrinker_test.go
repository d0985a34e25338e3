package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// An idle client that has a goroutine, as one with TLS has, goes on in another one, whatever
// its session holds, and neither the client nor the server notices.
func TestIdleClientsShrinkTheirStacks(t *testing.T) {
	t.Parallel()
	encrypted, roots := certificate(t)
	r := startPooled(t, proxy.Config{ClientTLS: encrypted})
	idle, open := r.connectTLS(roots), r.connectTLS(roots)
	one[int](t, idle, "SELECT $1::int", 1) // prepares it
	tx, err := open.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec(t, open, "CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT 42 AS n")
	for range 2 {
		testkit.Eventually(t, "both have shrunk their stacks", func() bool { return r.Shrunk() == 2 })
		if got := one[int](t, idle, "SELECT $1::int", 7); got != 7 {
			t.Errorf("got %d", got)
		}
		if got := one[int](t, open, "SELECT n FROM mine"); got != 42 {
			t.Errorf("got %d", got)
		}
		if n := r.Shrunk(); n != 0 {
			t.Errorf("%d rest though they have just spoken", n)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "both have shrunk their stacks", func() bool { return r.Shrunk() == 2 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Error("those who rest do not end:", err)
	}
}

// The idle time begins with the last request or the login, not with the
// shrinking of the stack.
func TestIdleTimeoutOfShrunkClients(t *testing.T) {
	t.Parallel()
	const limit = 5 * time.Second
	encrypted, roots := certificate(t)
	r := startPooled(t, proxy.Config{ClientIdleTimeout: limit, ClientTLS: encrypted})
	spoke := time.Now()
	asks, silent := r.connectTLS(roots), r.connectTLS(roots)
	one[int](t, asks, "SELECT 1")
	testkit.Eventually(t, "both have shrunk their stacks", func() bool { return r.Shrunk() == 2 })
	testkit.Eventually(t, "both end", func() bool { return r.Stats().Clients < 2 })
	if took := time.Since(spoke); took < limit {
		t.Errorf("ended after %s", took)
	}
	for _, conn := range []*pgx.Conn{asks, silent} {
		testkit.Eventually(t, "both end", func() bool { return r.Stats().Clients == 0 })
		_, err := conn.Exec(t.Context(), "SELECT 1")
		wantCode(t, err, "57P05", "idle")
	}
}
