package lakebase_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// TestEachVariableTakesEffect sets each variable of the documentation and looks at what
// it does to a connection, a pool or the workspace calls.
func TestEachVariableTakesEffect(t *testing.T) {
	s := start(t, "my-instance", local.Options{Instances: []string{"my-instance", "other"}, Projects: []string{"my-project"}, HostNames: local.ServiceNames})
	admin, err := connectorFromEnv(t, "").Connect(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	host := admin.Config().Host
	if err := s.CreateDatabase(t.Context(), "my-instance", "mine"); err != nil {
		t.Fatal(err)
	}
	if err := admin.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := connectorFromEnv(t, "other").Connect(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	otherHost := other.Config().Host
	if err := other.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	type seen struct {
		conn *pgx.Conn
		pool *pgxpool.Pool
		c    *lakebase.Connector
	}
	same := func(t *testing.T, what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	database := func(t *testing.T, s seen) {
		same(t, "database", one[string](t, s.conn, "select current_database()::text"), "mine")
	}
	endpoint := func(t *testing.T, s seen) { same(t, "host is the instance's", s.conn.Config().Host == host, false) }
	for _, tt := range []struct {
		name, value string
		unset       []string
		check       func(t *testing.T, s seen)
	}{
		{"LAKEBASE_INSTANCE_NAME", "other", nil, func(t *testing.T, s seen) { same(t, "host", s.conn.Config().Host, otherHost) }},
		{"LAKEBASE_ENDPOINT", endpointPath, []string{"LAKEBASE_INSTANCE_NAME"}, endpoint},
		{"ENDPOINT_NAME", endpointPath, []string{"LAKEBASE_INSTANCE_NAME"}, endpoint},
		{"PGENDPOINT", endpointPath, []string{"LAKEBASE_INSTANCE_NAME"}, endpoint},
		{"LAKEBASE_DATABASE_NAME", "mine", nil, database},
		{"PGDATABASE", "mine", nil, database},
		{"LAKEBASE_USERNAME", s.User(), nil, func(t *testing.T, v seen) {
			same(t, "user", v.conn.Config().User, s.User())
		}},
		{"PGUSER", s.User(), nil, func(t *testing.T, v seen) { same(t, "user", v.conn.Config().User, s.User()) }},
		{"LAKEBASE_HOST", host, []string{"LAKEBASE_INSTANCE_NAME"}, func(t *testing.T, v seen) { same(t, "host", v.conn.Config().Host, host) }},
		{"PGHOST", otherHost, []string{"LAKEBASE_INSTANCE_NAME"}, func(t *testing.T, v seen) { same(t, "host", v.conn.Config().Host, otherHost) }},
		{"PGSSLMODE", "verify-ca", nil, func(t *testing.T, v seen) {
			same(t, "TLS checks the name", v.conn.PgConn().Conn().(*tls.Conn).ConnectionState().VerifiedChains == nil, true)
		}},
		{"PGAPPNAME", "the app", nil, func(t *testing.T, v seen) {
			same(t, "application_name", one[string](t, v.conn, "select current_setting('application_name')"), "the app")
		}},
		{"DB_POOL_SIZE", "2", nil, func(t *testing.T, v seen) { same(t, "MaxConns", v.pool.Config().MaxConns, int32(12)) }},
		{"DB_MAX_OVERFLOW", "0", nil, func(t *testing.T, v seen) { same(t, "MaxConns", v.pool.Config().MaxConns, int32(5)) }},
		{"DB_POOL_RECYCLE_INTERVAL", "120", nil, func(t *testing.T, v seen) {
			same(t, "MaxConnLifetime", v.pool.Config().MaxConnLifetime, 2*time.Minute)
		}},
		{"LAKEBASE_TOKEN_REFRESH_SECONDS", "1", nil, func(t *testing.T, v seen) {
			before := s.Stats().CredentialCalls
			v.c.StartRefresh()
			testkit.Eventually(t, "a refresh after a second", func() bool { return s.Stats().CredentialCalls > before })
		}},
		{"PGCONNECT_TIMEOUT", "7", nil, func(t *testing.T, v seen) {
			same(t, "ConnectTimeout", v.conn.Config().ConnectTimeout, 7*time.Second)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range tt.unset {
				t.Setenv(name, "")
			}
			t.Setenv(tt.name, tt.value)
			c := connectorFromEnv(t, "")
			conn, err := c.Connect(within(t, 20*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			pool, err := c.NewPool(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tt.check(t, seen{conn, pool, c})
		})
	}

	t.Run("DB_POOL_TIMEOUT", func(t *testing.T) {
		t.Setenv("DB_POOL_TIMEOUT", "1")
		t.Setenv("DB_POOL_SIZE", "1")
		t.Setenv("DB_MAX_OVERFLOW", "0")
		pool, err := connectorFromEnv(t, "").NewPool(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held := acquire(t, pool, 1)
		defer held[0].Release()
		began := time.Now()
		if _, err := pool.Acquire(t.Context()); err == nil {
			t.Error("got a second connection")
		}
		if took := time.Since(began); took < 900*time.Millisecond || took > 20*time.Second {
			t.Errorf("waited %v, want 1s", took)
		}
	})
	t.Run("PGPORT", func(t *testing.T) {
		t.Setenv("PGPORT", "1")
		if _, err := connectorFromEnv(t, "", func(c *lakebase.Config) { c.ConnectTimeout = time.Second }).Connect(t.Context()); err == nil {
			t.Error("connected to port 1")
		}
	})
	t.Run("PGSSLROOTCERT", func(t *testing.T) {
		t.Setenv("PGSSLROOTCERT", "")
		if _, err := connectorFromEnv(t, "", func(c *lakebase.Config) { c.ConnectTimeout = 5 * time.Second }).Connect(t.Context()); err == nil {
			t.Error("connected without the root")
		}
	})
	t.Run("LAKEBASE_DNS_SERVERS", func(t *testing.T) {
		if _, err := net.LookupHost(host); err == nil {
			t.Fatalf("%s resolves without it: the test proves nothing", host)
		}
		warm(t, connectorFromEnv(t, ""))
		t.Setenv("LAKEBASE_DNS_SERVERS", "")
		if _, err := connectorFromEnv(t, "", func(c *lakebase.Config) { c.ConnectTimeout = time.Second }).Connect(t.Context()); err == nil {
			t.Error("connected without it")
		}
	})
	t.Run("LAKEBASE_PG_URL", func(t *testing.T) {
		t.Setenv("LAKEBASE_PG_URL", "postgres://u:p@127.0.0.1:1/db")
		before := s.Stats().APICalls
		if _, err := connectorFromEnv(t, "").Connect(within(t, 5*time.Second)); err == nil {
			t.Error("connected to port 1")
		}
		if n := s.Stats().APICalls - before; n != 0 {
			t.Errorf("%d calls to the workspace", n)
		}
	})
	t.Run("DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET", func(t *testing.T) {
		id, secret := s.ServicePrincipal()
		createRole(t, id, "SERVICE_PRINCIPAL")
		t.Setenv("DATABRICKS_TOKEN", "")
		t.Setenv("DATABRICKS_AUTH_TYPE", "")
		t.Setenv("DATABRICKS_CLIENT_ID", id)
		t.Setenv("DATABRICKS_CLIENT_SECRET", secret)
		c := connectorFromEnv(t, "")
		conn, err := c.Connect(within(t, 20*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		same(t, "user", one[string](t, conn, "select current_user::text"), id)
	})
	t.Run("~/.databrickscfg and DATABRICKS_CONFIG_PROFILE", func(t *testing.T) {
		file := filepath.Join(os.Getenv("HOME"), ".databrickscfg")
		profile := "[here]\nhost = " + s.WorkspaceURL() + "\ntoken = " + s.Token() + "\n"
		if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_AUTH_TYPE"} {
			t.Setenv(name, "")
		}
		t.Setenv("DATABRICKS_CONFIG_PROFILE", "here")
		warm(t, connectorFromEnv(t, ""))
	})
}

// createRole makes an OAuth role as the service's documentation says.
func createRole(t *testing.T, identity, kind string) {
	t.Helper()
	conn, err := connectorFromEnv(t, "").Connect(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "create extension if not exists databricks_auth"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "select databricks_create_role($1, $2)", identity, kind); err != nil {
		t.Fatal(err)
	}
}
