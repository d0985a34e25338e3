package lakebasetest_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

func TestNew(t *testing.T) {
	var url, dir string
	t.Run("lives", func(t *testing.T) {
		s := lakebasetest.New(t, local.Options{Instances: []string{"db"}})
		url, dir = s.WorkspaceURL(), s.Status().DataDir
		lakebasetest.Setenv(t, s, "db")
		if os.Getenv("DATABRICKS_HOST") != url || os.Getenv("LAKEBASE_INSTANCE_NAME") != "db" {
			t.Errorf("environment: %q", os.Environ())
		}
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	if resp, err := http.Get(url); err == nil {
		resp.Body.Close()
		t.Error("it outlived its test")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("its data is still there: %v", err)
	}
	if os.Getenv("DATABRICKS_HOST") == url {
		t.Error("its variables are still set")
	}
}

// failing records what New says when it cannot start.
type failing struct {
	testing.TB
	message string
	skipped bool
}

type ended struct{}

func (f *failing) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	panic(ended{})
}
func (f *failing) Skip(...any)          { f.skipped = true }
func (f *failing) Skipf(string, ...any) { f.skipped = true }
func (f *failing) SkipNow()             { f.skipped = true }

// TestNewWithoutPostgres checks that a machine without PostgreSQL fails the
// test, and says why.
func TestNewWithoutPostgres(t *testing.T) {
	t.Setenv("LAKEBASE_POSTGRES_BIN", t.TempDir())
	f := &failing{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != (ended{}) {
				panic(r)
			}
		}()
		lakebasetest.New(f)
	}()
	if f.skipped || !strings.Contains(f.message, "LAKEBASE_POSTGRES_BIN") {
		t.Errorf("got %q, skipped %v", f.message, f.skipped)
	}
}

func TestConfigIgnoresTheEnvironment(t *testing.T) {
	for _, name := range []string{"DATABRICKS_CONFIG_PROFILE", "DATABRICKS_CLIENT_ID", "LAKEBASE_PG_URL", "PGHOST", "PGUSER", "PGDATABASE"} {
		t.Setenv(name, "nowhere")
	}
	s := lakebasetest.New(t, local.Options{HostNames: local.ServiceNames})
	for _, target := range []string{"", "my-instance", "my-project"} {
		cfg := lakebasetest.Config(t, s, target)
		c, err := lakebase.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := c.Connect(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		conn.Close(t.Context())
		c.Close()
	}
}

func TestConfigInParallelTests(t *testing.T) {
	for range 2 {
		t.Run("query", testQuery)
	}
}

// TestAppHasItsOwnRightsOnly has a person's schema refuse an app, by both ways to
// configure one.
func TestAppHasItsOwnRightsOnly(t *testing.T) {
	s := lakebasetest.New(t, local.Options{Projects: []string{"web"}})
	t.Setenv("DATABRICKS_TOKEN", "a person's")
	lakebasetest.SetenvApp(t, s, "shop", "web")
	if _, set := os.LookupEnv("DATABRICKS_TOKEN"); set || os.Getenv("PGPASSWORD") != "" {
		t.Errorf("environment: %q", os.Environ())
	}
	fromEnv, err := lakebase.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]*lakebase.Config{"environment": fromEnv, "Config": lakebasetest.AppConfig(t, s, "shop", "web")} {
		c, err := lakebase.New(cfg)
		if err != nil {
			t.Fatal(name, err)
		}
		conn, err := c.Connect(t.Context())
		if err != nil {
			t.Fatal(name, err)
		}
		var refused *pgconn.PgError
		if _, err := conn.Exec(t.Context(), "CREATE TABLE public.mine ()"); !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := conn.Exec(t.Context(), "CREATE SCHEMA IF NOT EXISTS own"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close(t.Context())
		c.Close()
	}
}
