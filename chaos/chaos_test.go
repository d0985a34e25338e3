// Package chaos_test applies the faults of the local Lakebase at random, while
// clients of the library's pools and of the proxy in both modes verify what they
// get. See TestUnderFaults.
package chaos_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
	"github.com/lakebase-go/lakebase/proxy"
)

// The two products. The seed chooses one.
const (
	project  = "project"
	instance = "instance"
)

// TestUnderFaults runs clients of pgx pools, of a database/sql pool and of proxies
// in both modes against one local Lakebase, while faults come and go. The clients
// know what each result must be. The test verifies that
//
//   - no result is wrong: a row whose insertion was acknowledged exists exactly
//     once, one whose insertion failed at most once, and one that was not sent
//     does not exist;
//   - a client gets only errors that the current faults explain, and none between
//     faults, although tokens and connections live for seconds;
//   - no cache returns an expired token, no identity has more credential requests
//     in flight than one and two that repeat it, and no pool or proxy has more
//     connections than its limit;
//   - after a fault every client succeeds again within the fault's bound, and
//     every pool logs in;
//   - at the end there are as many goroutines, and about as much memory in use,
//     as at the beginning.
//
// It runs for seconds with a random seed, which it logs. For a long run, or to
// repeat one that failed:
//
//	make chaos CHAOS=1h CHAOS_SEED=7
//
// The seed determines the product, the faults and their durations, but not the
// interleaving of the clients.
func TestUnderFaults(t *testing.T) {
	duration, seed := testkit.Chaos(t, 5*time.Second)
	h := newHarness(t, duration, seed)
	stop := h.start()
	h.warmUp()
	before := h.measureIdle(nil)
	h.runWindows()
	after := h.measureIdle(&before)
	stop()
	h.verifyData()
	h.compareUsage(before, after)
	h.report()
}

// harness is the state that the clients share.
type harness struct {
	t         *testing.T
	duration  time.Duration
	seed      uint64
	product   string
	target    string
	server    *local.Server
	faultless *local.Server // without faults
	routes    []*route
	clients   []*client
	gate      sync.RWMutex // held for reading during every operation
	admin     *pgx.Conn    // directly to the server, to kill backends and to verify
	log       logRecorder
	failed    atomic.Bool
	began     time.Time
	tokens    map[*lakebase.Connector]int64 // how many were minted before the end of a fault of the API

	mu        sync.Mutex // guards the fields below
	windows   []*window
	logins    []login           // to the faultless server, the latest last
	loggingIn time.Time         // start of the one in progress
	tallies   map[string]*tally // by fault
	errors    int
}

func newHarness(t *testing.T, duration time.Duration, seed uint64) *harness {
	h := &harness{t: t, duration: duration, seed: seed, tallies: map[string]*tally{}}
	options := local.Options{
		HostNames: local.ServiceNames, TokenLifetime: tokenLifetime,
		Logger: slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if seed%2 == 0 {
		h.product, h.target = project, "projects/shop/branches/production/endpoints/primary"
		options.Projects, options.WakeDelay = []string{"shop"}, 300*time.Millisecond
	} else {
		h.product, h.target = instance, "shop"
		options.Instances = []string{"shop"}
	}
	h.server = lakebasetest.New(t, options)
	h.faultless = lakebasetest.New(t, local.Options{Instances: []string{faultless}})
	id, secret := h.server.ServicePrincipal()
	h.reconnectAdmin()
	t.Cleanup(func() { _ = h.admin.Close(context.Background()) })
	for _, sql := range []string{
		"SELECT databricks_create_role('" + id + "', 'SERVICE_PRINCIPAL')",
		`GRANT "` + id + `" TO CURRENT_USER`,
		"CREATE TABLE ledger (who bigint, seq bigint)", // without a unique key, so that a repeated statement shows
		"CREATE INDEX ON ledger (who, seq)",
		"CREATE TABLE accounts (who bigint PRIMARY KEY, balance bigint)",
		`GRANT ALL ON ledger, accounts TO "` + id + `"`,
	} {
		if _, err := h.admin.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	person := h.newConnector(&sdkconfig.Config{Host: h.server.WorkspaceURL(), Token: h.server.Token(), AuthType: "pat"}, "library")
	machine := h.newConnector(&sdkconfig.Config{Host: h.server.WorkspaceURL(), ClientID: id, ClientSecret: secret, AuthType: "oauth-m2m"}, "proxy")
	h.routes = []*route{
		h.poolRoute(person, "NewPool", 6),
		h.poolRoute(person, "another NewPool", 3),
		h.sqlRoute(person, 5),
		h.proxyRoute(machine, proxy.TransactionMode, 8),
		h.proxyRoute(machine, proxy.SessionMode, 4),
	}
	for _, y := range h.routes {
		for range y.clients {
			c := newClient(h, y, int64(len(h.clients)+1))
			h.clients = append(h.clients, c)
			if _, err := h.admin.Exec(t.Context(), "INSERT INTO accounts VALUES ($1, 0)", c.id); err != nil {
				t.Fatal(err)
			}
		}
	}
	return h
}

// reconnectAdmin connects directly to the server if the connection is broken.
func (h *harness) reconnectAdmin() {
	if h.admin != nil && !h.admin.IsClosed() && h.admin.Ping(h.t.Context()) == nil {
		return
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), soon)
	defer cancel()
	for {
		conn, err := dial(ctx, h.server, h.target)
		if err == nil {
			h.admin = conn
			return
		}
		if ctx.Err() != nil {
			h.t.Fatal("cannot connect to the database directly: ", err)
		}
	}
}

// dial connects directly to the server, with a new token. A login that hangs
// never ends, so that dial abandons it after connectTimeout.
func dial(ctx context.Context, server *local.Server, target string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	token, err := server.Mint(local.MintOptions{Target: target})
	if err != nil {
		return nil, err
	}
	endpoint := server.Status().Endpoints[0]
	cfg, err := pgx.ParseConfig("host=" + endpoint.Host + " dbname=databricks_postgres application_name=admin")
	if err != nil {
		return nil, err
	}
	cfg.Port, cfg.User, cfg.Password, cfg.Fallbacks = endpoint.Port, server.User(), token, nil
	cfg.TLSConfig = &tls.Config{RootCAs: server.RootCAs(), ServerName: endpoint.Host}
	// The server is at the first address or, after a failover, at the second.
	cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1", "127.0.0.2"}, nil }
	return pgx.ConnectConfig(ctx, cfg)
}

// start runs the clients, and the checks of the limits, until stop is called.
func (h *harness) start() (stop func()) {
	h.began = time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, c := range h.clients {
		wg.Go(func() { c.run(ctx) })
	}
	wg.Go(func() { h.watch(ctx) })
	wg.Go(func() { h.measureLogins(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		for _, c := range h.clients {
			c.close()
		}
	})
	h.t.Cleanup(stop)
	return stop
}

// warmUp waits until every client has used more than one connection.
func (h *harness) warmUp() {
	h.await(soon, "every client has completed 20 operations", func() bool {
		return !slices.ContainsFunc(h.clients, func(c *client) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.done < 20
		})
	})
}
