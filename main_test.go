package lakebase_test

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

func TestMain(m *testing.M) {
	// The official SDK's metrics library starts this one when it is imported.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
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

// connector makes a Connector from target and the environment, whose log
// lands in the returned buffer's test at the end: no token may be in it.
func connector(t *testing.T, target string, edit ...func(*lakebase.Config)) *lakebase.Connector {
	t.Helper()
	cfg, err := lakebase.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
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
