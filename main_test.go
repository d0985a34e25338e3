package lakebase_test

import (
	"context"
	"database/sql"
	"flag"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

// nameServerAddr is the name server (host:port) of net.DefaultResolver, in place of
// the machine's if it is set.
var nameServerAddr atomic.Value

func TestMain(m *testing.M) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if other, _ := nameServerAddr.Load().(string); other != "" {
			address = other
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	// The official SDK's metrics library starts this one when it is imported.
	goleak.VerifyTestMain(closingShared{m}, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// closingShared closes the shared server after the tests.
type closingShared struct{ *testing.M }

func (m closingShared) Run() int {
	if os.Getenv(actForUsersVariable) != "" {
		return actForUsers()
	}
	testkit.ClearEnv() // for tests that run in parallel
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "8"); err != nil { // they wait for servers and timers
			panic(err)
		}
	}
	defer func() {
		if shared.server != nil {
			shared.server.Close()
		}
	}()
	return m.M.Run()
}

// shared is a local Lakebase for all that sets no faults and reads no counters.
var shared struct {
	once   sync.Once
	server *local.Server
	err    error
}

func sharedServer() (*local.Server, error) {
	shared.once.Do(func() {
		shared.server, shared.err = local.Start(context.Background(), local.Options{Logger: slog.New(slog.DiscardHandler)})
	})
	return shared.server, shared.err
}

// useLocalLakebase sets the environment of the shared server for an example and
// returns what restores it.
func useLocalLakebase() (restore func()) {
	s, err := sharedServer()
	if err != nil {
		panic(err)
	}
	vars, err := s.Env("my-instance")
	if err != nil {
		panic(err)
	}
	former := os.Environ()
	logger := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	for _, v := range vars {
		os.Setenv(v.Name, v.Value)
	}
	return func() {
		slog.SetDefault(logger)
		os.Clearenv()
		for _, entry := range former {
			name, value, _ := strings.Cut(entry, "=")
			os.Setenv(name, value)
		}
	}
}

// start starts a local Lakebase and sets the environment that its own Env
// prints for target, nothing else.
func start(t *testing.T, target string, o local.Options) *local.Server {
	t.Helper()
	testkit.OnlyEnv(t, nil)
	s := lakebasetest.New(t, o)
	lakebasetest.Setenv(t, s, target)
	return s
}

// serve starts a local Lakebase for a parallel test.
func serve(t *testing.T, o local.Options) *local.Server {
	t.Helper()
	return lakebasetest.New(t, o)
}

// oneInstance is enough for a test that is not about the products.
var oneInstance = local.Options{Instances: []string{"my-instance"}}

// connector makes a Connector to target on s, without the environment.
func connector(t *testing.T, s *local.Server, target string, edit ...func(*lakebase.Config)) *lakebase.Connector {
	t.Helper()
	return connectorWith(t, lakebasetest.Config(t, s, target), edit)
}

// connectorFromEnv makes a Connector from target and the environment.
func connectorFromEnv(t *testing.T, target string, edit ...func(*lakebase.Config)) *lakebase.Connector {
	t.Helper()
	cfg, err := lakebase.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	return connectorWith(t, cfg, edit)
}

// connectorWith makes a Connector that is closed with the test, which fails if
// a token was logged.
func connectorWith(t *testing.T, cfg *lakebase.Config, edit []func(*lakebase.Config)) *lakebase.Connector {
	t.Helper()
	logged := new(testkit.Buffer) // a lookup or a login may go on after its caller has given up
	cfg.Logger = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, e := range edit {
		e(cfg)
	}
	c, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if strings.Contains(logged.String(), "eyJ") {
			t.Error("a token was logged")
		}
	})
	return c
}

// within returns a context for one test step.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// one runs a query for one value.
func one[T any](t *testing.T, q interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := q.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// one2 is one for database/sql.
func one2(t *testing.T, db *sql.DB, query string) (v int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}
