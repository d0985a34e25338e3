//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

func TestServerKeepsDataOverRestarts(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	for i := range 3 {
		begun := time.Now()
		s := startServer(t, in, StartOptions{DataDir: dir, Durable: true})
		started := time.Since(begun)
		if got := query[int](t, s, "SELECT count(*)::int FROM note"); got != i+1 {
			t.Errorf("start %d: %d notes", i, got)
		}
		execute(t, s, "INSERT INTO note VALUES ('more')")
		for setting, want := range map[string]string{
			"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "listen_addresses": "",
			"unix_socket_permissions": "0700", "wal_level": "replica", "max_connections": "100", "TimeZone": "UTC",
		} {
			if got := query[string](t, s, "SHOW "+setting); got != want {
				t.Errorf("%s is %q, want %q", setting, got, want)
			}
		}
		begun = time.Now()
		stop(t, s)
		t.Logf("start %v, stop %v", started, time.Since(begun))
		if _, err := os.Stat(s.SocketDir()); err == nil {
			t.Error("the socket directory is still there")
		}
	}
}

func TestServersStartConcurrently(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	first := newDataDir(t, in)
	parent := filepath.Dir(first)
	begun := time.Now()
	var group errgroup.Group
	for i := range 10 {
		group.Go(func() error {
			ctx := testContext(t)
			dir := filepath.Join(parent, strconv.Itoa(i))
			if err := in.CreateCluster(ctx, dir, testCluster); err != nil {
				return err
			}
			s, err := in.Start(ctx, StartOptions{DataDir: dir})
			if err != nil {
				return err
			}
			conn, err := s.Connect(ctx, "test")
			if err != nil {
				return errors.Join(err, s.Stop(ctx))
			}
			conn.Close(ctx)
			return s.Stop(ctx)
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("10 servers, from the template to a login and to the end: %v", time.Since(begun))
}

func TestSettingsReachTheServer(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	s := startServer(t, in, StartOptions{DataDir: dir, Settings: map[string]string{
		"max_connections": "17", "cluster_name": "it's a \"test\"", "lakebase.note": "a=b c",
	}})
	for setting, want := range map[string]string{
		"max_connections": "17", "cluster_name": "it's a \"test\"", "lakebase.note": "a=b c", "fsync": "off",
	} {
		if got := query[string](t, s, "SHOW "+setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	_, err := in.Start(testContext(t), StartOptions{DataDir: dir, Settings: map[string]string{"a b": ""}})
	assertContains(t, err, `"a b"`)
}

func TestFailedStartHasTheLog(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	_, err := in.Start(testContext(t), StartOptions{DataDir: dir, Settings: map[string]string{"max_connections": "none"}})
	assertContains(t, err, "max_connections", "none")
	startServer(t, in, StartOptions{DataDir: dir}) // nothing holds the directory
}

func TestStartStopsWithContext(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	if err := os.WriteFile(filepath.Join(dir, "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	// A standby that waits for a consistent state never gets ready by itself.
	_, err := in.Start(ctx, StartOptions{DataDir: dir, Settings: map[string]string{"hot_standby": "off"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want the context's", err)
	}
	assertNoProcesses(t, dir)
}

func TestSecondStartNamesTheProcess(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	s := startServer(t, in, StartOptions{DataDir: dir})
	_, err := in.Start(testContext(t), StartOptions{DataDir: dir})
	assertContains(t, err, dir, "in use", "process "+strconv.Itoa(s.PID()))
	if got := query[int](t, s, "SELECT 1"); got != 1 {
		t.Error("the first server is disturbed")
	}
}

func TestStopIsIdempotent(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	s := startServer(t, in, StartOptions{DataDir: newDataDir(t, in)})
	conn := connect(t, s) // an open session does not delay the end
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { stop(t, s) })
	}
	all.Wait()
	select {
	case <-s.Done():
	default:
		t.Error("stopped, but not done")
	}
	if err := conn.Ping(testContext(t)); err == nil {
		t.Error("the session is still there")
	}
	if err := s.Crash(testContext(t)); err != nil {
		t.Error(err)
	}
}

// A fast shutdown waits for a backend that is stopped and gets no signal.
func TestStopBecomesImmediate(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	var log recorder
	s := startServer(t, in, StartOptions{DataDir: dir, Logger: log.logger()})
	s.fastTimeout = 200 * time.Millisecond
	execute(t, s, "INSERT INTO note VALUES ('kept')")
	backend := int(connect(t, s).PgConn().PID())
	if err := syscall.Kill(backend, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(testContext(t)) }()
	testkit.Eventually(t, "the shutdown becomes immediate", func() bool { return strings.Contains(log.String(), "ended immediately") })
	if err := syscall.Kill(backend, syscall.SIGCONT); err != nil { // else PostgreSQL takes 5 s to kill it
		t.Error(err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	s = startServer(t, in, StartOptions{DataDir: dir})
	if got := query[int](t, s, "SELECT count(*)::int FROM note"); got != 2 {
		t.Errorf("%d notes, want 2", got)
	}
}

func TestStopIgnoresTheEndOfItsContext(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	s := startServer(t, in, StartOptions{DataDir: dir, Durable: true})
	execute(t, s, "INSERT INTO note VALUES ('kept')")
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
	s = startServer(t, in, StartOptions{DataDir: dir})
	if got := query[int](t, s, "SELECT count(*)::int FROM note"); got != 2 {
		t.Errorf("%d notes, want 2", got)
	}
}

func TestCrashEndsSessionsAndKeepsCommits(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	var log recorder
	s := startServer(t, in, StartOptions{DataDir: dir, Logger: log.logger()})
	conn := connect(t, s)
	if _, err := conn.Exec(testContext(t), "INSERT INTO note VALUES ('kept')"); err != nil {
		t.Fatal(err)
	}
	if err := s.Crash(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(testContext(t)); err == nil {
		t.Error("the session survived")
	}
	if strings.Contains(log.String(), "unexpectedly") {
		t.Error("a crash on request is logged as unexpected")
	}
	s = startServer(t, in, StartOptions{DataDir: dir, Logger: log.logger()})
	if got := query[int](t, s, "SELECT count(*)::int FROM note"); got != 2 {
		t.Errorf("%d notes, want 2", got)
	}
	// The server's log arrives by a pipe, perhaps later than its answer.
	testkit.Eventually(t, "the server reports that it recovers from a crash", func() bool {
		return strings.Contains(log.String(), "automatic recovery")
	})
}

// The backends of a killed postmaster use the shared memory until they notice.
func TestStartAfterPostmasterIsKilled(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	var log recorder
	s := startServer(t, in, StartOptions{DataDir: dir, Logger: log.logger()})
	conn := connect(t, s)
	waiting := make(chan error, 1)
	go func() {
		defer close(waiting)
		_, err := conn.Exec(context.Background(), "SELECT pg_sleep(600)")
		waiting <- err
	}()
	t.Cleanup(func() { // before the one that closes the connection
		s.Stop(context.Background())
		<-waiting
	})
	testkit.Eventually(t, "the session is busy", func() bool {
		return query[int](t, s, "SELECT count(*)::int FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'") == 1
	})
	if err := s.child.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if !strings.Contains(log.String(), "unexpectedly") {
		t.Error("the end is not logged")
	}
	begun := time.Now()
	again := startServer(t, in, StartOptions{DataDir: dir})
	t.Logf("start after a kill: %v", time.Since(begun))
	if err := <-waiting; err == nil {
		t.Error("the query of the killed server came to an end")
	}
	if got := query[int](t, again, "SELECT count(*)::int FROM note"); got != 1 {
		t.Errorf("%d notes, want 1", got)
	}
}

// newForeignProcess runs a program as the user of the server on dir, but not
// for a Server.
func newForeignProcess(t *testing.T, dir string, name string, args ...string) *exec.Cmd {
	t.Helper()
	account, err := ownerAccount(dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	account.prepare(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	return cmd
}

func writePostmasterPID(t *testing.T, dir string, pid int) {
	t.Helper()
	file := filepath.Join(dir, "postmaster.pid")
	text := fmt.Sprintf("%d\n%s\n1700000000\n5432\n/tmp\n\n  0  0\n", pid, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	account, err := ownerAccount(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := account.own(file); err != nil {
		t.Fatal(err)
	}
}

func TestStalePostmasterPIDIsRemoved(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	other := startServer(t, in, StartOptions{DataDir: newDataDir(t, in)})
	dir := newDataDir(t, in)
	ended := newForeignProcess(t, dir, "/bin/sh", "-c", "exit 0")
	ended.Wait()
	sleep := newForeignProcess(t, dir, "/bin/sleep", "60")
	t.Cleanup(func() { sleep.Process.Kill() }) // it ignores an interrupt if a shell runs the tests in the background
	for name, pid := range map[string]int{
		"of a process that has ended":         ended.Process.Pid,
		"of a program that is not PostgreSQL": sleep.Process.Pid,
		"of a server on another directory":    other.PID(),
		"of ourselves":                        os.Getpid(),
		"that is no number":                   -1,
	} {
		writePostmasterPID(t, dir, pid)
		s, err := in.Start(testContext(t), StartOptions{DataDir: dir})
		if pid == -1 { // PostgreSQL's to judge
			if err != nil {
				os.Remove(filepath.Join(dir, "postmaster.pid"))
				continue
			}
		}
		if err != nil {
			t.Fatalf("postmaster.pid %s: %v", name, err)
		}
		if err := s.Stop(testContext(t)); err != nil {
			t.Error(err)
		}
	}
}

// A server that another process has started on the directory is not ended.
func TestServerOfAnotherProcessIsNotEnded(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	sockets, err := newSocketDir(mustOwner(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	foreign := newForeignProcess(t, dir, in.postgres(), "-D", dir, "-k", sockets, "-c", "listen_addresses=")
	testkit.Eventually(t, "the foreign server runs", func() bool { return postmasterPID(dir) == foreign.Process.Pid })

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err = in.Start(ctx, StartOptions{DataDir: dir})
	assertContains(t, err, dir, "process "+strconv.Itoa(foreign.Process.Pid), "kill -INT")
	if err := foreign.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the foreign server is gone: %v", err)
	}
}

func mustOwner(t *testing.T, dir string) *account {
	t.Helper()
	account, err := ownerAccount(dir)
	if err != nil {
		t.Fatal(err)
	}
	return account
}

func TestDataDirOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	if err := os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte("12\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := in.Start(testContext(t), StartOptions{DataDir: dir})
	assertContains(t, err, dir, "made by PostgreSQL 12", in.Version, "install PostgreSQL 12", binEnv)
}

func TestOtherDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := tempDir(t)
	if account, err := newAccount(); err != nil {
		t.Fatal(err)
	} else if err := account.own(dir); err != nil {
		t.Fatal(err)
	}
	_, err := in.Start(testContext(t), StartOptions{DataDir: dir})
	assertContains(t, err, dir, "not a PostgreSQL data directory")
	_, err = in.Start(testContext(t), StartOptions{DataDir: dir + "/none"})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}

// Neither servers nor logins use the variables of libpq.
func TestEnvironmentIsNotPassedOn(t *testing.T) {
	for name, value := range map[string]string{
		"PGDATA": "/nowhere", "PGPORT": "1", "PGHOST": "elsewhere.example", "PGUSER": "nobody", "PGPASSWORD": "secret",
		"PGDATABASE": "none", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nowhere", "PGOPTIONS": "-c statement_timeout=1",
		"PGTARGETSESSIONATTRS": "standby", "PGTZ": "Asia/Tokyo", "PGREQUIREAUTH": "scram-sha-256", "PGCHANNELBINDING": "require",
		"PGSSLNEGOTIATION": "direct", "PGMINPROTOCOLVERSION": "3.2", "PGCONNECT_TIMEOUT": "x", "TZ": "Asia/Tokyo", "LC_ALL": "xx",
	} {
		t.Setenv(name, value)
	}
	in := testInstallation(t)
	s := startServer(t, in, StartOptions{DataDir: newDataDir(t, in)})
	for sql, want := range map[string]string{
		"SELECT current_user::text": Admin, "SHOW statement_timeout": "0", "SHOW timezone": "UTC", "SHOW port": "5432",
	} {
		if got := query[string](t, s, sql); got != want {
			t.Errorf("%s is %q, want %q", sql, got, want)
		}
	}
}

func TestLogHasNoStatements(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	var log recorder
	s := startServer(t, in, StartOptions{DataDir: newDataDir(t, in), Logger: log.logger()})
	_, err := connect(t, s).Exec(testContext(t), "CREATE ROLE someone PASSWORD 'hunter2' SUPER FLUOUS")
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "42601" {
		t.Fatalf("error is %v, want one of syntax", err)
	}
	testkit.Eventually(t, "the error is logged", func() bool { return strings.Contains(log.String(), "unrecognized role option") })
	if strings.Contains(log.String(), "hunter2") {
		t.Error("the log has the password")
	}
}
