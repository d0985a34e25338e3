package proxy_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
	"github.com/lakebase-go/lakebase/proxy"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// startLocal starts a local Lakebase of the test's own.
func startLocal(t *testing.T, o local.Options) *local.Server {
	t.Helper()
	server, err := local.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error("local Lakebase:", err)
		}
	})
	return server
}

// load has clients run transactions until it is stopped, a few hundred per second
// each. Each must succeed.
func load(t *testing.T, r *rig, clients int) (stop func() (done int64)) {
	t.Helper()
	var count atomic.Int64
	var wg sync.WaitGroup
	end := make(chan struct{})
	const pace = 20 * time.Millisecond // all begin together, so that the pool is full
	for i := range clients {
		conn := r.connect()
		wg.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-end:
					return
				case <-time.After(time.Until(time.Now().Truncate(pace).Add(pace))):
				}
				err := pgx.BeginFunc(context.Background(), conn, func(tx pgx.Tx) error {
					var a, b int
					if err := tx.QueryRow(context.Background(), "SELECT $1::int, $2::int", i, round).Scan(&a, &b); err != nil {
						return err
					}
					if a != i || b != round {
						return fmt.Errorf("got %d and %d, want %d and %d", a, b, i, round)
					}
					return nil
				})
				if err != nil {
					t.Errorf("client %d, round %d: %v", i, round, err)
					return
				}
				count.Add(1)
			}
		})
	}
	return func() int64 {
		close(end)
		wg.Wait()
		return count.Load()
	}
}

// During an outage of the workspace's API that is longer than a token's life, no
// server connection is closed, however old, and other clients wait for one.
func TestServerConnectionsSurviveALongAPIOutage(t *testing.T) {
	t.Parallel()
	server := startLocal(t, local.Options{TokenLifetime: 2 * time.Second})
	connector := connectorTo(t, server, "my-instance")
	r := startPooled(t, proxy.Config{
		DefaultPoolSize: 4, ServerLifetime: time.Second, ServerConnectTimeout: 2 * time.Second,
		Targets: map[string]*lakebase.Connector{"shop": connector},
	})
	stop := load(t, r, 4)
	testkit.Eventually(t, "the pool is full", func() bool { return len(r.pids()) >= 4 })
	if err := server.SetFaults(local.Faults{API: local.APIFault{Status: 503}}); err != nil {
		t.Fatal(err)
	}
	failed := r.pool().Totals.ServerLoginFails
	end := time.Now().Add(5 * time.Second)
	testkit.Eventually(t, "logins fail, and time passes", func() bool {
		return r.pool().Totals.ServerLoginFails > failed && time.Now().After(end)
	})
	before := map[int]bool{}
	for _, pid := range r.pids() {
		before[pid] = true
	}
	if len(before) == 0 {
		t.Error("every server connection is gone")
	}
	late := r.connect() // as the server is known, it is let in
	if one[int](t, late, "SELECT 9") != 9 {
		t.Error("wrong answer")
	}
	if err := server.SetFaults(local.Faults{}); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the old ones are replaced", func() bool {
		for _, pid := range r.pids() {
			if before[pid] {
				return false
			}
		}
		return true
	})
	if n := stop(); n < 20 {
		t.Errorf("%d transactions", n)
	}
	if p := r.settled(); p.Totals.Lost != 0 {
		t.Errorf("%+v", p.Totals)
	}
}

// Logins that fail for a while are noticed only by clients that wait longer than
// query_wait_timeout.
func TestRefusedLoginsAreRetried(t *testing.T) {
	t.Parallel()
	server := startLocal(t, local.Options{})
	r := startPooled(t, proxy.Config{
		DefaultPoolSize: 3, ServerConnectTimeout: 2 * time.Second,
		Targets: map[string]*lakebase.Connector{"shop": connectorTo(t, server, "my-instance")},
	})
	first, second := r.connect(), r.connect()
	exec(t, first, "BEGIN")
	if err := server.SetFaults(local.Faults{Login: local.LoginFault{Kind: "too_many_connections"}}); err != nil {
		t.Fatal(err)
	}
	done := asking(second, "SELECT 1")
	testkit.Eventually(t, "a login has failed", func() bool { return r.pool().Totals.ServerLoginFails > 0 })
	r.waiting(1)
	exec(t, first, "COMMIT")
	if err := soon(t, "it gets the one there is", done); err != nil {
		t.Error(err)
	}
}

// A target at the host of the service's pooler is tried. Its refusal reaches the
// client with the direct host.
func TestRefusalOfAPooledTargetNamesTheDirectHost(t *testing.T) {
	t.Parallel()
	server := startLocal(t, local.Options{HostNames: local.ServiceNames})
	if err := server.SetFaults(local.Faults{Login: local.LoginFault{NoPooledTokens: true}}); err != nil {
		t.Fatal(err)
	}
	const endpoint = "projects/my-project/branches/production/endpoints/primary"
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1, Targets: map[string]*lakebase.Connector{"shop": connectorTo(t, server, "lakebase://"+endpoint+"?pooled=true")}})
	e := refused(t, r.url("shop", ""), "28P01", "SASL authentication failed")
	for _, at := range server.Status().Endpoints {
		if at.Target == endpoint && !strings.Contains(e.Hint, "the direct host, "+at.Host) {
			t.Errorf("hint %q", e.Hint)
		}
	}
}

// After a failover to another address, lost server connections are replaced, and
// clients between transactions do not notice.
func TestFailoverIsUnnoticedBetweenTransactions(t *testing.T) {
	t.Parallel()
	server := startLocal(t, local.Options{HostNames: local.ServiceNames})
	r := startPooled(t, proxy.Config{DefaultPoolSize: 3, Targets: map[string]*lakebase.Connector{"shop": connectorTo(t, server, "my-instance")}})
	address := func(s snapshot.Server) netip.Addr { return netip.MustParseAddrPort(s.Addr.String()).Addr() }
	idle := r.connect()
	within := r.busy()
	was := address(r.Servers()[0])
	failed := make(chan error, 1)
	go func() { failed <- server.Failover(context.Background(), "my-instance", time.Second) }()
	_, err := within.Exec(t.Context(), "SELECT pg_sleep(60)")
	if code := sqlstate(err); code != "08006" && code != "57P01" {
		t.Error(err)
	}
	if one[int](t, idle, "SELECT 8") != 8 {
		t.Error("wrong answer")
	}
	if err := soon(t, "the failover is over", failed); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Servers() {
		if now := address(s); now == was {
			t.Errorf("still connected to %s", now)
		}
	}
	if r.pool().ClientsActive+r.pool().ClientsIdle != 1 {
		t.Errorf("%+v", r.pool())
	}
}

// However many clients wait for a sleeping database, one login wakes it. Clients
// that wait for more than five seconds get a notice, and all are served.
func TestOneLoginWakesASleepingDatabase(t *testing.T) {
	t.Parallel()
	const endpoint = "projects/sleeper/branches/production/endpoints/primary"
	server := startLocal(t, local.Options{Projects: []string{"sleeper"}, WakeDelay: 6500 * time.Millisecond})
	r := startPooled(t, proxy.Config{Targets: map[string]*lakebase.Connector{"shop": connectorTo(t, server, endpoint)}})
	var notices atomic.Int64
	cfg, err := pgx.ParseConfig(r.url("shop", ""))
	if err != nil {
		t.Fatal(err)
	}
	cfg.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) { notices.Add(1) }
	conns := make([]*pgx.Conn, 30)
	for i := range conns {
		if conns[i], err = pgx.ConnectConfig(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close(context.Background())
	}
	if err := server.Suspend(t.Context(), endpoint); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "its connections are cut", func() bool { return len(r.pids()) == 0 })
	asleep := server.Stats().Logins
	var wg sync.WaitGroup
	for i, conn := range conns {
		wg.Go(func() {
			var got int
			if err := conn.QueryRow(context.Background(), "SELECT $1::int", i).Scan(&got); err != nil || got != i {
				t.Errorf("got %d, want %d, %v", got, i, err)
			}
		})
	}
	most := 0
	for len(r.pids()) == 0 {
		most = max(most, r.pool().ServersConnecting)
		if t.Failed() {
			break
		}
		time.Sleep(10 * time.Millisecond) // a login lasts as long as waking does
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d logins at once woke the database", most)
	}
	if n := notices.Load(); n != int64(len(conns)) {
		t.Errorf("%d of %d clients were told that they wait", n, len(conns))
	}
	if n := server.Stats().Logins - asleep; n > 20 {
		t.Errorf("%d logins", n)
	}
}

// The error names a stopped database in time, and the client can go on when it has
// been started.
func TestStoppedDatabaseIsNamedInTheError(t *testing.T) {
	t.Parallel()
	name := newInstance(t)
	r := startPooled(t, proxy.Config{ServerConnectTimeout: 4 * time.Second, Targets: map[string]*lakebase.Connector{"shop": newConnector(t, name)}})
	conns := []*pgx.Conn{r.connect(), r.connect(), r.connect()}
	if err := upstreamServer.StopTarget(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "its connections are cut", func() bool { return len(r.pids()) == 0 })
	began := time.Now()
	var answers []<-chan error
	for _, conn := range conns {
		answers = append(answers, asking(conn, "SELECT 1"))
	}
	for _, a := range answers {
		if e := wantCode(t, soon(t, "it is told", a), "57P03", ""); e.Severity != "ERROR" || e.Hint == "" {
			t.Errorf("%+v", e)
		}
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %s", took)
	}
	if p := r.pool(); p.LastError == "" || p.ClientsIdle != 3 {
		t.Errorf("%+v", p)
	}
	if err := upstreamServer.StartTarget(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	for _, conn := range conns {
		if one[int](t, conn, "SELECT 1") != 1 {
			t.Error("wrong answer")
		}
	}
	if p := r.pool(); p.LastError != "" {
		t.Errorf("%+v", p)
	}
}
