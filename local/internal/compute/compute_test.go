//go:build unix

package compute

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
)

// testContext limits what a test waits for.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // a busy machine takes long to make a cluster
	t.Cleanup(cancel)
	return ctx
}

// startCompute returns a compute on a new data directory, closed with the test.
func startCompute(t testing.TB, change ...func(*Options)) *Compute {
	t.Helper()
	in, err := postgres.Find(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Installation: in, Dir: filepath.Join(testkit.OpenDir(t), "data")}
	for _, f := range change {
		f(&o)
	}
	c := New(o)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// asAdmin runs SQL that returns one value, if any, as the superuser.
func asAdmin(t testing.TB, c *Compute, sql string) string {
	t.Helper()
	v, err := tryAdmin(t, c, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func tryAdmin(t testing.TB, c *Compute, sql string) (string, error) {
	ctx := testContext(t)
	conn, err := c.Admin(ctx, DefaultDatabase)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	return oneValue(ctx, conn, sql)
}

func oneValue(ctx context.Context, conn *pgx.Conn, sql string) (string, error) {
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return "", err
	}
	last := results[len(results)-1]
	if len(last.Rows) == 0 || len(last.Rows[0]) == 0 {
		return "", nil
	}
	return string(last.Rows[0][0]), nil
}

// loginTo logs in over the compute's socket, as the frontend does.
func loginTo(t testing.TB, c *Compute, user string) (*pgx.Conn, error) {
	t.Helper()
	config, err := pgx.ParseConfig("host=unused sslmode=disable dbname=" + DefaultDatabase)
	if err != nil {
		t.Fatal(err)
	}
	config.User = user
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"unused"}, nil }
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return c.Dial(ctx) }
	conn, err := pgx.ConnectConfig(testContext(t), config)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn, nil
}

func mustLogin(t testing.TB, c *Compute, user string) *pgx.Conn {
	t.Helper()
	conn, err := loginTo(t, c, user)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// wantCode fails the test unless err has the SQLSTATE.
func wantCode(t testing.TB, err error, code string) *pgconn.PgError {
	t.Helper()
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want SQLSTATE %s", err, code)
	}
	return e
}

func TestConcurrentConnectionsWakeOnce(t *testing.T) {
	t.Parallel()
	c := startCompute(t, func(o *Options) { o.WakeDelay = 50 * time.Millisecond })
	if got := c.State(); got != Idle {
		t.Fatalf("state is %s before the first connection", got)
	}
	var wg sync.WaitGroup
	pids := make([]string, 8)
	for i := range pids {
		wg.Go(func() {
			if i%2 == 0 { // half the callers cancel at once
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if _, err := c.Dial(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("dial with a cancelled context: %v", err)
				}
				return
			}
			pids[i], _ = tryAdmin(t, c, "SELECT pg_postmaster_start_time()::text")
		})
	}
	testkit.Eventually(t, "the compute is waking", func() bool { return c.State() == Waking })
	wg.Wait()
	for i := 1; i < len(pids); i += 2 {
		if pids[i] == "" || pids[i] != pids[1] {
			t.Errorf("caller %d reached the server of %q, caller 1 that of %q", i, pids[i], pids[1])
		}
	}
	if got := c.State(); got != Active {
		t.Errorf("state is %s", got)
	}
}

func TestIdleComputeIsSuspended(t *testing.T) {
	t.Parallel()
	c := startCompute(t, func(o *Options) { o.SuspendAfter = 2 * time.Second })
	asAdmin(t, c, "CREATE TABLE kept AS SELECT 42 AS x")
	idle := mustLogin(t, c, postgres.Admin)
	busy := mustLogin(t, c, postgres.Admin)
	for begun := time.Now(); time.Since(begun) < 3*time.Second; time.Sleep(20 * time.Millisecond) {
		if _, err := busy.Exec(testContext(t), "SELECT 1"); err != nil {
			t.Fatalf("suspended while in use: %v", err)
		}
	}
	// No traffic for more than twice the limit, but not idle.
	if _, err := busy.Exec(testContext(t), "SELECT pg_sleep(4.2)"); err != nil {
		t.Fatalf("suspended during a query: %v", err)
	}
	testkit.Eventually(t, "the compute is suspended", func() bool { return c.State() == Idle })
	_, err := idle.WaitForNotification(testContext(t))
	wantCode(t, err, "57P01")
	if got := asAdmin(t, c, "SELECT x FROM kept"); got != "42" {
		t.Errorf("after waking up: %q", got)
	}
}

func TestComputeStopsSuspendsAndSurvivesACrash(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := startCompute(t)
	asAdmin(t, c, "SELECT 1")
	if err := c.Stop(ctx); err != nil || c.State() != Stopped {
		t.Fatal(c.State(), err)
	}
	if _, err := c.Dial(ctx); !errors.Is(err, ErrStopped) {
		t.Errorf("dial of a stopped compute: %v", err)
	}
	if err := c.Suspend(ctx); err != nil || c.State() != Stopped {
		t.Errorf("suspend made a stopped compute %s, %v", c.State(), err)
	}
	if err := c.Wake(ctx); err != nil || c.State() != Active {
		t.Fatal(c.State(), err)
	}
	if err := c.Suspend(ctx); err != nil || c.State() != Idle {
		t.Fatal(c.State(), err)
	}
	asAdmin(t, c, "SELECT 1")

	// It survives a crash of its server.
	conn := mustLogin(t, c, postgres.Admin)
	if err := c.Crash(testContext(t)); err != nil || c.State() != Idle {
		t.Fatal(c.State(), err)
	}
	if _, err := conn.Exec(testContext(t), "SELECT 1"); err == nil {
		t.Error("a session outlived the crash")
	}
	asAdmin(t, c, "SELECT 1") // recovers

	// The server exits by itself, and the next connection starts another.
	if err := syscall.Kill(c.server().PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := asAdmin(t, c, "SELECT count(*) FROM pg_roles WHERE rolname = 'databricks_gateway'"); got != "1" {
		t.Errorf("after the server died: %q", got)
	}
}

// A login during a server's exit fails with one of several errors. Each is a reason
// to wait for the exit and to connect again.
func TestExitingServerIsRecognised(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := startCompute(t)
	for _, err := range connectionLost {
		asAdmin(t, c, "SELECT 1")
		s := c.server()
		if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if !c.ended(ctx, s, fmt.Errorf("failed to connect: %w", err)) {
			t.Errorf("%v is not recognised as the exit of the server", err)
		}
	}
	asAdmin(t, c, "SELECT 1")
	if s := c.server(); c.ended(ctx, s, errors.New("permission denied")) {
		t.Error("a refusal is recognised as the exit of the server")
	}
}

func TestCloseEndsAWake(t *testing.T) {
	t.Parallel()
	c := startCompute(t, func(o *Options) { o.WakeDelay = time.Hour })
	woken := make(chan error)
	go func() { woken <- c.Wake(context.Background()) }()
	testkit.Eventually(t, "the compute is waking", func() bool { return c.State() == Waking })
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-woken; err == nil {
		t.Error("woke up although closed")
	}
	if _, err := c.Dial(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("dial after close: %v", err)
	}
}

func TestCloneHasTheDataOfItsTime(t *testing.T) {
	t.Parallel()
	c := startCompute(t)
	asAdmin(t, c, "CREATE TABLE branchy AS SELECT 'before' AS x")
	dir := filepath.Join(testkit.OpenDir(t), "branch")
	if err := c.Clone(testContext(t), dir); err != nil {
		t.Fatal(err)
	}
	branch := startCompute(t, func(o *Options) { o.Dir = dir })
	asAdmin(t, c, "UPDATE branchy SET x = 'after'")
	if got := asAdmin(t, branch, "SELECT x FROM branchy"); got != "before" {
		t.Errorf("branch has %q", got)
	}
}

func TestStandbyFollowsItsPrimary(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	primary := startCompute(t)
	asAdmin(t, primary, "CREATE TABLE news AS SELECT 1 AS x")
	standby := startCompute(t, func(o *Options) {
		o.Primary = primary
		o.Dir = filepath.Join(testkit.OpenDir(t), "standby")
	})
	arrived := func(x string) func() bool {
		return func() bool { return asAdmin(t, standby, "SELECT max(x) FROM news") == x }
	}
	reader := mustLogin(t, standby, postgres.Admin)
	_, err := reader.Exec(ctx, "INSERT INTO news VALUES (0)")
	wantCode(t, err, "25006")
	asAdmin(t, primary, "INSERT INTO news VALUES (2)")
	testkit.Eventually(t, "a change arrives", arrived("2"))

	// The primary moves to another socket; the standby's sessions live on.
	if err := primary.Suspend(ctx); err != nil {
		t.Fatal(err)
	}
	asAdmin(t, primary, "INSERT INTO news VALUES (3)")
	testkit.Eventually(t, "a change arrives after the primary's restart", arrived("3"))
	if _, err := reader.Exec(ctx, "SELECT 1"); err != nil {
		t.Errorf("the standby's session ended: %v", err)
	}

	// A standby that was suspended while WAL was removed is complete again.
	if err := standby.Suspend(ctx); err != nil {
		t.Fatal(err)
	}
	asAdmin(t, primary, "INSERT INTO news VALUES (4); SELECT pg_switch_wal(); CHECKPOINT")
	if err := primary.Crash(ctx); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "a change arrives after the suspension of the standby", arrived("4"))
}

func TestExternalServerIsPrepared(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	// Another PostgreSQL, which is not prepared.
	server := testpostgres.Start(t)
	url := fmt.Sprintf("host=%s user=%s dbname=postgres", server.SocketDir(), postgres.Admin)

	for range 2 { // the second finds everything prepared
		c := New(Options{External: url})
		if err := c.CreateOwner(ctx, "me@example.com"); err != nil {
			t.Fatal(err)
		}
		conn := mustLogin(t, c, "me@example.com")
		if _, err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS t (x int)"); err != nil {
			t.Error(err)
		}
		for what, err := range map[string]error{"suspend": c.Suspend(ctx), "stop": c.Stop(ctx), "crash": c.Crash(ctx), "clone": c.Clone(ctx, t.TempDir()+"/clone")} {
			if !errors.Is(err, ErrExternal) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	wrong := New(Options{External: strings.Replace(url, postgres.Admin, "me@example.com", 1)})
	defer wrong.Close()
	if err := wrong.Wake(ctx); err == nil || !strings.Contains(err.Error(), "superuser") {
		t.Errorf("a URL of no superuser: %v", err)
	}
}

func TestDamagedDataIsNamed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(testkit.OpenDir(t), "data")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := startCompute(t, func(o *Options) { o.Dir = dir })
	if _, err := c.Dial(testContext(t)); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want an error that names the directory", err)
	}
	if got := c.State(); got != Idle {
		t.Errorf("state is %s after a failed start", got)
	}
}
