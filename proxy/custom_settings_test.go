package proxy_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy"
)

// A client keeps its settings however many it makes, until it discards them, and no
// other client sees one.
func TestAnyNumberOfCustomSettings(t *testing.T) {
	t.Parallel()
	connector := newConnector(t, leaseInstance(t))
	r := start(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 2, Targets: map[string]*lakebase.Connector{"shop": connector}})
	want := customSettings(t, func() *pgx.Conn { return connectTo(t, connector) })
	if got := customSettings(t, func() *pgx.Conn { return connect(t, r.url("shop", "&options=-c%20app.k1%3Dat-connect")) }); got != want {
		t.Errorf("through the proxy: %s\ndirect:            %s", got, want)
	}
	if got := look(t, r.connect(), "coalesce(current_setting('app.k7', true), '')"); got != "" {
		t.Errorf("another client finds %q", got)
	}
}

// customSettings returns what a client sees that makes many settings.
func customSettings(t *testing.T, connectOne func() *pgx.Conn) (seen string) {
	conn := connectOne()
	for i := range 200 {
		exec(t, conn, fmt.Sprintf("SET app.k%d = %d", i, i))
	}
	const all = "(SELECT string_agg(coalesce(current_setting('app.k' || i, true), ''), ' ' ORDER BY i) FROM generate_series(1, 250) i)"
	seen = look(t, conn, all)
	if _, err := conn.Exec(t.Context(), "SET app.k1 = 'changed'; SET work_mem = '7MB'", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	seen += look(t, conn, all) + look(t, conn, "current_setting('work_mem')")
	exec(t, conn, "RESET work_mem")
	seen += look(t, conn, "current_setting('app.k1') || current_setting('work_mem')")
	if err := conn.DeallocateAll(t.Context()); err != nil { // so that it does not use what is discarded
		t.Fatal(err)
	}
	exec(t, conn, "DISCARD ALL")
	exec(t, conn, "SET app.k1 = 'again'")
	exec(t, conn, "SET app.k201 = 'new'")
	return seen + look(t, conn, all)
}
