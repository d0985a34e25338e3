//go:build unix

package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var testExtension = Extension{
	Name:    "lakebase_test",
	Version: "1.0",
	Control: "comment = 'for tests'\ndefault_version = '1.0'\nrelocatable = true\ntrusted = true\n",
	SQL:     "CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 42';\n",
}

func TestServerHasExtensionsOfBothKinds(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := filepath.Join(tempDir(t), "data")
	extensions := []Extension{testExtension}
	err := in.CreateCluster(testContext(t), dir, ClusterOptions{
		HBA:        testHBA,
		Extensions: extensions,
		Scripts: []Script{
			{"postgres", "CREATE DATABASE test"},
			{"test", "CREATE EXTENSION lakebase_test; SELECT answer()"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, in, StartOptions{DataDir: dir, Extensions: extensions})
	if got := query[int](t, s, "SELECT answer()"); got != 42 {
		t.Errorf("answer is %d", got)
	}
	if got := query[string](t, s, "SELECT extversion FROM pg_extension WHERE extname = 'lakebase_test'"); got != "1.0" {
		t.Errorf("version is %s", got)
	}
	execute(t, s, "CREATE DATABASE other; ")
	execute(t, s, "DROP EXTENSION lakebase_test; CREATE EXTENSION lakebase_test; DO 'BEGIN PERFORM answer(); END'")
	// The system's own extensions, with their libraries, are still there.
	if query[int](t, s, "SELECT count(*)::int FROM pg_available_extensions WHERE name = 'pgcrypto'") == 1 {
		execute(t, s, "CREATE EXTENSION pgcrypto")
		if got := query[int](t, s, "SELECT length(gen_salt('md5'))"); got == 0 {
			t.Error("pgcrypto does not work")
		}
	} else {
		t.Log("no pgcrypto in this PostgreSQL; plpgsql stands for the others")
	}
}

// A data directory can be used without the cache it was created from, and with
// more extensions.
func TestExtensionCanBeAddedLater(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	s := startServer(t, in, StartOptions{DataDir: dir})
	if n := query[int](t, s, "SELECT count(*)::int FROM pg_available_extensions WHERE name = 'lakebase_test'"); n != 0 {
		t.Error("the extension is there without being asked for")
	}
	stop(t, s)
	newer := testExtension
	newer.Version, newer.SQL = "1.1", "CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 43';\n"
	newer.Control = "default_version = '1.1'\n"
	s = startServer(t, in, StartOptions{DataDir: dir, Extensions: []Extension{newer}})
	execute(t, s, "CREATE EXTENSION lakebase_test")
	if got := query[int](t, s, "SELECT answer()"); got != 43 {
		t.Errorf("answer is %d", got)
	}
}

func TestExtensionNamesAreChecked(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "../evil", "a/b", "a--b", "a b"} {
		e := testExtension
		e.Name = name
		if _, err := e.files(); err == nil {
			t.Errorf("name %q is accepted", name)
		}
		e = testExtension
		e.Version = name
		if _, err := e.files(); err == nil {
			t.Errorf("version %q is accepted", name)
		}
	}
}

// A prefix has links to the system's files, and the system is unchanged.
func TestPrefixLinksTheSystem(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, bin, share, lib string }{
		{"debian", "usr/lib/postgresql/15/bin", "usr/share/postgresql/15", "usr/lib/postgresql/15/lib"},
		{"fedora", "usr/bin", "usr/share/pgsql", "usr/lib64/pgsql"},
		{"alpine", "usr/libexec/postgresql16", "usr/share/postgresql16", "usr/lib/postgresql16"},
		{"arch", "usr/bin", "usr/share/postgresql", "usr/lib/postgresql"},
		{"one tree", "opt/pg/bin", "opt/pg/share", "opt/pg/lib"},
		{"share below lib", "usr/bin", "usr/lib/pg/share", "usr/lib/pg/modules"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			l := layout{bin: filepath.Join(root, test.bin), share: filepath.Join(root, test.share), lib: filepath.Join(root, test.lib)}
			l.root = commonDir(commonDir(l.bin, l.share), l.lib)
			files := map[string]string{
				filepath.Join(l.bin, "postgres"):                 "program",
				filepath.Join(l.lib, "plpgsql.so"):               "module",
				filepath.Join(l.share, "postgres.bki"):           "catalog",
				filepath.Join(l.share, "extension", "a.control"): "a",
				filepath.Join(l.share, "extension", "b.control"): "system's b",
			}
			for file, text := range files {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			prefix := t.TempDir()
			if err := l.build(prefix, map[string]string{"b.control": "our b", "c.control": "c"}); err != nil {
				t.Fatal(err)
			}
			files[filepath.Join(l.share, "extension", "b.control")] = "our b"
			files[filepath.Join(l.share, "extension", "c.control")] = "c"
			for file, want := range files {
				got, err := os.ReadFile(l.in(prefix, file))
				if err != nil || string(got) != want {
					t.Errorf("%s is %q, %v; want %q", file, got, err, want)
				}
			}
			if info, err := os.Lstat(filepath.Join(l.in(prefix, l.bin), "postgres")); err != nil || !info.Mode().IsRegular() {
				t.Errorf("postgres is no copy: %v, %v", info, err)
			}
			if got, _ := os.ReadFile(filepath.Join(l.share, "extension", "b.control")); string(got) != "system's b" {
				t.Errorf("the system's file became %q", got)
			}
			if _, err := os.Stat(filepath.Join(l.share, "extension", "c.control")); err == nil {
				t.Error("our file is in the system's directory")
			}
		})
	}
}

// A process that is started meanwhile does not have the copy open.
func TestCopiedProgramCanBeRunAtOnce(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	var forks sync.WaitGroup
	stop := make(chan struct{})
	for range 4 { // processes that are started meanwhile
		forks.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					exec.Command("/usr/bin/true").Run()
				}
			}
		})
	}
	for i := range 200 {
		program := filepath.Join(dir, fmt.Sprint(i))
		if err := copyProgram("/usr/bin/true", program); err != nil {
			t.Fatal(err)
		}
		if err := exec.Command(program).Run(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	forks.Wait()
}
