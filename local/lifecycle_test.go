package local_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

func TestStopAndStartOfInstance(t *testing.T) {
	t.Parallel()
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
	testkit.Eventually(t, "the instance to be available", func() bool { return state() == "AVAILABLE" })

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
	a.ok("POST", "/local/v1/targets/:stop", nil) // the default target
	if got := a.ok("GET", endpoint, nil); at(got, "status", "disabled") != true {
		t.Errorf("stopped by control: %v", got)
	}
	a.ok("POST", "/local/v1/targets/:start", nil)
	a.ok("POST", "/local/v1/targets/my-instance:stop", nil)
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

func TestInstanceIsCreatedChangedAndDeleted(t *testing.T) {
	t.Parallel()
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
	testkit.Eventually(t, "the instance to be available", func() bool { return a.ok("GET", instances+"/second", nil)["state"] == "AVAILABLE" })
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
	testkit.Eventually(t, "its data to be removed", func() bool {
		entries, err := os.ReadDir(clusters)
		return err == nil && len(entries) == 1
	})
}

func TestBranchesAndEndpointsAreCreatedChangedAndDeleted(t *testing.T) {
	t.Parallel()
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
	a.refused("PATCH", p+"/branches/dev?update_mask=spec.is_protected", object{"spec": object{"is_protected": true}}, 400, "BAD_REQUEST", "cannot expire")
	a.wait("PATCH", p+"/branches/dev?update_mask=spec.expiration", object{"spec": object{"no_expiry": true}})
	protected := a.wait("PATCH", p+"/branches/dev?update_mask=spec.is_protected", object{"spec": object{"is_protected": true}})
	if at(protected, "status", "is_protected") != true {
		t.Errorf("protected: %v", protected)
	}
	a.refused("DELETE", p+"/branches/dev", nil, 400, "BAD_REQUEST", "cannot delete protected branch")
	a.wait("PATCH", p+"/branches/dev?update_mask=spec.is_protected", object{"spec": object{}})
	a.wait("DELETE", p+"/branches/dev/endpoints/reader", nil)
	a.refused("GET", p+"/branches/dev/endpoints/reader", nil, 404, "NOT_FOUND", "endpoint id not found")
	a.wait("DELETE", p+"/branches/dev?purge=true", nil)
	a.refused("GET", p+"/branches/dev", nil, 404, "NOT_FOUND", "branch id not found")
	a.wait("DELETE", p+"?purge=true", nil)
	a.refused("GET", p, nil, 404, "NOT_FOUND", "project id not found")
}

func TestUpgradeKeepsHost(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Instances: []string{"i"}})
	a := newAPI(t, s)
	before := a.ok("GET", "/api/2.0/database/instances/i", nil)
	if err := s.UpgradeInstance(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	if after := a.ok("GET", "/api/2.0/database/instances/i", nil); after["uid"] != before["uid"] || after["read_write_dns"] != before["read_write_dns"] {
		t.Errorf("the instance was %v, is %v", before, after)
	}
	e := a.ok("GET", "/api/2.0/postgres/projects/i/branches/production/endpoints/primary", nil)
	if at(e, "status", "hosts", "host") != before["read_write_dns"] {
		t.Errorf("the host was %v, is %v", before["read_write_dns"], at(e, "status", "hosts"))
	}
	if uid, _ := e["uid"].(string); !strings.HasPrefix(uid, "ep-") {
		t.Errorf("uid: %q", uid)
	}
	a.ok("POST", "/api/2.0/postgres/credentials", object{"endpoint": e["name"]})
	if err := s.UpgradeInstance(t.Context(), "i"); err == nil {
		t.Error("it is upgraded twice")
	}
	vars, err := s.Env("i")
	if err != nil || !slices.Contains(vars, local.EnvVar{Name: "LAKEBASE_ENDPOINT", Value: "projects/i/branches/production/endpoints/primary"}) {
		t.Errorf("environment: %v, %v", vars, err)
	}
}

func TestEnvOfEveryKindOfTarget(t *testing.T) {
	s := sharedServer(t)
	_, port, _ := strings.Cut(s.PostgresAddr(), ":")
	common := []local.EnvVar{{Name: "DATABRICKS_HOST", Value: s.WorkspaceURL()}, {Name: "DATABRICKS_TOKEN", Value: s.Token()}}
	rest := []local.EnvVar{{Name: "PGSSLROOTCERT", Value: s.RootCertFile()}, {Name: "PGPORT", Value: port}}
	instance := local.EnvVar{Name: "LAKEBASE_INSTANCE_NAME", Value: "my-instance"}
	endpoint := local.EnvVar{Name: "LAKEBASE_ENDPOINT", Value: "projects/my-project/branches/production/endpoints/primary"}
	for target, want := range map[string]local.EnvVar{
		"": endpoint, "my-instance": instance, "my-project": endpoint,
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
