package interop

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/service/database"
	"github.com/databricks/databricks-sdk-go/service/postgres"
	sdkversion "github.com/databricks/databricks-sdk-go/version"

	"github.com/lakebase-go/lakebase/internal/testkit/testsdk"
)

func TestGoSDKCreatesInstance(t *testing.T) {
	t.Parallel() // the SDK mostly waits
	record(t, goSDK+" + pgx", sdkversion.Version, "create an instance and wait, log in, delete it")
	w, ctx := asUser(t), brief(t)
	const name = "third-instance"
	created := must(w.Database.CreateDatabaseInstanceAndWait(ctx, database.CreateDatabaseInstanceRequest{
		DatabaseInstance: database.DatabaseInstance{Name: name, Capacity: "CU_1"},
	}))(t)
	if created.State != database.DatabaseInstanceStateAvailable || created.EffectiveCapacity != "CU_1" {
		t.Errorf("the new instance is %s with %q", created.State, created.EffectiveCapacity)
	}
	c := must(w.Database.GenerateDatabaseCredential(ctx, database.GenerateDatabaseCredentialRequest{InstanceNames: []string{name}, RequestId: "r"}))(t)
	loggedInAs(t, address{host: created.ReadWriteDns, port: portOf(t, name), user: user, root: server.RootCertFile()}, c.Token)

	if err := w.Database.DeleteDatabaseInstance(ctx, database.DeleteDatabaseInstanceRequest{Name: name, Purge: true}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deleted instance is gone", func() bool {
		_, err := w.Database.GetDatabaseInstanceByName(ctx, name)
		if err != nil {
			isAPIError(t, err, http.StatusNotFound, "NOT_FOUND", apierr.ErrNotFound)
		}
		return err != nil
	})
}

func TestGoSDKCreatesProject(t *testing.T) {
	t.Parallel() // the SDK mostly waits
	record(t, goSDK+" + pgx", sdkversion.Version, "create a project, a branch of its data, a read-only endpoint; log in to each; delete")
	w, ctx := asUser(t), brief(t)
	creating := must(w.Postgres.CreateProject(ctx, postgres.CreateProjectRequest{
		ProjectId: "third-project",
		Project:   postgres.Project{Spec: &postgres.ProjectSpec{DisplayName: "Third project"}},
	}))(t)
	p := must(creating.Wait(ctx))(t)
	if p.Name != "projects/third-project" || p.Status == nil || p.Status.DisplayName != "Third project" {
		t.Fatalf("the new project reads %+v, status %+v", p, p.Status)
	}
	main := p.Name + "/branches/production"
	execute(t, w, main+"/endpoints/primary", "create table origin as select 'production' as branch")

	branching := must(w.Postgres.CreateBranch(ctx, postgres.CreateBranchRequest{
		Parent: p.Name, BranchId: "trial",
		Branch: postgres.Branch{Spec: &postgres.BranchSpec{SourceBranch: main, NoExpiry: true}},
	}))(t)
	b := must(branching.Wait(ctx))(t)
	if b.Name != p.Name+"/branches/trial" || b.Status == nil || b.Status.CurrentState != postgres.BranchStatusStateReady || b.Status.SourceBranch != main {
		t.Fatalf("the new branch reads %+v, status %+v", b, b.Status)
	}
	written := only(t, must(w.Postgres.ListEndpointsAll(ctx, postgres.ListEndpointsRequest{Parent: b.Name}))(t))
	execute(t, w, written.Name, "insert into origin values ('trial')")

	adding := must(w.Postgres.CreateEndpoint(ctx, postgres.CreateEndpointRequest{
		Parent: b.Name, EndpointId: "reports",
		Endpoint: postgres.Endpoint{Spec: &postgres.EndpointSpec{EndpointType: postgres.EndpointTypeEndpointTypeReadOnly, AutoscalingLimitMinCu: 1, AutoscalingLimitMaxCu: 1}},
	}))(t)
	e := must(adding.Wait(ctx))(t)
	if e.Status == nil || e.Status.EndpointType != postgres.EndpointTypeEndpointTypeReadOnly || e.Status.Hosts == nil || e.Status.Hosts.Host == "" {
		t.Fatalf("the new endpoint reads %+v, status %+v", e, e.Status)
	}
	eventually(t, "the read-only endpoint has the branch's rows", func() bool { return count(t, w, e.Name, "origin") == 2 })
	if n := count(t, w, main+"/endpoints/primary", "origin"); n != 1 {
		t.Errorf("the source branch has %d rows, not its own 1", n)
	}

	deleting := must(w.Postgres.DeleteProject(ctx, postgres.DeleteProjectRequest{Name: p.Name}))(t)
	if err := deleting.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := w.Postgres.GetBranch(ctx, postgres.GetBranchRequest{Name: main}) // the project can be undeleted
	isAPIError(t, err, http.StatusNotFound, "NOT_FOUND", apierr.ErrNotFound)
}

func only(t *testing.T, endpoints []postgres.Endpoint) postgres.Endpoint {
	t.Helper()
	if len(endpoints) != 1 {
		t.Fatalf("there are %d endpoints, not one", len(endpoints))
	}
	return endpoints[0]
}

// login returns the address of an endpoint by the SDK, and a token for it.
func login(t *testing.T, w *testsdk.Client, path string) (address, string) {
	t.Helper()
	e := must(w.Postgres.GetEndpoint(t.Context(), postgres.GetEndpointRequest{Name: path}))(t)
	c := must(w.Postgres.GenerateDatabaseCredential(t.Context(), postgres.GenerateDatabaseCredentialRequest{Endpoint: path}))(t)
	return address{host: e.Status.Hosts.Host, port: portOf(t, path), user: user, root: server.RootCertFile()}, c.Token
}

func execute(t *testing.T, w *testsdk.Client, path, statement string) {
	t.Helper()
	a, token := login(t, w, path)
	if _, err := connect(t, a, token).Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func count(t *testing.T, w *testsdk.Client, path, relation string) (rows int) {
	t.Helper()
	a, token := login(t, w, path)
	if err := connect(t, a, token).QueryRow(t.Context(), fmt.Sprintf("select count(*) from %s", relation)).Scan(&rows); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return rows
}
