package testdatabases

import (
	"context"
	"log"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

const (
	project  = "projects/my-project"
	template = "lakes_template"
)

// server is the local Lakebase of all tests of the package.
var server *local.Server

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		log.Fatal(err)
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if server, err = local.Start(ctx, local.Options{}); err != nil {
		return 1, err
	}
	defer func() {
		if closeErr := server.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := server.CreateDatabase(ctx, project, template); err != nil {
		return 1, err
	}
	if err := migrate(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// migrate creates the schema in the template. It leaves no connection to it, because
// Postgres copies only a database without any.
func migrate(ctx context.Context) error {
	variables, err := server.Env(project)
	if err != nil {
		return err
	}
	for _, v := range variables {
		if err := os.Setenv(v.Name, v.Value); err != nil {
			return err
		}
	}
	conn, err := lakebase.Connect(ctx, project+"/branches/production/databases/"+template)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, Schema)
	conn.Close(ctx)
	return err
}

// newStore returns a Store in a new database that ends with the test. Tokens are valid in
// it because its template was created by the API; in an empty one of SQL they are refused.
func newStore(t *testing.T) Store {
	t.Helper()
	name := "test_" + strings.ToLower(t.Name())
	execute(t, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE "+template)
	cfg := lakebasetest.Config(t, server, project)
	cfg.Database = name
	connector, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := connector.NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		connector.Close()
		execute(t, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
	})
	return Store{pool}
}

// execute runs one statement in the default database.
func execute(t *testing.T, sql string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it runs after the test, too
	connector, err := lakebase.New(lakebasetest.Config(t, server, project))
	if err != nil {
		t.Fatal(err)
	}
	defer connector.Close()
	conn, err := connector.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}

func TestNamesBeginWithTheDeepest(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	for name, depth := range map[string]int{"Tanganyika": 1470, "Baikal": 1642, "Vostok": 1067} {
		if err := store.Add(t.Context(), name, depth); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := store.Names(t.Context()); err != nil || !slices.Equal(got, []string{"Baikal", "Tanganyika", "Vostok"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

// In a database that it shared, this test would find the lakes of the others.
func TestNamesOfAnEmptyStore(t *testing.T) {
	t.Parallel()
	if got, err := newStore(t).Names(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestLakesAreUnique(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	if err := store.Add(t.Context(), "Baikal", 1642); err != nil {
		t.Fatal(err)
	}
	if err := store.Add(t.Context(), "Baikal", 1642); err == nil {
		t.Error("a lake was added twice")
	}
}
