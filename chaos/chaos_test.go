// Package chaos_test has everything at once go wrong that the local Lakebase
// can have go wrong, under clients of the library's pools and of the proxy in
// both modes. See TestUnderFaults.
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

// The two products, of which the seed chooses one.
const (
	project  = "project"
	instance = "instance"
)

// Clients of pgx pools, of a database/sql pool and of proxies in both modes ask
// one local Lakebase things whose answers they know, while faults come and go.
// What must hold:
//
//   - No answer is wrong. What was acknowledged is there exactly once, what
//     failed at most once, and what was not sent is not there.
//   - A client gets only errors that the faults of the moment explain. Between
//     faults it gets none, although tokens and connections live for seconds.
//   - No token is given out that has expired. No identity has more than one
//     credential request under way, and nobody has more connections than the limit
//     allows.
//   - When a fault has ended, every client succeeds again within the fault's
//     bound, and every pool logs in.
//   - At the end there are as many goroutines, and about as much memory in use,
//     as in the beginning.
//
// It runs for some seconds with a seed of its own, which it prints. For a long
// run, or the run that failed:
//
//	make chaos CHAOS=1h CHAOS_SEED=7
//
// The seed decides on the product, and on the faults and their lengths; not on
// the interleaving of the clients.
func TestUnderFaults(t *testing.T) {
	duration, seed := testkit.Chaos(t, 5*time.Second)
	w := newWorld(t, duration, seed)
	stop := w.start()
	w.warmUp()
	before := w.quiet(nil)
	w.torment()
	after := w.quiet(&before)
	stop()
	w.judge()
	w.compareUse(before, after)
	w.report()
}

// world is what the clients share.
type world struct {
	t         *testing.T
	duration  time.Duration
	seed      uint64
	product   string
	target    string
	server    *local.Server
	untouched *local.Server // which no fault strikes
	ways      []*way
	clients   []*client
	gate      sync.RWMutex // whoever asks holds it meanwhile
	admin     *pgx.Conn    // past all ways, to kill and to judge
	log       censor
	failed    atomic.Bool
	began     time.Time
	tokens    map[*lakebase.Connector]int64 // that there were at the end of a fault of the API

	mu        sync.Mutex // guards what follows
	windows   []*window
	logins    []login           // to the server that no fault strikes, the latest last
	loggingIn time.Time         // since when one is under way
	tallies   map[string]*tally // by fault
	errors    int
}

func newWorld(t *testing.T, duration time.Duration, seed uint64) *world {
	w := &world{t: t, duration: duration, seed: seed, tallies: map[string]*tally{}}
	options := local.Options{
		HostNames: local.ServiceNames, TokenLifetime: tokenLifetime,
		Logger: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if seed%2 == 0 {
		w.product, w.target = project, "projects/shop/branches/production/endpoints/primary"
		options.Projects, options.WakeDelay = []string{"shop"}, 300*time.Millisecond
	} else {
		w.product, w.target = instance, "shop"
		options.Instances = []string{"shop"}
	}
	w.server = lakebasetest.New(t, options)
	w.untouched = lakebasetest.New(t, local.Options{Instances: []string{untouched}})
	id, secret := w.server.ServicePrincipal()
	w.reconnectAdmin()
	t.Cleanup(func() { _ = w.admin.Close(context.Background()) })
	for _, sql := range []string{
		"CREATE EXTENSION databricks_auth",
		"SELECT databricks_create_role('" + id + "', 'SERVICE_PRINCIPAL')",
		`GRANT "` + id + `" TO CURRENT_USER`,
		"CREATE TABLE ledger (who bigint, seq bigint)", // nothing is unique here: what is run twice must show
		"CREATE INDEX ON ledger (who, seq)",
		"CREATE TABLE accounts (who bigint PRIMARY KEY, balance bigint)",
		`GRANT ALL ON ledger, accounts TO "` + id + `"`,
	} {
		if _, err := w.admin.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	person := w.connector(&sdkconfig.Config{Host: w.server.WorkspaceURL(), Token: w.server.Token(), AuthType: "pat"}, "library")
	machine := w.connector(&sdkconfig.Config{Host: w.server.WorkspaceURL(), ClientID: id, ClientSecret: secret, AuthType: "oauth-m2m"}, "proxy")
	w.ways = []*way{
		w.poolWay(person, "NewPool", 6),
		w.poolWay(person, "another NewPool", 3),
		w.sqlWay(person, 5),
		w.proxyWay(machine, proxy.TransactionMode, 8),
		w.proxyWay(machine, proxy.SessionMode, 4),
	}
	for _, y := range w.ways {
		for range y.clients {
			c := newClient(w, y, int64(len(w.clients)+1))
			w.clients = append(w.clients, c)
			if _, err := w.admin.Exec(t.Context(), "INSERT INTO accounts VALUES ($1, 0)", c.id); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

// reconnectAdmin connects past all ways if need be, with a token of its own.
func (w *world) reconnectAdmin() {
	if w.admin != nil && !w.admin.IsClosed() && w.admin.Ping(w.t.Context()) == nil {
		return
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), soon)
	defer cancel()
	for {
		conn, err := dial(ctx, w.server, w.target)
		if err == nil {
			w.admin = conn
			return
		}
		if ctx.Err() != nil {
			w.t.Fatal("the database cannot be reached directly: ", err)
		}
	}
}

// dial connects past all ways. A login that has begun to hang does so for good,
// so that it is given up after connectTimeout.
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
	// It is at the one or, after a failover, at the other.
	cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1", "127.0.0.2"}, nil }
	return pgx.ConnectConfig(ctx, cfg)
}

// start has the clients ask, and the limits watched, until it is stopped.
func (w *world) start() (stop func()) {
	w.began = time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, c := range w.clients {
		wg.Go(func() { c.run(ctx) })
	}
	wg.Go(func() { w.watch(ctx) })
	wg.Go(func() { w.measureLogins(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		for _, c := range w.clients {
			c.close()
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// warmUp waits until every client has had its connection, and more than one.
func (w *world) warmUp() {
	w.await(soon, "every client has done some things", func() bool {
		return !slices.ContainsFunc(w.clients, func(c *client) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.done < 20
		})
	})
}
