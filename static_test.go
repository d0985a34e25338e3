package lakebase_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// nativeRole makes a role with a password of its own, as people have for
// local development, and returns it as host, port, user and password. Native login
// is off by default.
func nativeRole(t *testing.T, s *local.Server) (host, port string, login *url.Userinfo) {
	t.Helper()
	admin, err := connectorFromEnv(t, endpointPath).Connect(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	if err := s.SetNativeLogin(endpointPath, true); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), "create role native login password 'p@ss:w/rd'"); err != nil {
		t.Fatal(err)
	}
	_, port, err = net.SplitHostPort(s.PostgresAddr())
	if err != nil {
		t.Fatal(err)
	}
	return admin.Config().Host, port, url.UserPassword("native", "p@ss:w/rd")
}

func TestStaticURL(t *testing.T) {
	s := start(t, "my-instance", local.Options{})
	host, port, login := nativeRole(t, s)
	root := s.RootCertFile()
	var spellings [][2]string
	for _, scheme := range []string{"postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg", "postgresql+psycopg2", "postgres+pgx"} {
		spellings = append(spellings, [2]string{scheme, ""})
	}
	for _, query := range []string{"?sslmode=require", "?sslmode=verify-full&sslrootcert=" + url.QueryEscape(root), "?sslmode=prefer"} {
		spellings = append(spellings, [2]string{"postgresql", query})
	}
	for _, spelling := range spellings {
		scheme, query := spelling[0], spelling[1]
		t.Run(scheme+query, func(t *testing.T) {
			testkit.OnlyEnv(t, nil)
			before := s.Stats().APICalls
			t.Setenv("LAKEBASE_PG_URL", fmt.Sprintf("%s://%s@%s:%s/databricks_postgres%s", scheme, login, host, port, query))
			conn, err := lakebase.Connect(within(t, 20*time.Second), "")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			if got := one[string](t, conn, "select current_user::text"); got != "native" {
				t.Errorf("logged in as %q", got)
			}
			pool, err := lakebase.NewPool(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			if err := pool.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			if n := pool.Config().MaxConns; n != 15 {
				t.Errorf("MaxConns %d, want 15", n)
			}
			if n := s.Stats().APICalls - before; n != 0 {
				t.Errorf("%d calls to the workspace", n)
			}
		})
	}
}

func TestStaticURLWithoutModeWantsTLS(t *testing.T) {
	s := start(t, "my-instance", local.Options{})
	host, port, login := nativeRole(t, s)
	setFaults(t, s, local.Faults{TLS: local.TLSFault{Mode: "plaintext"}})
	testkit.OnlyEnv(t, nil)
	before := s.Stats().PasswordBytes
	// Not loopback by name, so TLS is required; the address is this machine's.
	t.Setenv("LAKEBASE_PG_URL", fmt.Sprintf("postgres://%s@db.example:%s/databricks_postgres", login, port))
	cfg, err := lakebase.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	c, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	lakebase.SetLookup(c, func(context.Context, string) ([]string, error) { return net.LookupHost(host) })
	_, err = c.Connect(within(t, 5*time.Second))
	var e *lakebase.Error
	if !errors.As(err, &e) || e.Kind != lakebase.KindTLS {
		t.Errorf("error %v, want %s", err, lakebase.KindTLS)
	}
	if n := s.Stats().PasswordBytes - before; n != 0 {
		t.Errorf("%d bytes of a password left the client", n)
	}
}

func TestStaticURLHasNoTokens(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	c := connectorFromEnv(t, "postgres://u:p@127.0.0.1:1/db")
	c.StartRefresh()
	c.StopRefresh()
	if _, err := c.Token(t.Context()); err == nil {
		t.Error("a static URL gave a token")
	}
	cfg, err := pgx.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.BeforeConnect(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.Host != "127.0.0.1" || cfg.Port != 1 || cfg.User != "u" || cfg.Password != "p" {
		t.Errorf("BeforeConnect gave %s:%d as %s", cfg.Host, cfg.Port, cfg.User)
	}
	began := time.Now()
	if _, err := c.Connect(within(t, 20*time.Second)); err == nil {
		t.Error("connected to a closed port")
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %v to say that nothing listens", took)
	}
}
