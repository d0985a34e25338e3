package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/proxy"
)

// Where a client locks a relation, PostgreSQL waits before it shows the definition of a
// view or of a function that uses it. No client of the proxy waits with it, and what
// cannot be read counts as unknown.
func TestScanDoesNotWaitForLocks(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	exec(t, direct, "CREATE TABLE locked (x int)")
	exec(t, direct, "CREATE VIEW v AS SELECT set_config('app.v', x::text, false) FROM locked")
	exec(t, direct, "CREATE FUNCTION counted() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM locked; END")
	exec(t, direct, "CREATE FUNCTION replaced() RETURNS text LANGUAGE sql AS 'SELECT 1::text'")
	want := look(t, direct, "current_setting('work_mem')")
	known, other := r.connect(), r.connect()
	exec(t, known, "SELECT replaced()")

	exec(t, direct, "BEGIN; LOCK TABLE locked")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, text := range []string{
		"CREATE OR REPLACE FUNCTION replaced() RETURNS text LANGUAGE sql AS 'SELECT set_config(''work_mem'', ''7MB'', false)'",
		"SELECT replaced()",
	} {
		if _, err := known.Exec(ctx, text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	if got := look(t, other, "current_setting('work_mem')"); got != want {
		t.Errorf("another client has work_mem %s, want %s", got, want)
	}
	if got := look(t, known, "current_setting('work_mem')"); got != "7MB" {
		t.Errorf("the client has work_mem %s, want 7MB", got)
	}
	exec(t, direct, "ROLLBACK")
}
