package lakebasetest_test

import (
	"testing"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
)

// testQuery is the body of a test. It sets no variables, so that it can run in
// parallel with others.
func testQuery(t *testing.T) {
	t.Parallel()
	server := lakebasetest.New(t)
	cfg := lakebasetest.Config(t, server, "")
	cfg.PoolSize = 2
	c, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pool, err := c.NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var sum int
	if err := pool.QueryRow(t.Context(), "select 1 + 1").Scan(&sum); err != nil || sum != 2 {
		t.Errorf("got %d, %v", sum, err)
	}
}

// Parallel tests use a Config each, in place of Setenv.
func ExampleConfig() {
	_ = func(t *testing.T) {
		t.Run("query", testQuery)
	}
}
