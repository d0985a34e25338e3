package local_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/local"
)

func TestStopAndStart(t *testing.T) {
	s := sharedServer(t)
	a := newAPI(t, s)
	const instance = "/api/2.0/database/instances/my-instance"
	state := func() string { return a.ok("GET", instance, nil)["state"].(string) }

	stopped := a.ok("PATCH", instance+"?update_mask=stopped", object{"name": "my-instance", "stopped": true})
	if stopped["state"] != "STOPPED" || stopped["effective_stopped"] != true {
		t.Errorf("stopped: %v", stopped)
	}
	if got := s.Status().Endpoints[0]; got.Compute != "stopped" {
		t.Errorf("compute of a stopped instance: %+v", got)
	}
	a.refused("GET", instance+"/roles", nil, 400, "BAD_REQUEST", "stopped")
	a.ok("POST", "/api/2.0/database/credentials", object{"instance_names": []string{"my-instance"}}) // as the service does
	if got := a.ok("PATCH", instance+"?update_mask=*", object{"name": "my-instance", "stopped": false})["state"]; got != "STARTING" && got != "AVAILABLE" {
		t.Errorf("starting: %v", got)
	}
	eventually(t, "the instance to be available", func() bool { return state() == "AVAILABLE" })

	const endpoint = "/api/2.0/postgres/projects/my-project/branches/production/endpoints/primary"
	a.wait("PATCH", endpoint+"?update_mask=spec.disabled", object{"spec": object{"disabled": true}})
	if got := a.ok("GET", endpoint, nil); at(got, "status", "disabled") != true || at(got, "status", "current_state") != "IDLE" {
		t.Errorf("disabled: %v", got)
	}
	a.wait("PATCH", endpoint+"?update_mask=spec.disabled", object{"spec": object{"disabled": false}})
	if got := a.ok("GET", endpoint, nil); at(got, "status", "disabled") != false || at(got, "status", "current_state") != "ACTIVE" {
		t.Errorf("enabled: %v", got)
	}
	a.ok("POST", "/local/v1/targets/projects/my-project:suspend", nil)
	if got := a.ok("GET", endpoint, nil); at(got, "status", "current_state") != "IDLE" {
		t.Errorf("suspended: %v", got)
	}
	a.ok("POST", "/local/v1/targets/:stop", nil) // the default instance
	if state() != "STOPPED" {
		t.Errorf("stopped by control: %v", state())
	}
	a.ok("POST", "/local/v1/targets/my-instance:start", nil)
	if state() != "AVAILABLE" {
		t.Errorf("started by control: %v", state())
	}
	a.refused("POST", "/local/v1/targets/nope:stop", nil, 404, "NOT_FOUND", "Database instance nope does not exist")
	a.refused("POST", "/local/v1/targets/my-instance:explode", nil, 404, "ENDPOINT_NOT_FOUND", "")
}

func TestInstanceLifecycle(t *testing.T) {
	s := start(t, local.Options{Instances: []string{"i"}})
	a := newAPI(t, s)
	const instances = "/api/2.0/database/instances"
	made := a.ok("POST", instances, object{
		"name": "second", "capacity": "CU_2", "enable_pg_native_login": true,
		"custom_tags": []object{{"key": "team", "value": "data"}}, "parent_instance_ref": object{"name": "i"},
	})
	if made["state"] != "STARTING" || made["read_write_dns"] != nil || made["creator"] != s.User() {
		t.Errorf("created: %v", made)
	}
	eventually(t, "the instance to be available", func() bool { return a.ok("GET", instances+"/second", nil)["state"] == "AVAILABLE" })
	got := a.ok("GET", instances+"/second", nil)
	if got["capacity"] != "CU_2" || got["effective_enable_pg_native_login"] != true || got["read_write_dns"] == "" ||
		at(got, "parent_instance_ref", "name") != "i" || got["read_only_dns"] != nil {
		t.Errorf("available: %v", got)
	}
	if refs, _ := a.ok("GET", instances+"/i", nil)["child_instance_refs"].([]any); len(refs) != 1 {
		t.Errorf("children: %v", refs)
	}
	a.refused("DELETE", instances+"/i", nil, 400, "BAD_REQUEST", "has child instances (second)")

	readable := a.ok("PATCH", instances+"/second?update_mask=node_count,enable_readable_secondaries", object{"name": "second", "node_count": 2, "enable_readable_secondaries": true, "capacity": "CU_8"})
	if readable["read_only_dns"] == nil || readable["effective_enable_readable_secondaries"] != true || readable["capacity"] != "CU_2" {
		t.Errorf("with secondaries: %v", readable)
	}
	alone := a.ok("PATCH", instances+"/second?update_mask=node_count", object{"node_count": 1})
	if alone["read_only_dns"] != nil || alone["effective_enable_readable_secondaries"] != false {
		t.Errorf("without: %v", alone)
	}
	a.ok("DELETE", instances+"/second?purge=true", nil)
	a.refused("GET", instances+"/second", nil, 404, "NOT_FOUND", "Database instance second does not exist")
	clusters := filepath.Join(s.Status().DataDir, "clusters")
	eventually(t, "its data to be removed", func() bool {
		entries, err := os.ReadDir(clusters)
		return err == nil && len(entries) == 1
	})
}

func TestBranchesAndEndpoints(t *testing.T) {
	s := start(t, local.Options{Projects: []string{"p"}})
	a := newAPI(t, s)
	const p = "/api/2.0/postgres/projects/p"
	b := a.wait("POST", p+"/branches?branch_id=dev", object{"spec": object{"source_branch": "projects/p/branches/production", "ttl": "86400s"}})
	if at(b, "status", "source_branch") != "projects/p/branches/production" || at(b, "status", "current_state") != "READY" || at(b, "status", "expire_time") == nil {
		t.Errorf("branch: %v", b)
	}
	if got := a.ok("GET", p+"/branches/dev/endpoints/primary", nil); at(got, "status", "hosts", "host") == nil {
		t.Errorf("its endpoint: %v", got)
	}
	reader := a.wait("POST", p+"/branches/dev/endpoints?endpoint_id=reader", object{"spec": object{"endpoint_type": "ENDPOINT_TYPE_READ_ONLY"}})
	host := at(reader, "status", "hosts", "host")
	if host == nil || at(reader, "status", "hosts", "read_only_host") != host || at(reader, "status", "current_state") != "ACTIVE" {
		t.Errorf("read-only endpoint: %v", reader)
	}
	group := a.wait("PATCH", p+"/branches/dev/endpoints/primary?update_mask=spec.group.max,spec.group.enable_readable_secondaries",
		object{"spec": object{"endpoint_type": "ENDPOINT_TYPE_READ_WRITE", "group": object{"max": 2, "enable_readable_secondaries": true}}})
	if at(group, "status", "hosts", "read_only_host") == nil || at(group, "status", "hosts", "read_write_pooled_host") == nil || at(group, "status", "hosts", "read_only_pooled_host") == nil {
		t.Errorf("group: %v", group)
	}
	protected := a.wait("PATCH", p+"/branches/dev?update_mask=spec.is_protected", object{"spec": object{"is_protected": true}})
	if at(protected, "status", "is_protected") != true {
		t.Errorf("protected: %v", protected)
	}
	a.refused("DELETE", p+"/branches/dev", nil, 400, "BAD_REQUEST", "cannot delete protected branch")
	a.wait("PATCH", p+"/branches/dev?update_mask=spec.is_protected", object{"spec": object{}})
	a.wait("DELETE", p+"/branches/dev/endpoints/reader", nil)
	a.refused("GET", p+"/branches/dev/endpoints/reader", nil, 404, "NOT_FOUND", "endpoint id not found")
	a.wait("DELETE", p+"/branches/dev", nil)
	a.refused("GET", p+"/branches/dev", nil, 404, "NOT_FOUND", "branch id not found")
	a.wait("DELETE", p, nil)
	a.refused("GET", p, nil, 404, "NOT_FOUND", "project id not found")
}

func TestUpgrade(t *testing.T) {
	s := start(t, local.Options{Instances: []string{"i"}})
	a := newAPI(t, s)
	before := a.ok("GET", "/api/2.0/database/instances/i", nil)
	if err := s.UpgradeInstance(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	a.refused("GET", "/api/2.0/database/instances/i", nil, 404, "NOT_FOUND", "Database instance i does not exist")
	a.refused("POST", "/api/2.0/database/credentials", object{"instance_names": []string{"i"}}, 404, "NOT_FOUND", "Database instance i does not exist")
	e := a.ok("GET", "/api/2.0/postgres/projects/i/branches/production/endpoints/primary", nil)
	if at(e, "status", "hosts", "host") != before["read_write_dns"] {
		t.Errorf("the host was %v, is %v", before["read_write_dns"], at(e, "status", "hosts"))
	}
	if uid, _ := e["uid"].(string); !strings.HasPrefix(uid, "ep-") {
		t.Errorf("uid: %q", uid)
	}
	a.ok("POST", "/api/2.0/postgres/credentials", object{"endpoint": e["name"]})
	if err := s.UpgradeInstance(t.Context(), "i"); err == nil {
		t.Error("a project is upgraded")
	}
	vars, err := s.Env("i")
	if err != nil || !slices.Contains(vars, local.EnvVar{Name: "LAKEBASE_ENDPOINT", Value: "projects/i/branches/production/endpoints/primary"}) {
		t.Errorf("environment: %v, %v", vars, err)
	}
}

func TestEnv(t *testing.T) {
	s := sharedServer(t)
	_, port, _ := strings.Cut(s.PostgresAddr(), ":")
	common := []local.EnvVar{{Name: "DATABRICKS_HOST", Value: s.WorkspaceURL()}, {Name: "DATABRICKS_TOKEN", Value: s.Token()}, {Name: "DATABRICKS_AUTH_TYPE", Value: "pat"}}
	rest := []local.EnvVar{{Name: "PGSSLROOTCERT", Value: s.RootCertFile()}, {Name: "PGPORT", Value: port}}
	instance := local.EnvVar{Name: "LAKEBASE_INSTANCE_NAME", Value: "my-instance"}
	endpoint := local.EnvVar{Name: "LAKEBASE_ENDPOINT", Value: "projects/my-project/branches/production/endpoints/primary"}
	for target, want := range map[string]local.EnvVar{
		"": instance, "my-instance": instance, "my-project": endpoint,
		"projects/my-project": endpoint, "projects/my-project/branches/production": endpoint, endpoint.Value: endpoint,
	} {
		got, err := s.Env(target)
		if err != nil || !slices.Equal(got, slices.Concat(common, []local.EnvVar{want}, rest)) {
			t.Errorf("%q: got %v, %v", target, got, err)
		}
	}
	for _, target := range []string{"nope", "projects/nope", "projects/my-project/branches/nope", "projects/my-project/endpoints/primary", "a/b/c"} {
		if vars, err := s.Env(target); err == nil {
			t.Errorf("%q: got %v", target, vars)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
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

func TestRestart(t *testing.T) {
	o := local.Options{DataDir: filepath.Join(t.TempDir(), "data"), User: "me@example.com"}
	if os.Geteuid() == 0 {
		o.DataDir = dirForServers(t)
	}
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
	took := time.Since(begun)
	t.Logf("restart took %v", took)
	if took > 3*time.Second { // 300 ms on a machine that has nothing else to do
		t.Errorf("restart took %v", took)
	}
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

// dirForServers is a data directory that the user can get to whom root hands
// its servers to.
func dirForServers(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lakebase-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}

// TestForeignData checks that nothing is swept that is not ours.
func TestForeignData(t *testing.T) {
	dir := dirForServers(t)
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

// TestParallelStarts starts many at once, all of which must work and leave
// nothing behind.
func TestParallelStarts(t *testing.T) {
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

// TestParallelStartsOnOneDirectory lets one win and tells the others who did.
func TestParallelStartsOnOneDirectory(t *testing.T) {
	dir := dirForServers(t)
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

func TestDefaultDataDir(t *testing.T) {
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

// TestAbandonedData checks that what a killed server left is removed, and
// nothing else.
func TestAbandonedData(t *testing.T) {
	tmp := filepath.Dir(dirForServers(t))
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
