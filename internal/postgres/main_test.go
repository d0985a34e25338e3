//go:build unix

package postgres

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// childRoles are what the test binary does instead of testing when a test
// starts it again as a process of its own.
var childRoles = map[string]func(ctx context.Context) error{}

const childEnv = "LAKEBASE_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		if err := childRoles[role](context.Background()); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	cache, err := openTempDir()
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(cache)
	os.Setenv(cacheEnv, cache)
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println(err)
		return 1
	}
	return code
}

// roomyMemory is how much a file system in memory must have free to be used.
const roomyMemory = 2 << 30

// tempParent is in memory where there is plenty: a data directory has a
// thousand files, and some file systems are slow to make them soon after others
// were deleted.
var tempParent = sync.OnceValue(func() string {
	var shm unix.Statfs_t
	if unix.Statfs("/dev/shm", &shm) == nil && uint64(shm.Bavail)*uint64(shm.Bsize) > roomyMemory && !onNoexec("/dev/shm") {
		return "/dev/shm"
	}
	return "/tmp"
})

// openTempDir makes a directory that the user of a server may enter, unlike
// those of testing.T.
func openTempDir() (string, error) {
	dir, err := os.MkdirTemp(tempParent(), "lkbtest-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := openTempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // a busy machine takes long to make a cluster
	t.Cleanup(cancel)
	return ctx
}

func testInstallation(t testing.TB) *Installation {
	t.Helper()
	in, err := Find(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

const testHBA = "local all cloud_admin trust\nlocal replication cloud_admin trust\n"

var testCluster = ClusterOptions{
	HBA: testHBA,
	Scripts: []Script{
		{Database: "postgres", SQL: "CREATE DATABASE test"},
		{Database: "test", SQL: "CREATE TABLE note (text text); INSERT INTO note VALUES ('from the template')"},
	},
}

func newDataDir(t testing.TB, in *Installation) string {
	t.Helper()
	dir := filepath.Join(tempDir(t), "data")
	if err := in.CreateCluster(testContext(t), dir, testCluster); err != nil {
		t.Fatal(err)
	}
	return dir
}

// startServer starts a server that is stopped at the end of the test.
func startServer(t testing.TB, in *Installation, o StartOptions) *Server {
	t.Helper()
	s, err := in.Start(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t testing.TB, s *Server) {
	t.Helper()
	if err := s.Stop(testContext(t)); err != nil {
		t.Error(err)
	}
	assertNoProcesses(t, s.dataDir)
}

func connect(t testing.TB, s *Server) *pgx.Conn {
	t.Helper()
	conn, err := s.Connect(testContext(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func query[T any](t testing.TB, s *Server, sql string) T {
	t.Helper()
	conn := connect(t, s)
	defer conn.Close(context.Background())
	var v T
	if err := conn.QueryRow(testContext(t), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func execute(t testing.TB, s *Server, sql string) {
	t.Helper()
	conn := connect(t, s)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(testContext(t), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func assertContains(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not contain %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has more than one line", err)
	}
}

// assertNoProcesses waits until no process works in dir: the backends of a
// server that was killed need a moment.
func assertNoProcesses(t testing.TB, dir string) {
	t.Helper()
	testkit.Eventually(t, "processes in "+dir+" end", func() bool { return len(processesIn(t, dir)) == 0 })
}

// testChild is this test binary in the role of another program.
type testChild struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startChild(t testing.TB, role string, prepare func(*exec.Cmd), env ...string) *testChild {
	t.Helper()
	self, err := testBinary()
	if err != nil {
		t.Fatal(err)
	}
	c := &testChild{cmd: exec.Command(self)}
	c.cmd.Env = append(append(os.Environ(), childEnv+"="+role), env...)
	c.cmd.Dir = "/tmp"
	c.cmd.Stderr = os.Stderr
	if prepare != nil {
		prepare(c.cmd)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		c.cmd.Wait()
	})
	return c
}

// line returns the next line that the child prints, or "" at its end.
func (c *testChild) line() string {
	c.lines.Scan()
	return c.lines.Text()
}

// testBinary is this program where every user may run it.
var testBinary = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(os.Getenv(cacheEnv), "testbinary")
	return path, copyProgram(self, path)
})

// recorder is a logger whose output a test can read.
type recorder struct{ testkit.Buffer }

func (r *recorder) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
