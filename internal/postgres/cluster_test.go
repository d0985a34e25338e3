//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestClusterHasItsScripts(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)

	hba, err := os.ReadFile(filepath.Join(dir, "pg_hba.conf"))
	if err != nil || string(hba) != testHBA {
		t.Errorf("pg_hba.conf is %q, %v", hba, err)
	}
	account, err := newAccount()
	if err != nil {
		t.Fatal(err)
	}
	owner := os.Geteuid()
	if account != nil {
		owner = account.uid
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != owner {
			t.Errorf("%s belongs to %d, want %d", path, uid, owner)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}

	s := startServer(t, in, StartOptions{DataDir: dir})
	if got := query[string](t, s, "SELECT text FROM note"); got != "from the template" {
		t.Errorf("note is %q", got)
	}
	if got := query[string](t, s, "SHOW server_encoding"); got != "UTF8" {
		t.Errorf("encoding is %s", got)
	}
	if got := query[string](t, s, "SELECT rolname FROM pg_roles WHERE rolsuper"); got != Admin {
		t.Errorf("superuser is %s", got)
	}
}

func TestExistingDirectoryIsKept(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := filepath.Join(tempDir(t), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := in.CreateCluster(testContext(t), dir, testCluster); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error is %v, want fs.ErrExist", err)
	}
}

func TestFailedScriptLeavesNothing(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	parent := tempDir(t)
	err := in.CreateCluster(testContext(t), filepath.Join(parent, "data"), ClusterOptions{
		HBA:     testHBA,
		Scripts: []Script{{"postgres", "SELECT 1"}, {"postgres", "SELEKT 2"}},
	})
	assertContains(t, err, "script 2", `database "postgres"`, "SELEKT")
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCreateClusterStopsWithContext(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	err := in.CreateCluster(ctx, filepath.Join(tempDir(t), "data"), ClusterOptions{HBA: "# never cached\n" + testHBA})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want the context's", err)
	}
}

const raceDirEnv = "LAKEBASE_TEST_DIR"

func init() {
	childRoles["create"] = func(ctx context.Context) error {
		syscall.Umask(0o077) // a strict umask must not lock the server's user out
		fmt.Println("ready")
		var word string
		fmt.Scanln(&word) // the signal to go
		in, err := Find(ctx)
		if err != nil {
			return err
		}
		dir := os.Getenv(raceDirEnv)
		o := testCluster
		o.Extensions = []Extension{testExtension}
		if err := in.CreateCluster(ctx, dir, o); err != nil {
			return err
		}
		s, err := in.Start(ctx, StartOptions{DataDir: dir, Extensions: o.Extensions})
		if err != nil {
			return err
		}
		conn, err := s.Connect(ctx, "test")
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, "CREATE EXTENSION "+testExtension.Name); err != nil {
			return err
		}
		fmt.Println("done")
		return s.Stop(ctx)
	}
}

// Processes that start with an empty cache at the same time use one template.
func TestProcessesShareATemplate(t *testing.T) {
	t.Parallel()
	parent := tempDir(t)
	cache := filepath.Join(parent, "cache")
	var children []*testChild
	var start []*os.File
	for i := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		child := startChild(t, "create", func(cmd *exec.Cmd) { cmd.Stdin = r },
			cacheEnv+"="+cache, fmt.Sprintf("%s=%s/data%d", raceDirEnv, parent, i))
		children, start = append(children, child), append(start, w)
	}
	for _, child := range children {
		if line := child.line(); line != "ready" {
			t.Fatalf("child says %q", line)
		}
	}
	for _, w := range start {
		w.Close()
	}
	for _, child := range children {
		if line := child.line(); line != "done" {
			t.Errorf("child says %q", line)
		}
		if err := child.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, entry := range entries {
		kind, _, _ := strings.Cut(entry.Name(), "-")
		kinds[kind]++
	}
	if kinds["building"] != 0 || kinds["template"] != 1 || kinds["prefix"]+kinds["extensions"] != 1 || len(kinds) != 2 {
		t.Errorf("the cache holds %v", entries)
	}
}

func TestFirstBuilderOfACacheEntryWins(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(cacheEnv, dir)
	build := func(text string, during func()) func(string) error {
		return func(dir string) error {
			during()
			return writeFiles(dir, map[string]string{"text": text})
		}
	}
	path, err := cached("entry", nil, build("slow", func() {
		if _, err := cached("entry", nil, build("fast", func() {})); err != nil {
			t.Error(err)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(path, "text")); string(text) != "fast" {
		t.Errorf("the entry is %q, want the first that was finished", text)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the cache holds %v, want one entry", entries)
	}
}

func TestCacheKeyDependsOnEveryPart(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	for _, parts := range [][]any{
		{"ab", "c"}, {"a", "bc"}, {`a" "b`, "c"}, {"ab c"}, {[]string{"ab", "c"}}, {[]string{"ab"}, "c"},
		{ClusterOptions{HBA: "h"}}, {ClusterOptions{Scripts: []Script{{"h", ""}}}}, {ClusterOptions{Scripts: []Script{{"", "h"}}}},
		{ClusterOptions{Extensions: []Extension{{Name: "h"}}}}, {ClusterOptions{Extensions: []Extension{{SQL: "h"}}}},
		{map[string]string{"a": "b"}}, {map[string]string{"a": "c"}}, {layout{bin: "a"}}, {layout{share: "a"}},
	} {
		key := cacheKey("k", parts...)
		if keys[key] {
			t.Errorf("%q has the key of others", parts)
		}
		keys[key] = true
	}
	if a, b := map[string]string{"a": "1", "b": "2"}, map[string]string{"b": "2", "a": "1"}; cacheKey("k", a) != cacheKey("k", b) {
		t.Error("equal parts have two keys")
	}
}

// BenchmarkNewServer creates a data directory from the template and starts a
// server.
func BenchmarkNewServer(b *testing.B) {
	in := testInstallation(b)
	newDataDir(b, in) // fills the cache
	for b.Loop() {
		dir := newDataDir(b, in)
		s, err := in.Start(testContext(b), StartOptions{DataDir: dir})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		stop(b, s)
		b.StartTimer()
	}
}

// BenchmarkRestart starts a server on a data directory after a clean shutdown.
func BenchmarkRestart(b *testing.B) { benchmarkRestart(b, nil) }

func BenchmarkRestartWithExtension(b *testing.B) {
	benchmarkRestart(b, []Extension{testExtension})
}

func benchmarkRestart(b *testing.B, extensions []Extension) {
	in := testInstallation(b)
	dir := newDataDir(b, in)
	for b.Loop() {
		s, err := in.Start(testContext(b), StartOptions{DataDir: dir, Durable: true, Extensions: extensions})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		stop(b, s)
		b.StartTimer()
	}
}
