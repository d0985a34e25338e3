// Package testpostgres starts PostgreSQL servers for tests. Only test files
// import it.
package testpostgres

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// Start starts a server on a new data directory, and removes both at the end of
// the test.
func Start(t testing.TB) *postgres.Server {
	t.Helper()
	return StartWith(t, nil)
}

// StartWith is Start with settings of the server.
func StartWith(t testing.TB, settings map[string]string) *postgres.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	in, err := postgres.Find(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(testkit.OpenDir(t), "data")
	if err := in.CreateCluster(ctx, dir, postgres.ClusterOptions{}); err != nil {
		t.Fatal(err)
	}
	server, err := in.Start(ctx, postgres.StartOptions{DataDir: dir, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}
