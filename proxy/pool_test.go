package proxy_test

import (
	"testing"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// Old server connections are replaced, and no client notices.
func TestOldServerConnectionsAreReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	r, _ := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 4, ServerLifetime: 300 * time.Millisecond})
	stop := load(t, r, 8)
	seen := map[int]bool{}
	testkit.Eventually(t, "all have been replaced a few times", func() bool {
		pids := r.pids()
		for _, pid := range pids {
			seen[pid] = true
		}
		if n := len(pids); n > 5 { // one more than the pool, while it is replaced
			t.Errorf("%d server connections", n)
		}
		return len(seen) >= 20 || t.Failed()
	})
	if n := stop(); n < 20 {
		t.Errorf("%d transactions", n)
	}
	p := r.settled()
	if p.Totals.Lost+p.Totals.LostIdle != 0 {
		t.Errorf("%+v", p.Totals)
	}
}

// Server connections that were opened together do not expire together.
func TestServerLifetimeIsSpread(t *testing.T) {
	t.Parallel()
	life := time.Hour
	server, err := proxy.New(proxy.Config{ServerLifetime: life, Targets: map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance")}})
	if err != nil {
		t.Fatal(err)
	}
	born := time.Now()
	var least, most time.Duration = 10 * life, 0
	for range 1000 {
		age := server.Expiry(born).Sub(born)
		least, most = min(least, age), max(most, age)
	}
	if least < life-life/10 || most > life+life/10 || most-least < life/10 {
		t.Errorf("they live from %s to %s", least, most)
	}
}

// Unused server connections are closed, except min_pool_size of them, which are
// opened before a client needs them.
func TestIdleServerConnectionsAreClosedDownToMinPoolSize(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 10, MinPoolSize: 3, ServerIdleTimeout: time.Second})
	conn := r.connect()
	idle := func(n int) func() bool { return func() bool { return r.pool().ServersIdle == n } }
	testkit.Eventually(t, "three are warm", idle(3))
	var busy []func()
	for range 8 {
		c := r.busy()
		busy = append(busy, func() { exec(t, c, "COMMIT") })
	}
	if n := len(r.pids()); n < 8 {
		t.Errorf("%d server connections", n)
	}
	for _, commit := range busy {
		commit()
	}
	testkit.Eventually(t, "the others are closed", idle(3))
	logins := r.pool().Totals.ServerLogins
	end := time.Now().Add(2500 * time.Millisecond)
	testkit.Eventually(t, "time passes", func() bool { return time.Now().After(end) })
	if p := r.pool(); p.ServersIdle != 3 || p.Totals.ServerLogins != logins {
		t.Errorf("%+v", p)
	}
	r.lose(direct, r.pids()...)
	testkit.Eventually(t, "three are warm again", idle(3))
	if one[int](t, conn, "SELECT 1") != 1 {
		t.Error("wrong answer")
	}
}

// RECONNECT replaces all server connections under load, and no client notices.
func TestReconnectReplacesAllUnnoticed(t *testing.T) {
	t.Parallel()
	r, _ := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 4})
	stop := load(t, r, 8)
	for range 10 {
		before := map[int]bool{}
		for _, pid := range r.pids() {
			before[pid] = true
		}
		if err := r.Reconnect(); err != nil {
			t.Fatal(err)
		}
		since := r.pool().Totals.Transactions
		testkit.Eventually(t, "all are replaced", func() bool {
			for _, pid := range r.pids() {
				if before[pid] {
					return false
				}
			}
			return r.pool().Totals.Transactions > since+20
		})
	}
	if n := stop(); n < 20 {
		t.Errorf("%d transactions", n)
	}
	if p := r.settled(); p.Totals.Lost+p.Totals.LostIdle != 0 {
		t.Errorf("%+v", p.Totals)
	}
}

// During a pause under load all clients wait, and none fails.
func TestPauseUnderLoadFailsNoClient(t *testing.T) {
	t.Parallel()
	r, _ := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 4})
	stop := load(t, r, 8)
	for range 10 {
		if err := r.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(r.pids()); n != 0 {
			t.Errorf("%d server connections while paused", n)
		}
		if err := r.Resume(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "it goes on", func() bool { return len(r.pids()) > 0 })
	}
	if n := stop(); n < 10 {
		t.Errorf("%d transactions", n)
	}
}

// KILL disconnects the clients that have a server connection, with an error, and
// no others.
func TestKillDisconnectsLinkedClientsOnly(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode})
	idle, within, working := r.connect(), r.busy(), r.connect()
	exec(t, idle, "SELECT 1")
	done := asking(working, "SELECT pg_sleep(60)")
	runs(t, direct, "pg_sleep(60)")
	testkit.Eventually(t, "the idle one has given its server back", func() bool { return r.pool().ClientsActive == 2 })
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := soon(t, "it is told", done); sqlstate(err) != "08006" {
		t.Error(err)
	}
	if _, err := within.Exec(t.Context(), "SELECT 1"); sqlstate(err) != "08006" {
		t.Error(err)
	}
	if one[int](t, idle, "SELECT 1") != 1 {
		t.Error("wrong answer")
	}
}
