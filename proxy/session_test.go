package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

func runPsql(t *testing.T, args ...string) string {
	t.Helper()
	cmd := osexec.CommandContext(t.Context(), "psql", append([]string{"-X", "-At"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PGCONNECT_TIMEOUT=30"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return string(out)
}

func TestPsqlConnects(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	out := runPsql(t, "-d", r.url("shop", ""), "-c", "SELECT 1", "-c", `\copy (SELECT generate_series(1,3)) TO STDOUT`, "-c", "SELECT current_user")
	if want := "1\n1\n2\n3\ndev@example.com\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestUnixSocketAcceptsItsOwner(t *testing.T) {
	t.Parallel()
	parent, err := os.MkdirTemp("", "px") // the test's own is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	dir := filepath.Join(parent, "run")
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode, UnixSocketDir: dir})
	_, port, _ := net.SplitHostPort(r.Addr().String())
	if out := runPsql(t, "-h", dir, "-p", port, "-U", "me", "-d", "shop", "-c", "SELECT 2"); out != "2\n" {
		t.Error(out)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info.Mode(), err)
	}
}

func TestUnixDirectoryOpenToOthersIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := proxy.New(proxy.Config{PoolMode: proxy.SessionMode, UnixSocketDir: dir, Targets: map[string]*lakebase.Connector{"a": newConnector(t, "my-instance")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err == nil || !strings.Contains(err.Error(), "0700") {
		t.Error(err)
	}
	if s.Addr() != nil {
		wantClosed(t, s.Addr().String())
	}
}

// wantClosed sees that nobody listens at addr. A process that another test
// starts has a copy of each socket until it is executed, and so may keep one
// open for a moment.
func wantClosed(t *testing.T, addr string) {
	t.Helper()
	testkit.Eventually(t, "nobody listens at "+addr, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// The slot of a lost server connection is free before its client has read its last
// message.
func TestLostServerConnectionFreesItsSlot(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.SessionMode, MaxTargetConnections: 1})
	for range 5 { // on a busy machine the client may be gone before anybody looks
		slow := r.loggedIn()
		terminate(t, direct, r.pids()...)
		for {
			if _, err := slow.Receive(); err != nil {
				break // it has heard everything, and stays
			}
		}
		testkit.Eventually(t, "the place is free", func() bool { return r.Stats().ServerConns["shop"] == 0 })
		if r.Stats().Clients == 1 {
			return
		}
	}
	t.Error("every time the place was free only when the client had been sent away")
}

func TestQueriesInEveryProtocolMode(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			cfg, err := pgx.ParseConfig(r.url("shop", ""))
			if err != nil {
				t.Fatal(err)
			}
			cfg.DefaultQueryExecMode = mode
			conn, err := pgx.ConnectConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			for i := range 20 {
				if got := one[int](t, conn, "SELECT $1::int + 1", i); got != i+1 {
					t.Fatal(got)
				}
			}
			_, err = conn.Exec(t.Context(), "SELECT 1/0")
			wantCode(t, err, "22012", "division by zero")
			if got := one[string](t, conn, "SELECT repeat('x', 1000000)"); len(got) != 1000000 {
				t.Error(len(got))
			}
		})
	}
}

func TestLargeBatchIsAnsweredInOrder(t *testing.T) {
	t.Parallel()
	conn := start(t, proxy.Config{PoolMode: proxy.SessionMode}).connect()
	var batch pgx.Batch
	for i := range 500 {
		batch.Queue("SELECT $1::int, repeat('y', 1000)", i)
	}
	results := conn.SendBatch(t.Context(), &batch)
	for i := range 500 {
		var n int
		var s string
		if err := results.QueryRow().Scan(&n, &s); err != nil || n != i {
			t.Fatal(i, n, err)
		}
	}
	if err := results.Close(); err != nil {
		t.Fatal(err)
	}
	if one[int](t, conn, "SELECT 7") != 7 {
		t.Error("not usable after a batch")
	}
}

func TestCopyInAndOut(t *testing.T) {
	t.Parallel()
	conn := start(t, proxy.Config{PoolMode: proxy.SessionMode}).connect()
	exec(t, conn, "CREATE TEMP TABLE bulk (line text)")
	line := strings.Repeat("z", 999) + "\n"
	const lines = 20 << 10 // 20 MB
	in := strings.NewReader(strings.Repeat(line, lines))
	if tag, err := conn.PgConn().CopyFrom(t.Context(), in, "COPY bulk FROM STDIN"); err != nil || tag.RowsAffected() != lines {
		t.Fatal(tag, err)
	}
	var out bytes.Buffer
	if _, err := conn.PgConn().CopyTo(t.Context(), &out, "COPY bulk TO STDOUT"); err != nil || out.Len() != lines*len(line) {
		t.Fatal(out.Len(), err)
	}
	// A copy that the server refuses midway leaves the session usable.
	_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("a\tb\n"), "COPY bulk FROM STDIN")
	wantCode(t, err, "22P04", "")
	if one[int](t, conn, "SELECT count(*) FROM bulk") != lines {
		t.Error("rows are missing")
	}
}

func TestListenerGetsNotifications(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	listener, sender := r.connect(), r.connect()
	exec(t, listener, "LISTEN greetings")
	exec(t, sender, "NOTIFY greetings, 'hello'")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n, err := listener.WaitForNotification(ctx)
	if err != nil || n.Payload != "hello" {
		t.Fatal(n, err)
	}
}

func TestParametersReachTheServer(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	conn := connect(t, r.url("shop", "&application_name=till&timezone=Asia/Tokyo&options=-c%20statement_timeout%3D4321%20-c%20work_mem%3D5MB"))
	for setting, want := range map[string]string{"application_name": "till", "TimeZone": "Asia/Tokyo", "statement_timeout": "4321ms", "work_mem": "5MB"} {
		if got := one[string](t, conn, "SELECT current_setting($1)", setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if got := conn.PgConn().ParameterStatus("TimeZone"); got != "Asia/Tokyo" {
		t.Errorf("the client was told %q", got)
	}
	refused(t, r.url("shop", "&options=-c%20no_such_setting%3D1"), "42704", "no_such_setting")
}

func TestCancelRequestCancelsItsQuery(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	conn, other := r.connect(), r.connect()
	pid := one[int](t, conn, "SELECT pg_backend_pid()")
	if told := conn.PgConn().PID(); told != uint32(pid) {
		t.Errorf("the client was told the process ID %d, but SQL says %d", told, pid)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_sleep(60)")
		failed <- err
	}()
	waitActive(t, other, pid)
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-failed, "57014", "canceling statement")
	if one[int](t, conn, "SELECT 1") != 1 || r.Stats().Canceled != 1 {
		t.Error("canceled", r.Stats().Canceled)
	}
}

func TestCancelWithAnUnknownKeyHitsNobody(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	conn := r.connect()
	cancel := &pgproto3.CancelRequest{ProcessID: conn.PgConn().PID(), SecretKey: []byte("nope")}
	packet, err := cancel.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	raw := r.dial()
	raw.Write(packet)
	if rest, err := io.ReadAll(raw); err != nil || len(rest) != 0 {
		t.Errorf("answered %q, %v", rest, err)
	}
	if r.Stats().Canceled != 0 || one[int](t, conn, "SELECT 1") != 1 {
		t.Error("it was passed on")
	}
}

// waitActive waits until a backend runs a statement.
func waitActive(t *testing.T, conn *pgx.Conn, pid int) {
	t.Helper()
	testkit.Eventually(t, "statement runs", func() bool {
		return one[bool](t, conn, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query LIKE '%pg_sleep%'", pid)
	})
}

// The query of a client that vanishes is canceled.
func TestQueryOfAVanishedSessionIsCanceled(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	conn, other := r.connect(), r.connect()
	pid := one[int](t, conn, "SELECT pg_backend_pid()")
	go conn.PgConn().Exec(context.Background(), "SELECT pg_sleep(60)").Close()
	waitActive(t, other, pid)
	conn.PgConn().Conn().Close()
	testkit.Eventually(t, "backend ends", func() bool {
		return one[int](t, other, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid) == 0
	})
}

// A client that has sent Terminate and closed its side still gets its answers.
func TestClientThatClosedItsSideGetsItsAnswers(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	raw := r.dial()
	front := pgproto3.NewFrontend(raw, raw)
	login(t, front, map[string]string{"user": "me", "database": "shop"})
	front.Send(&pgproto3.Query{String: "SELECT pg_sleep(0.2), repeat('x', 300000)"})
	front.Send(&pgproto3.Terminate{})
	if err := front.Flush(); err != nil {
		t.Fatal(err)
	}
	raw.(*net.TCPConn).CloseWrite()
	rest, err := io.ReadAll(raw)
	if err != nil || len(rest) < 300000 || !bytes.Contains(rest, []byte("SELECT 1\x00")) {
		t.Errorf("%d bytes, %v", len(rest), err)
	}
}

// login sends a startup packet and reads up to ReadyForQuery. It returns what the
// server reports of itself.
func login(t testing.TB, front *pgproto3.Frontend, parameters map[string]string) (reported map[string]string) {
	t.Helper()
	reported = map[string]string{}
	front.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: parameters})
	if err := front.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := front.Receive()
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			return reported
		case *pgproto3.ParameterStatus:
			reported[m.Name] = m.Value
		case *pgproto3.ErrorResponse:
			t.Fatal(m.Code, m.Message)
		}
	}
}

func TestDatabaseNameChoosesTheTarget(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{
			PoolMode:      mode,
			Targets:       map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance"), "second": newConnector(t, "fragile")},
			DefaultTarget: "shop",
		})
		where := "SELECT current_database() || ' ' || pg_postmaster_start_time()"
		first, second := one[string](t, connect(t, r.url("shop", "")), where), one[string](t, connect(t, r.url("second", "")), where)
		if first == second {
			t.Fatal("both targets lead to the same server")
		}
		other := func(at string) string { return strings.Replace(at, "databricks_postgres", "postgres", 1) }
		for name, want := range map[string]string{"databricks_postgres": first, "postgres": other(first), "shop/postgres": other(first), "second/postgres": other(second)} {
			if got := one[string](t, connect(t, r.url(strings.ReplaceAll(name, "/", "%2F"), "")), where); got != want {
				t.Errorf("%s leads to %q, want %q", name, got, want)
			}
		}
		refused(t, r.url("nowhere", ""), "3D000", `database "nowhere" does not exist`)
		testkit.Eventually(t, "there is no pool of a database that does not exist", func() bool {
			return !slices.ContainsFunc(r.Pools(), func(p snapshot.Pool) bool { return p.Database == "nowhere" })
		})
	})
}

func TestUnknownTargetIsRefusedWithoutADefault(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode, Targets: map[string]*lakebase.Connector{"a": newConnector(t, "my-instance"), "b": newConnector(t, "fragile")}})
	if e := refused(t, r.url("c", ""), "3D000", `"c"`); !strings.Contains(e.Hint, "TARGET/DATABASE") {
		t.Error(e.Hint)
	}
}

func TestReplicationGetsAServerConnectionOfItsOwn(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	raw := r.dial()
	front := pgproto3.NewFrontend(raw, raw)
	front.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30,
		Parameters: map[string]string{"user": "me", "database": "shop", "replication": "database"}})
	if err := front.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := front.Receive()
		if err != nil {
			t.Fatal(err)
		}
		// The role may not have the privilege: then the server says so, which shows that it was asked.
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			if e.Code != "42501" && e.Code != "28000" {
				t.Fatal(e.Code, e.Message)
			}
			return
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	front.Send(&pgproto3.Query{String: "IDENTIFY_SYSTEM"})
	if err := front.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := front.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if tag, ok := m.(*pgproto3.CommandComplete); ok && string(tag.CommandTag) == "IDENTIFY_SYSTEM" {
			return
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			t.Fatal(e.Message)
		}
	}
}

func TestIdleSessionGetsTheErrorOfItsServer(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	conn, other := r.connect(), r.connect()
	exec(t, other, "SELECT pg_terminate_backend("+strconv.Itoa(one[int](t, conn, "SELECT pg_backend_pid()"))+")")
	m, err := conn.PgConn().Frontend().Receive()
	if e, ok := m.(*pgproto3.ErrorResponse); err != nil || !ok || e.Code != "57P01" {
		t.Fatalf("%#v, %v", m, err)
	}
	testkit.Eventually(t, "the loss is counted", func() bool { return r.Stats().Lost == 1 })
}

func TestQueryGetsTheErrorOfItsServer(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	conn, other := r.connect(), r.connect()
	pid := one[int](t, conn, "SELECT pg_backend_pid()")
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_sleep(60)")
		failed <- err
	}()
	waitActive(t, other, pid)
	exec(t, other, "SELECT pg_terminate_backend("+strconv.Itoa(pid)+")")
	wantCode(t, <-failed, "57P01", "administrator command")
}

// When the server sends no error, the proxy does.
func TestClientGetsAnErrorWhenItsServerConnectionBreaks(t *testing.T) {
	t.Parallel()
	cut := newInstance(t)
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode, Targets: map[string]*lakebase.Connector{"shop": newConnector(t, cut)}})
	conn, other := r.connect(), r.connect()
	pid := one[int](t, conn, "SELECT pg_backend_pid()")
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_sleep(60)")
		failed <- err
	}()
	waitActive(t, other, pid)
	if upstreamServer.CloseConnections(cut) == 0 {
		t.Fatal("there was nothing to cut")
	}
	wantCode(t, <-failed, "08006", "lost")
	m, err := other.PgConn().Frontend().Receive()
	if e, ok := m.(*pgproto3.ErrorResponse); err != nil || !ok || e.Code != "08006" {
		t.Fatalf("%#v, %v", m, err)
	}
}

func TestIdleTimeoutEndsIdleSessions(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode, ClientIdleTimeout: 300 * time.Millisecond})
	conn, busy := r.connect(), r.connect()
	exec(t, busy, "BEGIN")
	front := conn.PgConn().Frontend()
	m, err := front.Receive()
	if e, ok := m.(*pgproto3.ErrorResponse); err != nil || !ok || e.Code != "57P05" {
		t.Fatalf("%#v, %v", m, err)
	}
	exec(t, busy, "SELECT pg_sleep(0.7)")
	exec(t, busy, "COMMIT")
}

func TestDrainWaitsForTransactions(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	idle, busy := r.connect(), r.connect()
	exec(t, idle, "SELECT 1")
	exec(t, busy, "BEGIN")
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		ended <- r.Shutdown(ctx)
	}()
	m, err := idle.PgConn().Frontend().Receive()
	if e, ok := m.(*pgproto3.ErrorResponse); err != nil || !ok || e.Code != "57P01" {
		t.Fatalf("%#v, %v", m, err)
	}
	wantClosed(t, r.Addr().String())
	exec(t, busy, "SELECT 1")
	select {
	case err := <-ended:
		t.Fatal("ended with a transaction open:", err)
	default:
	}
	exec(t, busy, "COMMIT")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestShutdownEndsTransactionsAfterItsDeadline(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode})
	conn := r.connect()
	failed := make(chan error, 1)
	pid := one[int](t, conn, "SELECT pg_backend_pid()")
	other := connectDirect(t)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_sleep(60)")
		failed <- err
	}()
	waitActive(t, other, pid)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	wantCode(t, <-failed, "57P01", "shutting down")
	testkit.Eventually(t, "backend ends", func() bool {
		return one[int](t, other, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid) == 0
	})
}

// connectDirect connects without a proxy.
func connectDirect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := newConnector(t, "my-instance").Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// Clients that connect before load balancers have turned away are served.
func TestClientsAreServedDuringTheDrainDelay(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode, DrainDelay: time.Minute})
		idle := r.connect()
		ctx, hurry := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Shutdown(ctx) }()
		exec(t, idle, "SELECT 1")
		late := r.connect()
		exec(t, late, "SELECT pg_sleep(0.3)")
		select {
		case err := <-ended:
			t.Fatal("ended without a delay:", err)
		default:
		}
		hurry() // ends the delay, too
		for _, conn := range []*pgx.Conn{idle, late} {
			m, err := conn.PgConn().Frontend().Receive()
			if e, ok := m.(*pgproto3.ErrorResponse); err != nil || !ok || e.Code != "57P01" {
				t.Fatalf("%#v, %v", m, err)
			}
		}
		<-ended

		r = start(t, proxy.Config{PoolMode: mode, DrainDelay: 50 * time.Millisecond})
		idle = r.connect()
		go func() { ended <- r.Shutdown(context.Background()) }()
		m, err := idle.PgConn().Frontend().Receive()
		if e, ok := m.(*pgproto3.ErrorResponse); err != nil || !ok || e.Code != "57P01" {
			t.Fatalf("%#v, %v", m, err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Variables for psql have no effect on the proxy's own connections.
func TestVariablesForPsqlHaveNoEffect(t *testing.T) {
	client, err := pgx.ParseConfig("host=localhost sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"PGSERVICE": "nowhere", "PGSSLCERT": "/nowhere/client.pem", "PGSSLNEGOTIATION": "direct", "PGTARGETSESSIONATTRS": "standby",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			addr := start(t, proxy.Config{}).Addr().(*net.TCPAddr)
			cfg := client.Copy() // read before the variable was set
			cfg.Host, cfg.Port, cfg.User, cfg.Database = addr.IP.String(), uint16(addr.Port), "anyone", "shop"
			conn, err := pgx.ConnectConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			if n := one[int](t, conn, "select 1"); n != 1 {
				t.Errorf("got %d", n)
			}
		})
	}
}
