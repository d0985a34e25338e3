package proxy_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
	"github.com/lakebase-go/lakebase/proxy"
)

// upstreamServer is the local Lakebase behind the proxies of all tests.
var upstreamServer *local.Server

// logs has what the proxies and connectors of all tests logged.
var logs testkit.Buffer

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

// inParallel is how many tests run at once: most of the time they wait.
const inParallel = "8"

func testMain(m *testing.M) int {
	// Dependencies of the official SDK start some before main.
	ours := goleak.IgnoreCurrent()
	var err error
	upstreamServer, err = local.Start(context.Background(), local.Options{Instances: []string{"my-instance", "fragile"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := upstreamServer.CreateDatabase(context.Background(), "my-instance", "other"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	variables, err := upstreamServer.Env("my-instance")
	for _, v := range variables {
		os.Setenv(v.Name, v.Value)
	}
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		flag.Set("test.parallel", inParallel)
	}
	code := m.Run()
	// The local server's secrets begin like every JWT.
	if strings.Contains(logs.String(), "eyJ") {
		fmt.Fprintln(os.Stderr, "a token is in the logs")
		code = 1
	}
	if err := errors.Join(err, upstreamServer.Close()); err != nil {
		fmt.Fprintln(os.Stderr, "local Lakebase:", err)
		code = 1
	}
	if err := goleak.Find(ours); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// newConnector returns one that ends with the test.
func newConnector(t testing.TB, target string) *lakebase.Connector {
	t.Helper()
	cfg, err := lakebase.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Logger = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// rig is a running proxy.
type rig struct {
	t testing.TB
	*proxy.Server
	served chan error
	log    *testkit.Buffer
}

// start starts a proxy that ends with the test. Unless cfg says otherwise it
// leads to my-instance.
func start(t testing.TB, cfg proxy.Config) *rig {
	t.Helper()
	if cfg.Targets == nil {
		cfg.Targets = map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance")}
	}
	r := &rig{t: t, served: make(chan error, 1), log: &testkit.Buffer{}}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.MultiWriter(&logs, r.log), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	server, err := proxy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	r.Server = server
	go func() { r.served <- server.Serve(context.Background()) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("sessions were still open at the end of the test: %v\n%s\n%s", err, r.log, proxyStacks())
		}
		if err := <-r.served; !errors.Is(err, proxy.ErrServerClosed) {
			t.Error("serve:", err)
		}
		for name, n := range server.Stats().ServerConns {
			if n != 0 {
				t.Errorf("%d server connections to %s are left", n, name)
			}
		}
	})
	return r
}

// proxyStacks are the goroutines of all proxies.
func proxyStacks() string {
	all := make([]byte, 16<<20)
	all = all[:runtime.Stack(all, true)]
	var ours []string
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		if strings.Contains(stack, "/proxy.(*") {
			ours = append(ours, stack)
		}
	}
	return strings.Join(ours, "\n\n")
}

// url is a connection string for any user without a password.
func (r *rig) url(database, more string) string {
	return fmt.Sprintf("postgres://anyone@%s/%s?sslmode=disable%s", r.Addr(), database, more)
}

func (r *rig) dial() net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(3 * time.Minute)) // only a test that fails waits for it
	return conn
}

// connect logs in to the default database.
func (r *rig) connect() *pgx.Conn { return connect(r.t, r.url("shop", "")) }

// connectTLS connects with TLS to a proxy whose certificate is one of roots.
func (r *rig) connectTLS(roots *x509.CertPool) *pgx.Conn {
	r.t.Helper()
	cfg, err := pgx.ParseConfig(r.url("shop", ""))
	if err != nil {
		r.t.Fatal(err)
	}
	cfg.TLSConfig = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
	conn, err := pgx.ConnectConfig(r.t.Context(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn.Close(ctx)
	})
	return conn
}

// refused tries to log in, which must fail with code and text.
func refused(t testing.TB, url, code, text string) *pgconn.PgError {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err == nil {
		conn.Close(t.Context())
		t.Fatalf("logged in; want %s", code)
	}
	return wantCode(t, err, code, text)
}

func wantCode(t testing.TB, err error, code, text string) *pgconn.PgError {
	t.Helper()
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		t.Fatalf("got %v, want %s %q", err, code, text)
	}
	return e
}

// one runs a query that yields one value.
func one[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// exec runs a statement that must succeed.
func exec(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// connectorTo returns a connector to a target of a server of the test's own.
func connectorTo(t testing.TB, server *local.Server, target string) *lakebase.Connector {
	t.Helper()
	cfg, err := lakebase.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	variables, err := server.Env(cmp.Or(cfg.Endpoint, cfg.Instance))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Workspace = &sdkconfig.Config{}
	cfg.SSLRootCert = server.RootCertFile()
	_, port, err := net.SplitHostPort(server.PostgresAddr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(port, &cfg.Port); err != nil {
		t.Fatal(err)
	}
	for _, v := range variables {
		switch v.Name {
		case "DATABRICKS_HOST":
			cfg.Workspace.Host = v.Value
		case "DATABRICKS_TOKEN":
			cfg.Workspace.Token = v.Value
		case "LAKEBASE_DNS_SERVERS":
			cfg.DNSServers = []string{v.Value}
		}
	}
	cfg.Logger = slog.New(slog.NewTextHandler(&logs, nil))
	c, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// newInstance makes an instance for one test alone.
func newInstance(t testing.TB) string {
	t.Helper()
	name := "i-" + strings.ToLower(rand.Text()[:8])
	if err := upstreamServer.CreateInstance(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return name
}

// spareInstances are those that no test uses.
var spareInstances = make(chan string, 100)

// leaseInstance returns an instance without objects of other tests, for one test
// alone until it ends. The test must not create roles.
func leaseInstance(t testing.TB) (name string) {
	t.Helper()
	select {
	case name = <-spareInstances:
	default:
		name = newInstance(t)
	}
	t.Cleanup(func() {
		if dropObjects(name) == nil {
			spareInstances <- name
		}
	})
	return name
}

// dropObjects drops what a test has created in an instance.
func dropObjects(instance string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cfg, err := lakebase.ParseConfig(instance)
	if err != nil {
		return err
	}
	cfg.Logger = slog.New(slog.NewTextHandler(&logs, nil))
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	conn, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "DROP OWNED BY CURRENT_USER")
	return err
}
