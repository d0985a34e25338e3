package lakebase_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/local"
)

// products are the targets that everything is tested with: both products,
// each in the spellings that a user would type before the database's name.
var products = []struct{ name, target string }{
	{"provisioned", "my-instance"},
	{"autoscaling endpoint", "projects/my-project/branches/production/endpoints/primary/databases"},
	{"autoscaling project", "projects/my-project/databases"},
	{"a project named as an instance", "my-project"},
}

func TestEveryWayToConnect(t *testing.T) {
	s := start(t, "my-instance", local.Options{})
	for _, product := range products {
		t.Run(product.name, func(t *testing.T) {
			for name, pattern := range patterns {
				t.Run(name, func(t *testing.T) {
					before := s.Stats()
					user, database := pattern(t, product.target+"/databricks_postgres")
					if user != s.User() || database != "databricks_postgres" {
						t.Errorf("logged in as %q to %q, want %q and databricks_postgres", user, database, s.User())
					}
					after := s.Stats()
					if n := after.TokensMinted - before.TokensMinted; n != 1 {
						t.Errorf("%d tokens minted, want 1", n)
					}
					if after.Logins == before.Logins {
						t.Error("no login was seen")
					}
				})
			}
		})
	}
}

const whoami = "select current_user::text, current_database()::text"

// patterns are the ways to connect; each returns the user and database of its
// connection.
var patterns = map[string]func(t *testing.T, target string) (user, database string){
	"Connect": func(t *testing.T, target string) (user, database string) {
		conn, err := lakebase.Connect(within(t, 20*time.Second), target)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		scan(t, conn.QueryRow(t.Context(), whoami), &user, &database)
		return user, database
	},
	"NewPool": func(t *testing.T, target string) (user, database string) {
		pool, err := lakebase.NewPool(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		scan(t, pool.QueryRow(t.Context(), whoami), &user, &database)
		return user, database
	},
	"Connector with background refresh": func(t *testing.T, target string) (user, database string) {
		c := connectorFromEnv(t, target)
		c.StartRefresh()
		defer c.StopRefresh()
		pool, err := c.NewPool(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		scan(t, pool.QueryRow(t.Context(), whoami), &user, &database)
		return user, database
	},
	"NewPoolWithConfig": func(t *testing.T, target string) (user, database string) {
		cfg, err := pgxpool.ParseConfig("")
		if err != nil {
			t.Fatal(err)
		}
		cfg.ConnConfig.Database = ""
		cfg.MaxConns = 2
		cfg.ConnConfig.RuntimeParams["application_name"] = "theirs"
		called := false
		cfg.BeforeConnect = func(_ context.Context, conn *pgx.ConnConfig) error {
			called = true
			conn.RuntimeParams["search_path"] = "theirs_too"
			return nil
		}
		pool, err := connectorFromEnv(t, target).NewPoolWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		scan(t, pool.QueryRow(t.Context(), whoami), &user, &database)
		if !called || pool.Config().MaxConns != 2 {
			t.Errorf("their BeforeConnect ran: %v; MaxConns %d, want 2", called, pool.Config().MaxConns)
		}
		if got := one[string](t, pool, "select current_setting('application_name') || current_setting('search_path')"); got != "theirstheirs_too" {
			t.Errorf("their settings became %q", got)
		}
		return user, database
	},
	"BeforeConnect hook": func(t *testing.T, target string) (user, database string) {
		cfg, err := pgxpool.ParseConfig("")
		if err != nil {
			t.Fatal(err)
		}
		cfg.ConnConfig.Database = ""
		cfg.BeforeConnect = connectorFromEnv(t, target).BeforeConnect
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		scan(t, pool.QueryRow(t.Context(), whoami), &user, &database)
		return user, database
	},
	"OpenDB": func(t *testing.T, target string) (user, database string) {
		db := connectorFromEnv(t, target).OpenDB()
		scan(t, db.QueryRowContext(t.Context(), whoami), &user, &database)
		return user, database
	},
	"Token by hand": func(t *testing.T, target string) (user, database string) {
		c := connectorFromEnv(t, target)
		token, err := c.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// It ends with a second of the clock, after the hour.
		if left := time.Until(token.Expiry()); left < 50*time.Minute || left > time.Hour+time.Second {
			t.Errorf("token expires in %v, want an hour", left)
		}
		conn, err := c.Connect(t.Context()) // the same token: one credential call
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		scan(t, conn.QueryRow(t.Context(), whoami), &user, &database)
		return user, database
	},
}

func scan(t *testing.T, row interface{ Scan(...any) error }, dest ...any) {
	t.Helper()
	if err := row.Scan(dest...); err != nil {
		t.Fatal(err)
	}
}

func TestEverythingSharesOneToken(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	c := connector(t, s, "")
	db := c.OpenDB()
	for range 2 {
		pool, err := c.NewPool(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := pool.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().CredentialCalls; n != 1 {
		t.Errorf("%d credential calls for three pools, want 1", n)
	}
}

func TestNothingIsOpenedBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	c := connector(t, s, "")
	if _, err := c.NewPool(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.OpenDB()
	if n := s.Stats().APICalls; n != 0 {
		t.Errorf("%d API calls before the first query", n)
	}
}

func TestClosedConnectorSaysSo(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	c := connector(t, s, "")
	c.Close()
	c.Close()
	if _, err := c.Connect(t.Context()); err == nil {
		t.Error("a closed Connector connected")
	}
	if _, err := c.NewPool(t.Context()); err == nil {
		t.Error("a closed Connector opened a pool")
	}
	if _, err := c.Token(t.Context()); !errors.Is(err, lakebase.ErrClosed) {
		t.Errorf("a closed Connector answered %v to a request for a token", err)
	}
}

func TestConnectConfigKeepsTheCallersSettings(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	cfg, err := pgx.ParseConfig("dbname=postgres application_name=theirs sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connector(t, s, "").ConnectConfig(within(t, 20*time.Second), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if got := one[string](t, conn, "select current_database() || ' ' || current_setting('application_name')"); got != "postgres theirs" {
		t.Errorf("settings became %q", got)
	}
	if cfg.Password != "" || cfg.TLSConfig != nil {
		t.Error("the caller's configuration was modified")
	}
}
