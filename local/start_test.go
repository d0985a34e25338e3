package local_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

func TestInvalidOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]local.Options{
		`host naming "x"`: {HostNames: "x"},
		"not on loopback": {RESTAddr: "0.0.0.0:0"},
		`postgres address "10.0.0.1:5432" is not on loopback`: {PostgresAddr: "10.0.0.1:5432"},
		"must not be negative":                                {WakeDelay: -1},
		"api.status 7":                                        {Faults: local.Faults{API: local.APIFault{Status: 7}}},
		"must match pattern":                                  {Instances: []string{"No Good"}},
		`"twin" is named twice`:                               {Instances: []string{"twin"}, Projects: []string{"twin"}},
		"only one instance":                                   {DatabaseURL: "postgres://x@localhost/x", Instances: []string{"a", "b"}},
		"projects are not":                                    {DatabaseURL: "postgres://x@localhost/x", Projects: []string{"a"}},
	} {
		s, err := local.Start(t.Context(), o)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: got %v, want one line with %q", o, err, want)
		}
	}
}

func TestRestartKeepsWorkspace(t *testing.T) {
	t.Parallel()
	o := local.Options{DataDir: filepath.Join(testkit.OpenDir(t), "data"), User: "me@example.com"}
	open := func() *local.Server {
		t.Helper()
		s, err := local.Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if _, err := local.ReadRuntime(o.DataDir); !errors.Is(err, local.ErrNotRunning) {
		t.Errorf("before the first start: %v", err)
	}
	s := open()
	a := newAPI(t, s)
	r, err := local.ReadRuntime(o.DataDir)
	if err != nil || r.PID != os.Getpid() || r.WorkspaceURL != s.WorkspaceURL() || r.Token != s.Token() || r.PostgresAddr != s.PostgresAddr() {
		t.Errorf("runtime: %+v, %v", r.WorkspaceURL, err)
	}
	if _, err := local.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("already running (pid %d, %s)", os.Getpid(), s.WorkspaceURL())) || !strings.Contains(err.Error(), "LAKEBASE_LOCAL_DIR") {
		t.Errorf("second start: %v", err)
	}
	a.wait("POST", "/api/2.0/postgres/projects?project_id=kept", object{"spec": object{"display_name": "Kept"}})
	a.wait("POST", "/api/2.0/postgres/projects/kept/branches/production/roles?role_id=some-role", object{"spec": object{"postgres_role": "some_role"}})
	token, id := s.Token(), s.Status().Endpoints
	before, err := s.Mint(local.MintOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error("second close:", err)
	}
	if _, err := local.ReadRuntime(o.DataDir); !errors.Is(err, local.ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
	for _, secret := range []string{"state.json", "keys/tokens.key"} {
		info, err := os.Stat(filepath.Join(o.DataDir, secret))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", secret, info.Mode(), err)
		}
	}

	begun := time.Now()
	s = open()
	t.Logf("restart took %v", time.Since(begun)) // how long it may take is a row of the benchmarks
	a = newAPI(t, s)
	if s.Token() != token || s.User() != "me@example.com" {
		t.Errorf("another token or user: %s", s.User())
	}
	for i, e := range s.Status().Endpoints {
		if e.Target != id[i].Target || e.Host != id[i].Host {
			t.Errorf("endpoint was %+v, is %+v", id[i], e)
		}
		if want := map[bool]string{true: "active", false: "idle"}[e.Default]; e.Compute != want {
			t.Errorf("%s is %s, want %s", e.Target, e.Compute, want)
		}
	}
	if got := a.ok("GET", "/api/2.0/postgres/projects/kept", nil); at(got, "status", "display_name") != "Kept" {
		t.Errorf("project: %v", got)
	}
	a.ok("GET", "/api/2.0/postgres/projects/kept/branches/production/roles/some-role", nil)
	after, err := s.Mint(local.MintOptions{})
	if err != nil || at(object(claimsOf(t, before)), "aud") == nil || fmt.Sprint(claimsOf(t, before)["aud"]) != fmt.Sprint(claimsOf(t, after)["aud"]) {
		t.Errorf("audiences differ: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	o.User = "else@example.com"
	if _, err := local.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "was made for user me@example.com") {
		t.Errorf("another user: %v", err)
	}
}

// TestUnknownDataIsNotRemoved starts on a directory with data of another program.
func TestUnknownDataIsNotRemoved(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(testkit.OpenDir(t), "data")
	precious := filepath.Join(dir, "clusters", "precious")
	if err := os.MkdirAll(precious, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Start(t.Context(), local.Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

// TestServersStartConcurrently starts many servers at once. All must work, and
// leave nothing behind.
func TestServersStartConcurrently(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	dirs, urls := map[string]bool{}, map[string]bool{}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			s, err := local.Start(context.Background(), local.Options{Instances: []string{"i"}})
			if err != nil {
				t.Error(err)
				return
			}
			newAPI(t, s).ok("GET", "/api/2.0/database/instances/i", nil)
			mu.Lock()
			dirs[s.Status().DataDir], urls[s.WorkspaceURL()] = true, true
			mu.Unlock()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(dirs) != 10 || len(urls) != 10 {
		t.Errorf("%d directories and %d URLs, want 10 each", len(dirs), len(urls))
	}
	for dir := range dirs {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", dir, err)
		}
	}
}

// Of concurrent starts on one directory one succeeds; the others name it.
func TestOneServerPerDataDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(testkit.OpenDir(t), "data")
	type result struct {
		server *local.Server
		err    error
	}
	results := make(chan result)
	for range 4 {
		go func() {
			s, err := local.Start(context.Background(), local.Options{DataDir: dir, Instances: []string{"i"}})
			results <- result{s, err}
		}()
	}
	winners := 0
	var winner *local.Server
	for range 4 {
		r := <-results
		switch {
		case r.err == nil:
			winners++
			winner = r.server
		case !strings.Contains(r.err.Error(), "already running"):
			t.Error(r.err)
		}
	}
	if winners != 1 {
		t.Fatalf("%d started, want 1", winners)
	}
	if err := winner.Close(); err != nil {
		t.Error(err)
	}
}

func TestDefaultDataDirDependsOnEnvironment(t *testing.T) {
	t.Setenv("LAKEBASE_LOCAL_DIR", "/somewhere/else")
	if dir, err := local.DefaultDataDir(); err != nil || dir != "/somewhere/else" {
		t.Errorf("got %s, %v", dir, err)
	}
	t.Setenv("LAKEBASE_LOCAL_DIR", "")
	t.Setenv("XDG_DATA_HOME", "/data")
	want := "/data/lakebase/local"
	if os.Geteuid() == 0 {
		want = "/var/lib/lakebase/local"
	}
	if dir, err := local.DefaultDataDir(); err != nil || dir != want {
		t.Errorf("got %s, %v, want %s", dir, err, want)
	}
}

// TestAbandonedDataIsRemoved checks that the data of killed servers is removed, and
// nothing else.
func TestAbandonedDataIsRemoved(t *testing.T) {
	tmp := testkit.OpenDir(t)
	t.Setenv("TMPDIR", tmp)
	running := start(t, local.Options{Instances: []string{"i"}})
	dir := func(name string, age time.Duration) string {
		d := filepath.Join(tmp, name)
		lock := filepath.Join(d, "lock")
		if err := errors.Join(os.Mkdir(d, 0o700), os.WriteFile(lock, nil, 0o600), os.Chtimes(lock, time.Now(), time.Now().Add(-age))); err != nil {
			t.Fatal(err)
		}
		return d
	}
	abandoned, beginning, foreign := dir("lakebase-local-1", time.Hour), dir("lakebase-local-2", 0), dir("other-1", time.Hour)
	inUse := running.Status().DataDir
	if err := os.Chtimes(filepath.Join(inUse, "lock"), time.Now(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	start(t, local.Options{Instances: []string{"i"}})
	if _, err := os.Stat(abandoned); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", abandoned, err)
	}
	for _, kept := range []string{beginning, foreign, inUse} {
		if _, err := os.Stat(kept); err != nil {
			t.Error(err)
		}
	}
}
