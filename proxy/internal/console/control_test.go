package console_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy/internal/console"
)

// Each command of the help that controls is called with the database that its
// argument names, in any spelling.
func TestControlCommandsReachTheProxy(t *testing.T) {
	t.Parallel()
	proxy := &fake{}
	conn := start(t, proxy).connect()
	for sql, want := range map[string]string{
		"PAUSE":                     "pause",
		"pause shop;":               "pause shop/",
		"RESUME shop/postgres":      "resume shop/postgres",
		`RECONNECT "shop/a b"`:      "reconnect shop/a b",
		"WAIT_CLOSE 'shop'":         "wait close shop/",
		"KILL my-instance/db.x":     "kill my-instance/db.x",
		"KILL_CLIENT 17":            "kill client 17",
		"KILL_CLIENT -2":            "kill client 4294967294",
		"DISABLE shop":              "disable shop/",
		"ENABLE shop -- again":      "enable shop/",
		"SHUTDOWN":                  fmt.Sprint("shutdown ", console.WaitForNothing),
		"SHUTDOWN wait_for_servers": fmt.Sprint("shutdown ", console.WaitForServers),
		"SHUTDOWN WAIT_FOR_CLIENTS": fmt.Sprint("shutdown ", console.WaitForClients),
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		var got []string
		testkit.Eventually(t, sql+" reaches the proxy", func() bool { // SHUTDOWN does after its answer
			got = append(got, proxy.recorded()...)
			return len(got) > 0
		})
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%s: called %q, want %q", sql, got, want)
		}
	}
	for sql, want := range map[string]struct{ code, text string }{
		"RELOAD":             {"F0000", "the file is gone"},
		"PAUSE unknown":      {"3D000", "no target"},
		"PAUSE pgbouncer":    {"42809", "cannot be controlled"},
		"PAUSE a b":          {"42601", "want PAUSE [db]"},
		"DISABLE":            {"42601", "want DISABLE db"},
		"DISABLE ''":         {"42601", "want DISABLE db"},
		"KILL_CLIENT ann":    {"22P02", "no client's id"},
		"SHUTDOWN some time": {"42601", "want SHUTDOWN"},
		"SHUTDOWN later":     {"42601", `cannot wait for "later"`},
	} {
		_, err := conn.Exec(t.Context(), sql)
		wantCode(t, err, want.code, want.text)
	}
}

// PAUSE that is canceled, or whose client disconnects, is taken back.
func TestCanceledPauseResumes(t *testing.T) {
	t.Parallel()
	for name, cancel := range map[string]func(r *rig, conn *pgx.Conn) error{
		"cancel request": func(_ *rig, conn *pgx.Conn) error { return conn.PgConn().CancelRequest(t.Context()) },
		"disconnect":     func(_ *rig, conn *pgx.Conn) error { return conn.PgConn().Conn().Close() },
		"end": func(r *rig, _ *pgx.Conn) error {
			r.end(&pgwire.Error{Code: "57P01", Message: "the proxy is shutting down"})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := &fake{paused: make(chan struct{})}
			r := start(t, proxy)
			conn := r.connect()
			done := make(chan error, 1)
			go func() {
				_, err := conn.Exec(context.Background(), "PAUSE shop")
				done <- err
			}()
			<-proxy.paused
			if err := cancel(r, conn); err != nil {
				t.Fatal(err)
			}
			err := <-done
			switch name {
			case "cancel request":
				if e := wantCode(t, err, "57014", "user request"); !strings.Contains(e.Detail, "2 server connections") {
					t.Errorf("detail %q", e.Detail)
				}
				one[int](t, conn, "SELECT 1") // the session goes on
			case "end":
				wantCode(t, err, "57P01", "shutting down")
			}
			var calls []string
			testkit.Eventually(t, "the pause is taken back", func() bool {
				calls = append(calls, proxy.recorded()...)
				return slices.Equal(calls, []string{"pause shop/", "resume shop/"})
			})
		})
	}
}

// Access is checked for each command, and before a session begins.
func TestAccessIsChecked(t *testing.T) {
	t.Parallel()
	proxy := &fake{watcher: "watcher", barred: "worker"}
	r := start(t, proxy)
	watcher := r.connectAs("watcher", pgx.QueryExecModeSimpleProtocol)
	if _, err := watcher.Exec(t.Context(), "SHOW STATE"); err != nil {
		t.Error(err)
	}
	_, err := watcher.Exec(t.Context(), "PAUSE")
	wantCode(t, err, "42501", "needs an admin")
	if calls := proxy.recorded(); calls != nil {
		t.Errorf("%q was called", calls)
	}
	_, err = pgx.Connect(t.Context(), fmt.Sprintf("postgres://worker@%s/pgbouncer?sslmode=disable", r.address))
	wantCode(t, err, "42501", `"worker" may not use`)
}

// Sessions are limited, and one that ends makes room.
func TestSessionsAreLimited(t *testing.T) {
	t.Parallel()
	r := start(t, &fake{})
	conns := make([]*pgx.Conn, 64)
	for i := range conns {
		conns[i] = r.connect()
	}
	url := fmt.Sprintf("postgres://me@%s/pgbouncer?sslmode=disable", r.address)
	_, err := pgx.Connect(t.Context(), url)
	wantCode(t, err, "53300", "maximum of 64 clients")
	if err := conns[0].Close(t.Context()); err != nil {
		t.Error(err)
	}
	testkit.Eventually(t, "there is room again", func() bool { return r.console.Sessions() < 64 })
	r.connect()
}
