package local_test

import (
	"slices"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/database"
	"github.com/databricks/databricks-sdk-go/service/postgres"

	"github.com/lakebase-go/lakebase/local"
)

// TestInstanceAnswersInBothAPIs has the SDK's clients of both APIs describe one
// database, and the credentials of either open it, before an upgrade and after.
func TestInstanceAnswersInBothAPIs(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Instances: []string{"shop"}, Projects: []string{"web"}})
	w, ctx := patClient(t, s), t.Context()
	const path = "projects/shop/branches/production/endpoints/primary"
	for _, target := range []string{"shop", path} { // its name in Status, which an upgrade changes
		i, err := w.Database.GetDatabaseInstanceByName(ctx, "shop")
		if err != nil {
			t.Fatal(err)
		}
		e, err := w.Postgres.GetEndpoint(ctx, postgres.GetEndpointRequest{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		if e.Status.Hosts.Host != i.ReadWriteDns || e.Status.Hosts.Host == "" {
			t.Errorf("the host is %q for one API and %q for the other", i.ReadWriteDns, e.Status.Hosts.Host)
		}
		projects, err := w.Postgres.ListProjectsAll(ctx, postgres.ListProjectsRequest{})
		if err != nil || !slices.ContainsFunc(projects, func(p postgres.Project) bool { return p.Name == "projects/shop" }) {
			t.Errorf("projects: %+v, %v", projects, err)
		}
		all, err := w.Database.ListDatabaseInstancesAll(ctx, database.ListDatabaseInstancesRequest{})
		if err != nil || len(all) != 1 || all[0].Name != "shop" {
			t.Errorf("instances: %+v, %v; a project is none", all, err)
		}

		l := clientFor(t, s, target)
		ofInstance, err := w.Database.GenerateDatabaseCredential(ctx, database.GenerateDatabaseCredentialRequest{InstanceNames: []string{"shop"}})
		if err != nil {
			t.Fatal(err)
		}
		ofEndpoint, err := w.Postgres.GenerateDatabaseCredential(ctx, postgres.GenerateDatabaseCredentialRequest{Endpoint: path})
		if err != nil {
			t.Fatal(err)
		}
		for _, l.password = range []string{ofInstance.Token, ofEndpoint.Token} {
			l.query(t, s, "SELECT 'open'")
		}
		if target == "shop" {
			if err := s.UpgradeInstance(ctx, "shop"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestBothAPIsChangeOneDatabase changes by one API what the other shows.
func TestBothAPIsChangeOneDatabase(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Instances: []string{"shop"}})
	a := newAPI(t, s)
	const instance, project = "/api/2.0/database/instances/shop", "/api/2.0/postgres/projects/shop"
	a.ok("PATCH", instance+"?update_mask=enable_pg_native_login,retention_window_in_days", object{"enable_pg_native_login": true, "retention_window_in_days": 14})
	if p := a.ok("GET", project, nil); at(p, "status", "enable_pg_native_login") != true || at(p, "status", "history_retention_duration") != "1209600s" {
		t.Errorf("project: %v", p)
	}
	a.wait("PATCH", project+"?update_mask=spec.enable_pg_native_login", object{"spec": object{"enable_pg_native_login": false}})
	if i := a.ok("GET", instance, nil); i["effective_enable_pg_native_login"] != false {
		t.Errorf("instance: %v", i)
	}
	a.wait("POST", project+"/branches?branch_id=dev", object{"spec": object{"no_expiry": true}})
	clientFor(t, s, "projects/shop/branches/dev/endpoints/primary").query(t, s, "SELECT 'a branch of an instance'")
	a.wait("POST", project+"/branches/production/roles?role_id=team", object{"spec": object{"postgres_role": "data-team", "identity_type": "GROUP"}})
	if r := a.ok("GET", instance+"/roles/data-team", nil); r["identity_type"] != "GROUP" {
		t.Errorf("role: %v", r)
	}
	a.ok("DELETE", instance, nil)
	a.refused("GET", instance, nil, 404, "NOT_FOUND", "does not exist")
	a.refused("GET", project, nil, 404, "NOT_FOUND", "project id not found")
}
