package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// reload must succeed.
func (r *rig) reload(cfg proxy.Config) {
	r.t.Helper()
	if err := r.Reload(cfg); err != nil {
		r.t.Fatal(err)
	}
}

// hammer is clients that ask without a pause until they are stopped.
type hammer struct {
	stop     chan struct{}
	wg       sync.WaitGroup
	progress []atomic.Int64 // rounds, by client
	failures chan error     // the first ones
}

// hit starts clients that each ask over and over with do, which gets the
// client's number.
func hit(clients int, do func(ctx context.Context, client int) error) *hammer {
	h := &hammer{stop: make(chan struct{}), progress: make([]atomic.Int64, clients), failures: make(chan error, clients)}
	for i := range clients {
		h.wg.Go(func() {
			for {
				select {
				case <-h.stop:
					return
				default:
				}
				if err := do(context.Background(), i); err != nil {
					h.failures <- fmt.Errorf("client %d: %w", i, err)
					return
				}
				h.progress[i].Add(1)
			}
		})
	}
	return h
}

// proceed waits until every client has asked once more, or one has failed.
func (h *hammer) proceed(t *testing.T) {
	t.Helper()
	before := make([]int64, len(h.progress))
	for i := range before {
		before[i] = h.progress[i].Load()
	}
	testkit.Eventually(t, "every client has asked once more", func() bool {
		if len(h.failures) > 0 {
			return true
		}
		for i := range before {
			if h.progress[i].Load() < before[i]+2 { // one may have begun before
				return false
			}
		}
		return true
	})
}

// end stops the clients, none of which may have failed.
func (h *hammer) end(t *testing.T) (rounds int64) {
	t.Helper()
	close(h.stop)
	h.wg.Wait()
	close(h.failures)
	for err := range h.failures {
		t.Error(err)
	}
	for i := range h.progress {
		rounds += h.progress[i].Load()
	}
	return rounds
}

// runQuery checks that a connection answers what it was asked, in and out of a
// transaction.
func runQuery(ctx context.Context, conn *pgx.Conn, value int64) error {
	var got int64
	if err := conn.QueryRow(ctx, "SELECT $1::bigint", value).Scan(&got); err != nil || got != value {
		return fmt.Errorf("got %d, %w", got, err)
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for i := range int64(3) {
			if err := tx.QueryRow(ctx, "SELECT $1::bigint + $2::bigint", value, i).Scan(&got); err != nil || got != value+i {
				return fmt.Errorf("in a transaction: got %d, %w", got, err)
			}
		}
		return nil
	})
}

func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		shop, kept := newConnector(t, "my-instance"), users(t, map[string]string{"ann": "pw", "bob": "pw"})
		cert, _ := certificate(t)
		base := proxy.Config{PoolMode: mode, Users: kept, Targets: map[string]*lakebase.Connector{"shop": shop}, DefaultPoolSize: 4}
		r := start(t, base)
		const lasting, brief = 8, 2
		conns := make([]*pgx.Conn, lasting)
		for i := range conns {
			conns[i] = connect(t, r.connectionString("ann", "shop"))
		}
		h := hit(lasting+brief, func(ctx context.Context, client int) error {
			if client < lasting {
				return runQuery(ctx, conns[client], int64(client))
			}
			conn, err := pgx.Connect(ctx, r.connectionString("bob", "shop"))
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			return runQuery(ctx, conn, int64(client))
		})
		const reloads = 12 // each of the settings below beside each other one
		var removed *lakebase.Connector
		for i := range reloads {
			cfg := base
			cfg.DefaultPoolSize, cfg.MaxClientConn, cfg.MaxTargetConnections = 1+i%4, 20+i, 40+i
			cfg.ServerLifetime, cfg.ServerIdleTimeout = time.Duration(1+i%3)*time.Minute, time.Duration(1+i%2)*time.Minute
			cfg.MinPoolSize, cfg.MaxPreparedStatements = i%3, 50+i
			if i%2 == 0 {
				removed = newConnector(t, "fragile")
				cfg.Targets = maps.Clone(base.Targets)
				cfg.Targets["reports"], cfg.DefaultTarget = removed, "shop"
				cfg.ClientTLS, cfg.ClientIdleTimeout = cert, time.Hour
				cfg.Users = users(t, map[string]string{"ann": "pw", "bob": "pw", "eve": "pw"})
				cfg.UserTargets = map[string][]string{"bob": {"shop"}}
				cfg.Databases = map[string][]string{"shop": {"postgres"}}
			}
			r.reload(cfg)
			if i%2 == 0 {
				visitor := connect(t, r.connectionString("eve", "reports"))
				exec(t, visitor, "SELECT 1")
				refused(t, r.connectionString("bob", "reports"), "42501", "may not connect")
				visitor.Close(t.Context())
			}
			h.proceed(t)
			if len(h.failures) > 0 {
				break
			}
		}
		rounds := h.end(t)
		t.Logf("%d rounds of five statements during %d reloads", rounds, reloads)
		testkit.Eventually(t, "the connector of the target that is gone is closed", func() bool { return isClosed(t, removed) })
		if isClosed(t, shop) {
			t.Error("the connector of a target that stayed is closed")
		}
		if n := r.Stats(); n.Lost != 0 {
			t.Errorf("%+v", n)
		}
	})
}

// isClosed reports whether a connector opens no connection any more.
func isClosed(t *testing.T, c *lakebase.Connector) bool {
	t.Helper()
	conn, err := c.Connect(t.Context())
	if err == nil {
		conn.Close(t.Context())
	}
	return errors.Is(err, lakebase.ErrClosed)
}

func TestReloadRemovesATarget(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		targets := twoTargets(t)
		shop, reports := targets["shop"], targets["reports"]
		r := start(t, proxy.Config{PoolMode: mode, Targets: targets, DefaultTarget: "shop"})
		staying := connect(t, r.connectionString("anyone", "reports"))
		exec(t, staying, "SELECT 1")
		r.reload(proxy.Config{PoolMode: mode, Targets: map[string]*lakebase.Connector{"shop": shop}, Databases: map[string][]string{"shop": {}}})
		for range 3 { // it goes on as if nothing had been
			exec(t, staying, "BEGIN")
			exec(t, staying, "SELECT 1")
			exec(t, staying, "COMMIT")
		}
		refused(t, r.connectionString("anyone", "reports"), "42501", `the database "reports" of the target "shop"`)
		if isClosed(t, reports) {
			t.Error("closed under a client")
		}
		if n := r.Stats().ServerConns["reports"]; n != 1 {
			t.Errorf("%d server connections", n)
		}
		staying.Close(t.Context())
		testkit.Eventually(t, "its connector is closed", func() bool { return isClosed(t, reports) })
		testkit.Eventually(t, "it is forgotten", func() bool { _, ok := r.Stats().ServerConns["reports"]; return !ok })

		again := newConnector(t, "fragile")
		r.reload(proxy.Config{PoolMode: mode, Targets: map[string]*lakebase.Connector{"shop": shop, "reports": again}, DefaultTarget: "shop"})
		exec(t, connect(t, r.connectionString("anyone", "reports")), "SELECT 1")
	})
}

// A target with a new Connector is a new target.
func TestReloadReplacesATarget(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		before, after := newConnector(t, "my-instance"), newConnector(t, "fragile")
		where := "SELECT pg_postmaster_start_time()::text"
		r := start(t, proxy.Config{PoolMode: mode, Targets: map[string]*lakebase.Connector{"shop": before}})
		staying := r.connect()
		first := one[string](t, staying, where)
		r.reload(proxy.Config{PoolMode: mode, Targets: map[string]*lakebase.Connector{"shop": after, "alias": after}, DefaultTarget: "shop"})
		if second := one[string](t, r.connect(), where); second == first {
			t.Error("a new client was led to the former target")
		}
		if one[string](t, staying, where) != first {
			t.Error("a client was moved")
		}
		// One of two names for the same Connector goes, the Connector stays.
		r.reload(proxy.Config{PoolMode: mode, Targets: map[string]*lakebase.Connector{"shop": after}})
		staying.Close(t.Context())
		testkit.Eventually(t, "the former connector is closed", func() bool { return isClosed(t, before) })
		if isClosed(t, after) {
			t.Error("a connector was closed that is in use")
		}
	})
}

func TestReloadIsAllOrNothing(t *testing.T) {
	t.Parallel()
	connector := newConnector(t, "my-instance")
	cfg := proxy.Config{PoolMode: proxy.SessionMode, MaxClientConn: 1, Targets: map[string]*lakebase.Connector{"shop": connector}}
	r := start(t, cfg)
	r.connect()
	for name, c := range map[string]struct {
		change func(*proxy.Config)
		text   string
	}{
		"another mode":        {func(c *proxy.Config) { c.PoolMode = proxy.TransactionMode }, `pool_mode from "session" to "transaction" needs a restart`},
		"another address":     {func(c *proxy.Config) { c.Listen = "127.0.0.1:1" }, `listen from "127.0.0.1:0" to "127.0.0.1:1" needs a restart`},
		"a Unix socket":       {func(c *proxy.Config) { c.UnixSocketDir = "/run/x" }, `unix_socket_dir from "" to "/run/x" needs a restart`},
		"an HTTP address":     {func(c *proxy.Config) { c.HTTPListen = "127.0.0.1:0" }, "http_listen"},
		"a limit is negative": {func(c *proxy.Config) { c.DefaultPoolSize = -1 }, "want a whole number"},
		"no target":           {func(c *proxy.Config) { c.Targets = nil }, "no target"},
		"an unknown database": {func(c *proxy.Config) { c.Databases = map[string][]string{"shopp": {"a"}} }, `unknown target "shopp"`},
	} {
		next := cfg
		next.MaxClientConn = 10
		c.change(&next)
		if err := r.Reload(next); err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		refused(t, r.url("shop", ""), "53300", "1 clients")
	}
	cfg.MaxClientConn = 10
	r.reload(cfg)
	r.connect()
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(cfg); !errors.Is(err, proxy.ErrServerClosed) {
		t.Error(err)
	}
}

// hold opens a transaction on so many clients.
func hold(t *testing.T, r *rig, n int) []*pgx.Conn {
	t.Helper()
	conns := make([]*pgx.Conn, n)
	for i := range conns {
		conns[i] = r.connect()
		exec(t, conns[i], "BEGIN")
	}
	return conns
}

func TestReloadChangesThePoolSize(t *testing.T) {
	t.Parallel()
	cfg := proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 4, Targets: map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance")}}
	r := start(t, cfg)
	servers := func() int64 { return r.Stats().ServerConns["shop"] }

	// Those that are lent go as they are given back.
	busy := hold(t, r, 4)
	cfg.DefaultPoolSize = 1
	r.reload(cfg)
	if n := servers(); n != 4 {
		t.Errorf("%d server connections with 4 transactions open", n)
	}
	for i, conn := range busy {
		exec(t, conn, "COMMIT")
		want := int64(max(3-i, 1))
		testkit.Eventually(t, "it is closed", func() bool { return servers() == want })
	}

	// Who waits is served as soon as there may be more.
	exec(t, busy[0], "BEGIN")
	waiting := make(chan error, 1)
	go func() {
		_, err := busy[1].Exec(context.Background(), "BEGIN")
		waiting <- err
	}()
	testkit.Eventually(t, "it waits", func() bool { return len(r.Pools()) == 1 && r.Pools()[0].ClientsWaiting == 1 })
	cfg.DefaultPoolSize = 4
	r.reload(cfg)
	if err := <-waiting; err != nil {
		t.Fatal(err)
	}
	exec(t, busy[2], "BEGIN")
	for _, conn := range busy[:3] {
		exec(t, conn, "COMMIT")
	}
	if n := servers(); n != 3 {
		t.Errorf("%d server connections", n)
	}

	// Those that are idle go at once.
	testkit.Eventually(t, "they are idle", func() bool { return r.Pools()[0].ServersIdle == 3 })
	cfg.MaxTargetConnections = 2
	r.reload(cfg)
	if n := servers(); n != 2 {
		t.Errorf("%d server connections, of 2", n)
	}
	cfg.DefaultPoolSize = 1
	r.reload(cfg)
	if n := servers(); n != 1 {
		t.Errorf("%d server connections, of 1", n)
	}
}

// A pool that is full can still replace a server connection that is too old.
func TestReloadShortensTheLifetime(t *testing.T) {
	t.Parallel()
	cfg := proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1, Targets: map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance")}}
	r := start(t, cfg)
	conn := r.connect()
	before := one[int](t, conn, "SELECT pg_backend_pid()")
	cfg.ServerLifetime = time.Second
	r.reload(cfg)
	testkit.Eventually(t, "it is replaced", func() bool { return one[int](t, conn, "SELECT pg_backend_pid()") != before })
	if n := r.pool().Totals.ServerLogins; n > 3 { // one more may be due by now
		t.Errorf("%d logins to replace one", n)
	}
	cfg.ServerLifetime = time.Hour
	r.reload(cfg)
	after := 0
	testkit.Eventually(t, "the pool is as large as it may be", func() bool {
		after = one[int](t, conn, "SELECT pg_backend_pid()")
		return r.Stats().ServerConns["shop"] == 1
	})
	if got := one[int](t, conn, "SELECT pg_backend_pid()"); got != after {
		t.Error("it is replaced although it is young")
	}
}

func TestReloadChangesWhoMayLogIn(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		targets := map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance")}
		before, rootsBefore := certificate(t)
		after, rootsAfter := certificate(t)
		r := start(t, proxy.Config{PoolMode: mode, Targets: targets, ClientTLS: before})
		exec(t, r.connect(), "SELECT 1")
		r.reload(proxy.Config{PoolMode: mode, Targets: targets, ClientTLS: after, Users: users(t, map[string]string{"ann": "pw"})})
		staying := connect(t, r.connectionString("ann", "shop"))
		refused(t, r.connectionString("anyone", "shop"), "28P01", "password")
		r.reload(proxy.Config{PoolMode: mode, Targets: targets, ClientTLS: after, Users: users(t, map[string]string{"ann": "another"})})
		refused(t, r.connectionString("ann", "shop"), "28P01", "password")
		exec(t, staying, "SELECT 1")

		r.reload(proxy.Config{PoolMode: mode, Targets: targets, ClientTLS: after})
		if _, err := connectTLS(t, r, rootsBefore, "postgres"); !isCertificateError(err) {
			t.Error("the former certificate is still shown:", err)
		}
		conn, err := connectTLS(t, r, rootsAfter, "direct")
		if err != nil {
			t.Fatal(err)
		}
		conn.Close(t.Context())
		r.reload(proxy.Config{PoolMode: mode, Targets: targets})
		if _, err := connectTLS(t, r, rootsAfter, "postgres"); err == nil {
			t.Error("TLS without a certificate")
		}
	})
}

func isCertificateError(err error) bool {
	var refused *tls.CertificateVerificationError
	return errors.As(err, &refused)
}

func TestReloadChangesTheIdleTimeout(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		cfg := proxy.Config{PoolMode: mode, Targets: map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance")}}
		r := start(t, cfg)
		idle, clock := r.connect(), connectDirect(t)
		exec(t, idle, "SELECT 1")
		cfg.ClientIdleTimeout = 1500 * time.Millisecond
		r.reload(cfg)
		cfg.ClientIdleTimeout = 0
		r.reload(cfg)
		exec(t, clock, "SELECT pg_sleep(3)")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := idle.Exec(ctx, "SELECT 1"); err != nil { // the deadline is gone, too
			t.Fatal(err)
		}
		cfg.ClientIdleTimeout = 100 * time.Millisecond
		r.reload(cfg)
		m, err := idle.PgConn().Frontend().Receive()
		if e, ok := m.(*pgproto3.ErrorResponse); err != nil || !ok || e.Code != "57P05" {
			t.Fatalf("%#v, %v", m, err)
		}
	})
}

// The idle time of a new client begins with its login.
func TestIdleTimeoutBeginsWithTheLogin(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode, ClientIdleTimeout: time.Minute})
		exec(t, r.connect(), "SELECT 1") // the second one asks nothing as it logs in
		silent := r.connect()
		exec(t, connectDirect(t), "SELECT pg_sleep(2.5)")
		exec(t, silent, "SELECT 1")
	})
}

// Targets are added and removed while clients connect and the proxy shuts down:
// each client is served, or its error says why it is not.
func TestReloadWhileClientsConnect(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		shop := newConnector(t, "my-instance")
		cfg := func(reports *lakebase.Connector) proxy.Config {
			c := proxy.Config{PoolMode: mode, Targets: map[string]*lakebase.Connector{"shop": shop}, DefaultTarget: "shop", Databases: map[string][]string{"shop": {}}, HTTPListen: "127.0.0.1:0"}
			if reports != nil {
				c.Targets["reports"] = reports
			}
			return c
		}
		r := start(t, cfg(nil))
		looking, stop := context.WithCancel(t.Context())
		var watchers sync.WaitGroup
		watchers.Go(func() { r.watch(looking) })
		var in, out atomic.Int64
		var ending atomic.Bool
		h := hit(6, func(ctx context.Context, client int) error {
			conn, err := pgx.Connect(ctx, r.connectionString("anyone", "reports"))
			var refused *pgconn.PgError
			switch {
			case err == nil:
				in.Add(1)
				defer conn.Close(ctx)
				if err = runQuery(ctx, conn, int64(client)); errors.As(err, &refused) && refused.Code == "57P01" {
					err = nil // it is the end
				}
				return err
			case errors.As(err, &refused) && refused.Code == "42501", errors.As(err, &refused) && refused.Code == "57P01":
				out.Add(1)
				return nil
			case refused == nil && ending.Load(): // the system resets those that were not accepted
				return nil
			}
			return err
		})
		var gone []*lakebase.Connector
		for range 8 {
			connector := newConnector(t, "fragile")
			r.reload(cfg(connector))
			before := in.Load()
			testkit.Eventually(t, "clients get in", func() bool { return in.Load() > before || len(h.failures) > 0 })
			var both sync.WaitGroup // and two at once
			both.Go(func() { r.reload(cfg(nil)) })
			both.Go(func() { r.reload(cfg(nil)) })
			both.Wait()
			gone = append(gone, connector)
			before = out.Load()
			testkit.Eventually(t, "clients are refused", func() bool { return out.Load() > before || len(h.failures) > 0 })
		}
		for _, connector := range gone {
			testkit.Eventually(t, "the connectors are closed", func() bool { return isClosed(t, connector) })
		}
		stop()
		watchers.Wait()
		ended := make(chan error, 1)
		ending.Store(true)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			ended <- r.Shutdown(ctx)
		}()
		for {
			if err := r.Reload(cfg(newConnector(t, "fragile"))); errors.Is(err, proxy.ErrServerClosed) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			r.reloadUnlessEnded(cfg(nil))
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		t.Logf("%d clients got in, %d did not", in.Load(), out.Load())
		h.end(t)
	})
}

// watch asks for all that there is to see of targets, until ctx ends.
func (r *rig) watch(ctx context.Context) {
	conn, err := pgx.Connect(ctx, r.url("pgbouncer", ""))
	if err != nil {
		r.t.Error(err)
		return
	}
	defer conn.Close(context.Background())
	for ctx.Err() == nil {
		for _, command := range []string{"SHOW TARGETS", "SHOW DATABASES", "SHOW POOLS", "SHOW CLIENTS", "SHOW SERVERS", "SHOW LISTS"} {
			if _, err := conn.Exec(ctx, command); err != nil && ctx.Err() == nil {
				r.t.Error(command, err)
				return
			}
		}
		for _, path := range []string{"/", "/metrics"} {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.HTTPAddr().String()+path, nil)
			if err != nil {
				r.t.Error(err)
				return
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				if ctx.Err() == nil {
					r.t.Error(path, err)
				}
				return
			}
			_, _ = io.Copy(io.Discard, response.Body) // the page is cut short at the end
			response.Body.Close()
		}
	}
}

// reloadUnlessEnded must succeed, or come too late.
func (r *rig) reloadUnlessEnded(cfg proxy.Config) {
	r.t.Helper()
	if err := r.Reload(cfg); err != nil && !errors.Is(err, proxy.ErrServerClosed) {
		r.t.Fatal(err)
	}
}
