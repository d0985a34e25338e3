package local_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/common/types/fieldmask"
	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/service/database"
	"github.com/databricks/databricks-sdk-go/service/postgres"
	"github.com/golang-jwt/jwt/v5"

	"github.com/lakebase-go/lakebase/internal/testkit/testsdk"
	"github.com/lakebase-go/lakebase/local"
)

// sdkClient returns the official client, without the user's profile.
func sdkClient(t *testing.T, s *local.Server, c *config.Config) *testsdk.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c.Host = s.WorkspaceURL()
	c.HTTPTransport = transport
	c.ConfigFile = filepath.Join(t.TempDir(), "none")
	w, err := testsdk.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func patClient(t *testing.T, s *local.Server) *testsdk.Client {
	return sdkClient(t, s, &config.Config{Token: s.Token(), AuthType: "pat"})
}

// claimsOf reads a token as a client may, without the key.
func claimsOf(t *testing.T, token string) jwt.MapClaims {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestSDKReadsInstances(t *testing.T) {
	s := sharedServer(t)
	w, ctx := patClient(t, s), t.Context()

	me, err := w.CurrentUser.Me(ctx)
	if err != nil || me.UserName != s.User() || !me.Active || len(me.Groups) != 1 {
		t.Fatalf("current user: %+v, %v", me, err)
	}
	i, err := w.Database.GetDatabaseInstance(ctx, database.GetDatabaseInstanceRequest{Name: "my-instance"})
	if err != nil {
		t.Fatal(err)
	}
	if i.State != database.DatabaseInstanceStateAvailable || i.ReadWriteDns != clientFor(t, s, "my-instance").host || i.Creator != s.User() {
		t.Errorf("instance: %+v", i)
	}
	byUID, err := w.Database.FindDatabaseInstanceByUid(ctx, database.FindDatabaseInstanceByUidRequest{Uid: i.Uid})
	if err != nil || byUID.Name != "my-instance" {
		t.Errorf("by uid: %+v, %v", byUID, err)
	}
	before := time.Now()
	cred, err := w.Database.GenerateDatabaseCredential(ctx, database.GenerateDatabaseCredentialRequest{InstanceNames: []string{"my-instance"}})
	if err != nil {
		t.Fatal(err)
	}
	expires, err := time.Parse(time.RFC3339, cred.ExpirationTime)
	if err != nil {
		t.Fatal(err)
	}
	if left := expires.Sub(before); left < 59*time.Minute || left > 61*time.Minute {
		t.Errorf("token lives for %v, want an hour", left)
	}
	claims := claimsOf(t, cred.Token)
	if claims["sub"] != s.User() || claims["scope"] != "postgres" || claims["jti"] == "" {
		t.Errorf("claims: %v", claims)
	}
	_, err = w.Database.GenerateDatabaseCredential(ctx, database.GenerateDatabaseCredentialRequest{InstanceNames: []string{"nope"}})
	var refused *apierr.APIError
	if !errors.As(err, &refused) || refused.StatusCode != 404 || refused.Message != "Database instance nope does not exist" {
		t.Errorf("unknown instance: %v", err)
	}
	if !errors.Is(err, apierr.ErrNotFound) {
		t.Errorf("the SDK does not take %v for a missing resource", err)
	}
}

func TestSDKReadsProjects(t *testing.T) {
	s := sharedServer(t)
	w, ctx := patClient(t, s), t.Context()
	const branch = "projects/my-project/branches/production"

	endpoints, err := w.Postgres.ListEndpointsAll(ctx, postgres.ListEndpointsRequest{Parent: branch})
	if err != nil || len(endpoints) != 1 {
		t.Fatalf("endpoints: %+v, %v", endpoints, err)
	}
	e := endpoints[0]
	if e.Name != branch+"/endpoints/primary" || e.Status.EndpointType != postgres.EndpointTypeEndpointTypeReadWrite ||
		e.Status.Hosts.Host == "" || e.Status.SuspendTimeoutDuration.AsDuration() != 24*time.Hour {
		t.Errorf("endpoint: %+v, %+v", e, e.Status)
	}
	cred, err := w.Postgres.GenerateDatabaseCredential(ctx, postgres.GenerateDatabaseCredentialRequest{Endpoint: e.Name})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(cred.ExpireTime.AsTime()); left < 59*time.Minute || left > 61*time.Minute {
		t.Errorf("token lives for %v, want an hour", left)
	}
	if aud := claimsOf(t, cred.Token)["aud"]; aud == nil {
		t.Error("the token names no audience")
	}
	roles, err := w.Postgres.ListRolesAll(ctx, postgres.ListRolesRequest{Parent: branch})
	if err != nil || len(roles) != 1 || roles[0].Status.PostgresRole != s.User() {
		t.Errorf("roles: %+v, %v", roles, err)
	}
	databases, err := w.Postgres.ListDatabasesAll(ctx, postgres.ListDatabasesRequest{Parent: branch})
	if err != nil || len(databases) != 1 || databases[0].Name != branch+"/databases/databricks-postgres" {
		t.Errorf("databases: %+v, %v", databases, err)
	}
}

// TestSDKWaitsForOperations creates, changes and deletes as the SDK does it.
func TestSDKWaitsForOperations(t *testing.T) {
	s := sharedServer(t)
	w, ctx := patClient(t, s), t.Context()
	op, err := w.Postgres.CreateProject(ctx, postgres.CreateProjectRequest{
		ProjectId: "sdk-project", Project: postgres.Project{Spec: &postgres.ProjectSpec{DisplayName: "Made by the SDK"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := op.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if p.Status.DisplayName != "Made by the SDK" || p.Status.DefaultBranch != "projects/sdk-project/branches/production" {
		t.Errorf("project: %+v", p.Status)
	}
	update, err := w.Postgres.UpdateProject(ctx, postgres.UpdateProjectRequest{
		Name: p.Name, Project: postgres.Project{Name: p.Name, Spec: &postgres.ProjectSpec{DisplayName: "Renamed"}},
		UpdateMask: fieldmask.FieldMask{Paths: []string{"spec.display_name"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p, err = update.Wait(ctx); err != nil || p.Status.DisplayName != "Renamed" {
		t.Errorf("renamed project: %+v, %v", p, err)
	}
	deletion, err := w.Postgres.DeleteProject(ctx, postgres.DeleteProjectRequest{Name: p.Name})
	if err != nil {
		t.Fatal(err)
	}
	if err := deletion.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Postgres.GetBranch(ctx, postgres.GetBranchRequest{Name: p.Status.DefaultBranch}); !errors.Is(err, apierr.ErrNotFound) {
		t.Errorf("branch of a deleted project: %v", err)
	}
}

func TestSDKLogsInAsServicePrincipal(t *testing.T) {
	s := sharedServer(t)
	id, secret := s.ServicePrincipal()
	w := sdkClient(t, s, &config.Config{ClientID: id, ClientSecret: secret, AuthType: "oauth-m2m"})
	me, err := w.CurrentUser.Me(t.Context())
	if err != nil || me.UserName != id {
		t.Fatalf("current user: %+v, %v, want %s", me, err, id)
	}
	cred, err := w.Database.GenerateDatabaseCredential(t.Context(), database.GenerateDatabaseCredentialRequest{InstanceNames: []string{"my-instance"}})
	if err != nil || claimsOf(t, cred.Token)["sub"] != id {
		t.Errorf("credential: %v", err)
	}
	wrong := sdkClient(t, s, &config.Config{ClientID: id, ClientSecret: "dosewrong", AuthType: "oauth-m2m"})
	if _, err := wrong.CurrentUser.Me(t.Context()); err == nil {
		t.Error("a wrong secret is accepted")
	}
}
