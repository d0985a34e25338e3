package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

func TestPauseCanBeCanceled(t *testing.T) {
	t.Parallel()
	for name, give := range map[string]func(*testing.T, *pgx.Conn){
		"cancel request": func(t *testing.T, conn *pgx.Conn) {
			if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"disconnect": func(_ *testing.T, conn *pgx.Conn) { conn.PgConn().Conn().Close() },
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
			t.Run(fmt.Sprint(name, mode), func(t *testing.T) {
				t.Parallel()
				r := startPooled(t, proxy.Config{})
				working, waiting := r.connect(), r.connect()
				exec(t, working, "BEGIN")
				operator, observer := r.consoleIn(mode), r.console()
				paused := settled(operator, "PAUSE shop")
				testkit.Eventually(t, "PAUSE has begun", func() bool { return isPaused(t, observer, "shop") })
				answered := settled(waiting, "SELECT 1")
				give(t, operator)
				if err := <-answered; err != nil {
					t.Error("the client that waited:", err)
				}
				err := <-paused
				if isPaused(t, observer, "shop") {
					t.Error("still paused")
				}
				if name == "cancel request" {
					wantCode(t, err, "57014", "user request")
					exec(t, operator, "SHOW STATE") // goes on
				}
				exec(t, working, "COMMIT")
			})
		}
	}
}

// A cancel request that arrives when no command waits does not cancel the next one.
func TestConsoleIgnoresLateCancel(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{})
	one[int](t, r.connect(), "SELECT 1")
	conn := r.console()
	for range 3 {
		if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		exec(t, conn, "PAUSE")
		exec(t, conn, "RESUME")
	}
}

// PAUSE does not wait for a login that fails meanwhile.
func TestPauseEndsWhenALoginFails(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{})
	// The database does not exist, which the server finds out.
	for i := range 10 {
		go func() {
			conn, err := pgx.Connect(context.Background(), r.url(fmt.Sprintf("absent%d", i), ""))
			if err == nil {
				conn.Close(context.Background())
			}
		}()
	}
	conn := r.console()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, "PAUSE"); err != nil {
		t.Error(err)
	}
	exec(t, conn, "RESUME")
}

func TestReconnectReplacesServerConnections(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{})
	working, other := r.connect(), r.connect()
	exec(t, working, "BEGIN")
	held := one[int](t, working, "SELECT pg_backend_pid()")
	idle := one[int](t, other, "SELECT pg_backend_pid()")
	operator, observer := r.console(), r.console()
	exec(t, operator, "RECONNECT")
	_, rows := rowsOf(t, observer, "SHOW SERVERS")
	if only(t, rows, "remote_pid", int64(held))["close_needed"] != int64(1) {
		t.Error("the server connection in use is not marked to be closed")
	}
	if now := one[int](t, other, "SELECT pg_backend_pid()"); now == idle {
		t.Error("an idle server connection was used again")
	}
	if now := one[int](t, working, "SELECT pg_backend_pid()"); now != held {
		t.Error("an open transaction has lost its server connection")
	}
	closed := settled(operator, "WAIT_CLOSE")
	if _, rows := rowsOf(t, observer, "SHOW STATE"); len(rows) == 0 || !pending(closed) {
		t.Error("WAIT_CLOSE does not wait for the transaction")
	}
	exec(t, working, "COMMIT")
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if now := one[int](t, working, "SELECT pg_backend_pid()"); now == held {
		t.Error("a server connection was used again after its transaction")
	}
}

func TestKillDisconnectsClientsOfTheDatabaseOnly(t *testing.T) {
	t.Parallel()
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		r := start(t, proxy.Config{PoolMode: mode})
		working := r.connect()
		exec(t, working, "BEGIN")
		spared := connect(t, r.url("postgres", ""))
		exec(t, spared, "BEGIN")
		exec(t, r.console(), "KILL shop/shop")
		if _, err := working.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Errorf("%s mode: a killed client goes on", mode)
		}
		exec(t, spared, "COMMIT")
		one[int](t, r.connect(), "SELECT 1")
		_, err := r.console().Exec(t.Context(), "KILL shop/nothing")
		wantCode(t, err, "3D000", "no pool")
	}
}

func TestKillClientDisconnectsOneClient(t *testing.T) {
	t.Parallel()
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		for _, state := range []string{"idle", "in a transaction", "working"} {
			r := start(t, proxy.Config{PoolMode: mode})
			victim, bystander := r.connect(), r.connect()
			done := make(chan error, 1)
			switch state {
			case "idle":
				close(done)
			case "in a transaction":
				exec(t, victim, "BEGIN")
				close(done)
			case "working":
				done = settled(victim, "SELECT pg_sleep(60)")
				testkit.Eventually(t, "the query runs", func() bool {
					return one[int](t, bystander, "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'") > 0
				})
			}
			conn := r.console()
			exec(t, conn, fmt.Sprintf("KILL_CLIENT %d", victim.PgConn().PID()))
			err := <-done
			if state != "working" {
				testkit.Eventually(t, "the client has ended", func() bool {
					_, err = victim.Exec(context.Background(), "SELECT 1")
					return err != nil
				})
			}
			var e *pgconn.PgError
			if errors.As(err, &e) && (e.Code != "57P01" || !strings.Contains(e.Message, "console")) {
				t.Errorf("%s mode, %s: %v", mode, state, err)
			} else if state == "working" && e == nil {
				t.Errorf("%s mode, %s: the client got no error: %v", mode, state, err)
			}
			one[int](t, bystander, "SELECT 1")
			_, err = conn.Exec(t.Context(), "KILL_CLIENT 1")
			wantCode(t, err, "42704", "no client has the id 1")
			_, err = conn.Exec(t.Context(), "KILL_CLIENT me")
			wantCode(t, err, "22P02", `"me"`)
		}
	}
}

func TestDisableRefusesNewClients(t *testing.T) {
	t.Parallel()
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		r := start(t, proxy.Config{PoolMode: mode})
		old := r.connect()
		conn := r.console()
		exec(t, conn, "DISABLE shop")
		refused(t, r.url("shop", ""), "55000", "disabled")
		refused(t, r.url("shop/postgres", ""), "55000", "disabled")
		one[int](t, old, "SELECT 1")
		exec(t, conn, "ENABLE shop/postgres")
		one[int](t, connect(t, r.url("shop/postgres", "")), "SELECT 1")
		refused(t, r.url("shop", ""), "55000", "disabled")
		exec(t, conn, "ENABLE shop")
		one[int](t, r.connect(), "SELECT 1")
		_, err := conn.Exec(t.Context(), "DISABLE")
		wantCode(t, err, "42601", "DISABLE db")
		_, err = conn.Exec(t.Context(), "DISABLE pgbouncer")
		wantCode(t, err, "42809", "console")
	}
}

func TestControlInSessionModeIsRefused(t *testing.T) {
	t.Parallel()
	conn := start(t, proxy.Config{PoolMode: proxy.SessionMode}).console()
	for _, command := range []string{"PAUSE", "RESUME", "RECONNECT", "WAIT_CLOSE"} {
		_, err := conn.Exec(t.Context(), command)
		wantCode(t, err, "55000", "session mode")
	}
}

func TestReloadCallsOnReload(t *testing.T) {
	t.Parallel()
	_, err := start(t, proxy.Config{}).console().Exec(t.Context(), "RELOAD")
	wantCode(t, err, "0A000", "configuration")

	results := make(chan error, 2)
	results <- nil
	results <- errors.New("line 7 of the file is wrong")
	conn := start(t, proxy.Config{OnReload: func() error { return <-results }}).console()
	exec(t, conn, "RELOAD")
	_, err = conn.Exec(t.Context(), "RELOAD;")
	wantCode(t, err, "F0000", "line 7")
	if len(results) != 0 {
		t.Error("RELOAD has not been called twice")
	}
	_, rows := rowsOf(t, conn, "SHOW CONFIG")
	if only(t, rows, "key", "max_client_conn")["changeable"] != "yes" || only(t, rows, "key", "listen")["changeable"] != "no" {
		t.Error("SHOW CONFIG does not show what RELOAD may change")
	}
}

func TestShutdownCommandWaitsForItsArgument(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
		t.Run("now"+mode.String(), func(t *testing.T) {
			t.Parallel()
			r := startPooled(t, proxy.Config{})
			working := r.connect()
			exec(t, working, "BEGIN")
			exec(t, r.consoleIn(mode), "SHUTDOWN") // has its answer before it ends
			isServed(t, r)
			_, err := working.Exec(context.Background(), "SELECT 1")
			wantCode(t, err, "57P01", "shutting down")
		})
		t.Run("when transactions have ended"+mode.String(), func(t *testing.T) {
			t.Parallel()
			r := startPooled(t, proxy.Config{})
			working, idle := r.connect(), r.connect()
			exec(t, working, "BEGIN")
			exec(t, r.consoleIn(mode), "SHUTDOWN WAIT_FOR_SERVERS")
			testkit.Eventually(t, "an idle client is ended", func() bool { return idle.Ping(context.Background()) != nil })
			if !pending(r.served) {
				t.Fatal("the proxy has not waited for a transaction")
			}
			exec(t, working, "COMMIT")
			isServed(t, r)
		})
		t.Run("when clients have left"+mode.String(), func(t *testing.T) {
			t.Parallel()
			r := startPooled(t, proxy.Config{})
			idle := r.connect()
			addr := r.Addr().String()
			conn := r.consoleIn(mode)
			exec(t, conn, "SHUTDOWN WAIT_FOR_CLIENTS")
			wantClosed(t, addr)
			one[int](t, idle, "SELECT 1") // as long as it likes
			_, rows := rowsOf(t, conn, "SHOW STATE")
			if only(t, rows, "key", "stopping")["value"] != "yes" {
				t.Error(rows)
			}
			idle.Close(t.Context())
			isServed(t, r)
		})
	}
	conn := start(t, proxy.Config{}).console()
	_, err := conn.Exec(t.Context(), "SHUTDOWN whenever")
	wantCode(t, err, "42601", "whenever")
}

// isServed waits for Serve to end.
func isServed(t *testing.T, r *rig) {
	t.Helper()
	testkit.Eventually(t, "Serve has ended", func() bool { return !pending(r.served) })
}

func TestConsoleSessionsEndAtDrain(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{})
	working := r.connect()
	exec(t, working, "BEGIN")
	idle, pausing := r.console(), r.console()
	observer := r.console()
	paused := settled(pausing, "PAUSE")
	testkit.Eventually(t, "PAUSE has begun", func() bool { return isPaused(t, observer, "shop") })
	drained := make(chan error, 1)
	go func() { drained <- r.Shutdown(context.Background()) }()
	wantCode(t, <-paused, "57P01", "shutting down")
	testkit.Eventually(t, "consoles end", func() bool { return idle.Ping(context.Background()) != nil })
	exec(t, working, "COMMIT")
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestConsoleOpensWhenTheProxyIsFull(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{MaxClientConn: 2})
	r.connect()
	r.connect()
	refused(t, r.url("shop", ""), "53300", "2 clients")
	testkit.Eventually(t, "the refused client has disconnected, and the console is no client", func() bool { return r.Stats().Clients == 2 })
	conn := r.console()
	_, rows := rowsOf(t, conn, "SHOW LISTS")
	if used := only(t, rows, "list", "used_clients")["items"]; used != int64(3) {
		t.Errorf("%v used clients, want two and the console", used)
	}
	if n := r.Stats().Clients; n != 2 {
		t.Errorf("%d clients, want 2: the console is none", n)
	}
}

func TestConsoleAccessDependsOnTheUser(t *testing.T) {
	t.Parallel()
	users, err := proxy.NewUsers(map[string]string{"boss": "b", "watcher": "w", "worker": "k"})
	if err != nil {
		t.Fatal(err)
	}
	r := startPooled(t, proxy.Config{Users: users, AdminUsers: []string{"boss"}, StatsUsers: []string{"watcher"}})
	as := func(user, password string) string {
		return fmt.Sprintf("postgres://%s:%s@%s/pgbouncer?sslmode=disable", user, password, r.Addr())
	}
	refused(t, as("worker", "k"), "42501", `"worker" may not use`)
	refused(t, as("boss", "wrong"), "28P01", "password")
	refused(t, as("nobody", "x"), "28P01", "password")
	watcher, boss := connect(t, as("watcher", "w")), connect(t, as("boss", "b"))
	_, help := rowsOf(t, watcher, "SHOW HELP")
	controls := 0
	for _, line := range help {
		command := line["command"].(string)
		command = strings.NewReplacer("[db]", "shop", "db", "shop", " id", " 1", "[WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]", "", "[EXTENDED]", "EXTENDED").Replace(command)
		if strings.HasPrefix(command, "SHOW ") {
			exec(t, watcher, command)
			continue
		}
		controls++
		_, err := watcher.Exec(t.Context(), command)
		wantCode(t, err, "42501", "needs an admin")
	}
	if controls != 10 {
		t.Errorf("%d commands that control, want 10", controls)
	}
	exec(t, watcher, "SET application_name = 'mine'") // changes nothing but the session
	exec(t, boss, "PAUSE")
	exec(t, boss, "RESUME")
	_, rows := rowsOf(t, boss, "SHOW USERS EXTENDED")
	if only(t, rows, "name", "boss")["console"] != "admin" || only(t, rows, "name", "watcher")["console"] != "stats" || only(t, rows, "name", "worker")["console"] != nil {
		t.Errorf("SHOW USERS: %v", rows)
	}
	if !strings.Contains(r.log.String(), "command=PAUSE") {
		t.Error("the log does not have PAUSE")
	}
}

func TestTargetCannotHaveTheConsolesName(t *testing.T) {
	t.Parallel()
	_, err := proxy.New(proxy.Config{Targets: map[string]*lakebase.Connector{"pgbouncer": newConnector(t, "my-instance")}})
	if err == nil || !strings.Contains(err.Error(), "console") {
		t.Error(err)
	}
}
