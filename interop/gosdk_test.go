package interop

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/service/database"
	"github.com/databricks/databricks-sdk-go/service/postgres"
	sdkversion "github.com/databricks/databricks-sdk-go/version"

	"github.com/lakebase-go/lakebase/internal/testkit/testsdk"
)

const goSDK = "databricks-sdk-go"

// asUser and asServicePrincipal are the two ways to log in to the workspace.
func asUser(t *testing.T) *testsdk.Client {
	t.Helper()
	return workspaceClient(t, &config.Config{Host: server.WorkspaceURL(), Token: server.Token()})
}

func asServicePrincipal(t *testing.T) (w *testsdk.Client, clientID string) {
	t.Helper()
	id, secret := server.ServicePrincipal()
	return workspaceClient(t, &config.Config{Host: server.WorkspaceURL(), ClientID: id, ClientSecret: secret}), id
}

func workspaceClient(t *testing.T, c *config.Config) *testsdk.Client {
	t.Helper()
	c.HTTPTimeoutSeconds, c.RetryTimeoutSeconds = 20, 20 // a broken server must not hold up the run
	w, err := testsdk.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// must ends the test at an error.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestGoSDKIdentities(t *testing.T) {
	record(t, goSDK, sdkversion.Version, "CurrentUser.Me with a personal token and machine to machine")
	me := must(asUser(t).CurrentUser.Me(t.Context()))(t)
	if me.UserName != user || !me.Active || me.Id == "" {
		t.Errorf("the user is %q (active: %v, id: %q), not %q", me.UserName, me.Active, me.Id, user)
	}
	w, clientID := asServicePrincipal(t)
	me = must(w.CurrentUser.Me(t.Context()))(t)
	if me.UserName != clientID {
		t.Errorf("the service principal's user name is %q, not its client id %q", me.UserName, clientID)
	}
	if w.Config.AuthType != "oauth-m2m" {
		t.Errorf("the client logged in by %q, not oauth-m2m", w.Config.AuthType)
	}
}

func TestGoSDKDatabaseInstances(t *testing.T) {
	record(t, goSDK, sdkversion.Version, "Database: get, find by uid, list in pages of one")
	w := asUser(t)
	got := must(w.Database.GetDatabaseInstanceByName(t.Context(), instance))(t)
	if got.Name != instance || got.Uid == "" || got.ReadWriteDns == "" || got.State != database.DatabaseInstanceStateAvailable ||
		got.Creator != user || !strings.HasPrefix(got.PgVersion, "PG_VERSION_") {
		t.Errorf("the instance reads %+v", got)
	}
	if _, err := time.Parse(time.RFC3339, got.CreationTime); err != nil {
		t.Errorf("creation_time: %v", err)
	}
	found := must(w.Database.FindDatabaseInstanceByUid(t.Context(), database.FindDatabaseInstanceByUidRequest{Uid: got.Uid}))(t)
	if found.Name != instance || found.ReadWriteDns != got.ReadWriteDns {
		t.Errorf("uid %s is instance %q at %q", got.Uid, found.Name, found.ReadWriteDns)
	}

	before := server.Stats().APICalls
	all := must(w.Database.ListDatabaseInstancesAll(t.Context(), database.ListDatabaseInstancesRequest{PageSize: 1}))(t)
	var names []string
	for _, i := range all {
		names = append(names, i.Name)
	}
	eachOnce(t, names, instance, "second-instance")
	if calls := server.Stats().APICalls - before; calls < 2 {
		t.Errorf("two pages took %d calls", calls)
	}
}

// eachOnce verifies that paging neither loses nor repeats these.
func eachOnce(t *testing.T, names []string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if i := slices.Index(names, want); i < 0 || slices.Contains(names[i+1:], want) {
			t.Errorf("%s is not listed exactly once: %q", want, names)
		}
	}
}

func TestGoSDKProjects(t *testing.T) {
	record(t, goSDK, sdkversion.Version, "Postgres: get; list projects, branches, endpoints in pages of one")
	w, ctx := asUser(t), t.Context()
	before := server.Stats().APICalls
	projects := must(w.Postgres.ListProjectsAll(ctx, postgres.ListProjectsRequest{PageSize: 1}))(t)
	var names []string
	for _, p := range projects {
		names = append(names, p.Name)
	}
	eachOnce(t, names, "projects/"+project, "projects/second-project")
	if calls := server.Stats().APICalls - before; calls < 2 {
		t.Errorf("two pages took %d calls", calls)
	}

	p := must(w.Postgres.GetProject(ctx, postgres.GetProjectRequest{Name: "projects/" + project}))(t)
	if p.Uid == "" || p.CreateTime == nil || p.Status == nil || p.Status.Owner != user {
		t.Errorf("the project reads %+v, status %+v", p, p.Status)
	}
	branches := must(w.Postgres.ListBranchesAll(ctx, postgres.ListBranchesRequest{Parent: p.Name, PageSize: 1}))(t)
	if len(branches) != 1 || branches[0].Status == nil || !branches[0].Status.Default || branches[0].Status.CurrentState != postgres.BranchStatusStateReady {
		t.Fatalf("the branches are %+v", branches)
	}
	endpoints := must(w.Postgres.ListEndpointsAll(ctx, postgres.ListEndpointsRequest{Parent: branches[0].Name, PageSize: 1}))(t)
	if len(endpoints) != 1 || endpoints[0].Name != endpoint {
		t.Fatalf("the endpoints are %+v, not one at %s", endpoints, endpoint)
	}
	e := must(w.Postgres.GetEndpoint(ctx, postgres.GetEndpointRequest{Name: endpoint}))(t)
	if !strings.HasPrefix(e.Uid, "ep-") || e.Parent != branches[0].Name || e.Status == nil || e.Status.Hosts == nil || e.Status.Hosts.Host == "" {
		t.Fatalf("the endpoint reads %+v, status %+v", e, e.Status)
	}
	if e.Status.EndpointType != postgres.EndpointTypeEndpointTypeReadWrite || e.Status.CurrentState != postgres.EndpointStatusStateActive {
		t.Errorf("the endpoint is a %s in state %s", e.Status.EndpointType, e.Status.CurrentState)
	}
}

func TestGoSDKAndPgxLogIn(t *testing.T) {
	record(t, goSDK+" + pgx", sdkversion.Version+" + "+moduleVersion(t, "github.com/jackc/pgx/v5"),
		"both credential calls, both identities, then a bare pgx login, verify-full")
	admitServicePrincipal(t)
	human := asUser(t)
	machine, clientID := asServicePrincipal(t)
	for _, who := range []struct {
		name string
		w    *testsdk.Client
	}{{user, human}, {clientID, machine}} {
		t.Run("instance/"+who.name, func(t *testing.T) {
			i := must(who.w.Database.GetDatabaseInstanceByName(t.Context(), instance))(t)
			c := must(who.w.Database.GenerateDatabaseCredential(t.Context(), database.GenerateDatabaseCredentialRequest{
				InstanceNames: []string{instance}, RequestId: fmt.Sprintf("%s-%d", "interop", time.Now().UnixNano()),
			}))(t)
			expires := must(time.Parse(time.RFC3339, c.ExpirationTime))(t)
			livesAnHour(t, expires)
			loggedInAs(t, address{host: i.ReadWriteDns, port: portOf(t, instance), user: who.name, root: server.RootCertFile()}, c.Token)
		})
		t.Run("endpoint/"+who.name, func(t *testing.T) {
			e := must(who.w.Postgres.GetEndpoint(t.Context(), postgres.GetEndpointRequest{Name: endpoint}))(t)
			c := must(who.w.Postgres.GenerateDatabaseCredential(t.Context(), postgres.GenerateDatabaseCredentialRequest{Endpoint: endpoint}))(t)
			if c.ExpireTime == nil {
				t.Fatal("the credential has no expire_time")
			}
			livesAnHour(t, c.ExpireTime.AsTime())
			loggedInAs(t, address{host: e.Status.Hosts.Host, port: portOf(t, endpoint), user: who.name, root: server.RootCertFile()}, c.Token)
		})
	}
}

func livesAnHour(t *testing.T, expires time.Time) {
	t.Helper()
	if left := time.Until(expires); left < 59*time.Minute || left > 61*time.Minute {
		t.Errorf("the token lives for %v, not an hour", left)
	}
}

func TestGoSDKRetriesRateLimit(t *testing.T) {
	record(t, goSDK, sdkversion.Version, "retries 429 until it succeeds, and does not retry 500")
	w := asUser(t)
	request := postgres.GenerateDatabaseCredentialRequest{Endpoint: endpoint}
	before := server.Stats()
	limit(t, http.StatusTooManyRequests)
	c := must(w.Postgres.GenerateDatabaseCredential(t.Context(), request))(t)
	after := server.Stats()
	if calls, minted := after.CredentialCalls-before.CredentialCalls, after.TokensMinted-before.TokensMinted; c.Token == "" || calls != 2 || minted != 1 {
		t.Errorf("%d calls minted %d tokens, not 2 and 1", calls, minted)
	}

	before = after
	limit(t, http.StatusInternalServerError)
	_, err := w.Postgres.GenerateDatabaseCredential(t.Context(), request)
	isAPIError(t, err, http.StatusInternalServerError, "INTERNAL_ERROR", apierr.ErrInternalError)
	if calls := server.Stats().CredentialCalls - before.CredentialCalls; calls != 1 {
		t.Errorf("a 500 took %d calls, not 1", calls)
	}
}

// brief is a context for operations that should take seconds; the SDK looks
// at them less and less often.
func brief(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
