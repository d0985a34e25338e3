package proxy_test

import (
	"testing"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

const whoAmI = "SELECT COALESCE(current_setting('app.me', true), '')"

// What a function sets for the session is its client's alone, also if the
// function has just been defined by another client.
func TestSettingsByFunctionsStayWithTheirClient(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	first, second := r.connect(), r.connect()
	if got := one[string](t, first, whoAmI); got != "" {
		t.Fatalf("app.me is %q before anything has set it", got)
	}
	exec(t, direct, "CREATE FUNCTION login(me text) RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('app.me', me, false); END$$")
	r.RereadFunctions()
	exec(t, first, "SELECT login('ann')")
	exec(t, second, "SELECT login('bob')")
	third := r.connect()
	for range 3 {
		if a, b, c := one[string](t, first, whoAmI), one[string](t, second, whoAmI), one[string](t, third, whoAmI); a != "ann" || b != "bob" || c != "" {
			t.Fatalf("clients see %q, %q and %q", a, b, c)
		}
	}
	exec(t, third, "CREATE FUNCTION note() RETURNS void LANGUAGE plpgsql AS $$BEGIN CREATE TEMP TABLE noted AS SELECT 1 AS x; END$$")
	exec(t, third, "SELECT note()")
	testkit.Eventually(t, "the temporary table keeps its server connection", func() bool { return r.pool().ServersPinned == 1 })
}

// The sources of trusted functions are not read.
func TestTrustedFunctionsAreNotRead(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1, TrustFunctions: true})
	exec(t, direct, "CREATE FUNCTION note() RETURNS void LANGUAGE plpgsql AS $$BEGIN CREATE TEMP TABLE IF NOT EXISTS noted (x int); END$$")
	exec(t, r.connect(), "SELECT note()")
	exec(t, r.connect(), "SELECT x FROM noted") // by way of the same server connection
}
