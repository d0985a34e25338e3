package interop

import (
	"errors"
	"net/http"
	"testing"

	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/service/database"
	"github.com/databricks/databricks-sdk-go/service/postgres"
	sdkversion "github.com/databricks/databricks-sdk-go/version"

	"github.com/lakebase-go/lakebase/local"
)

func TestGoSDKErrors(t *testing.T) {
	record(t, goSDK, sdkversion.Version, "typed errors: 400, 401, 404, 409")
	ctx, w := t.Context(), asUser(t)
	stranger := workspaceClient(t, &config.Config{Host: server.WorkspaceURL(), Token: "dapi-of-somebody-else"})
	thief := func() error {
		id, _ := server.ServicePrincipal()
		guessed := &config.Config{Host: server.WorkspaceURL(), ClientID: id, ClientSecret: "guessed"}
		_, err := workspaceClient(t, guessed).CurrentUser.Me(ctx)
		return err
	}
	tests := []struct {
		name   string
		call   func() error
		status int
		code   string
		is     error
	}{
		{"missing instance", func() error {
			_, err := w.Database.GetDatabaseInstanceByName(ctx, "no-such-instance")
			return err
		}, http.StatusNotFound, "NOT_FOUND", apierr.ErrNotFound},
		{"missing uid", func() error {
			_, err := w.Database.FindDatabaseInstanceByUid(ctx, database.FindDatabaseInstanceByUidRequest{Uid: "00000000-0000-0000-0000-000000000000"})
			return err
		}, http.StatusNotFound, "NOT_FOUND", apierr.ErrNotFound},
		{"credential for a missing instance", func() error {
			_, err := w.Database.GenerateDatabaseCredential(ctx, database.GenerateDatabaseCredentialRequest{InstanceNames: []string{"no-such-instance"}, RequestId: "r"})
			return err
		}, http.StatusNotFound, "NOT_FOUND", apierr.ErrNotFound},
		{"missing project", func() error {
			_, err := w.Postgres.GetProject(ctx, postgres.GetProjectRequest{Name: "projects/no-such-project"})
			return err
		}, http.StatusNotFound, "NOT_FOUND", apierr.ErrNotFound},
		{"missing endpoint", func() error {
			_, err := w.Postgres.GetEndpoint(ctx, postgres.GetEndpointRequest{Name: endpoint + "-2"})
			return err
		}, http.StatusNotFound, "NOT_FOUND", apierr.ErrNotFound},
		{"credential for a missing endpoint", func() error {
			_, err := w.Postgres.GenerateDatabaseCredential(ctx, postgres.GenerateDatabaseCredentialRequest{Endpoint: endpoint + "-2"})
			return err
		}, http.StatusNotFound, "NOT_FOUND", apierr.ErrNotFound},
		{"project name out of form", func() error {
			_, err := w.Postgres.CreateProject(ctx, postgres.CreateProjectRequest{ProjectId: "No_Good"})
			return err
		}, http.StatusBadRequest, "INVALID_PARAMETER_VALUE", apierr.ErrInvalidParameterValue},
		{"project exists", func() error {
			_, err := w.Postgres.CreateProject(ctx, postgres.CreateProjectRequest{ProjectId: project})
			return err
		}, http.StatusConflict, "ALREADY_EXISTS", apierr.ErrAlreadyExists},
		{"unknown token", func() error {
			_, err := stranger.CurrentUser.Me(ctx)
			return err
		}, http.StatusUnauthorized, "", apierr.ErrUnauthenticated},
		{"unknown token, credential", func() error {
			_, err := stranger.Database.GenerateDatabaseCredential(ctx, database.GenerateDatabaseCredentialRequest{InstanceNames: []string{instance}, RequestId: "r"})
			return err
		}, http.StatusUnauthorized, "", apierr.ErrUnauthenticated},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			isAPIError(t, test.call(), test.status, test.code, test.is)
		})
	}
	t.Run("wrong client secret", func(t *testing.T) {
		if err := thief(); err == nil {
			t.Error("a guessed client secret was accepted")
		} else if looksSecret.MatchString(err.Error()) {
			t.Error("the error shows a secret")
		}
	})
}

// isAPIError demands the SDK's own error with this status and code; "" is
// any code.
func isAPIError(t *testing.T, err error, status int, code string, is error) {
	t.Helper()
	var got *apierr.APIError
	if !errors.As(err, &got) {
		t.Fatalf("the error is a %T: %v", err, err)
	}
	if got.StatusCode != status || code != "" && got.ErrorCode != code || got.Message == "" {
		t.Errorf("the error is %d %s %q, not %d %s", got.StatusCode, got.ErrorCode, got.Message, status, code)
	}
	if !errors.Is(err, is) {
		t.Errorf("the SDK does not take %v for %v", err, is)
	}
}

// limit makes the next call to either credential API fail with status.
func limit(t *testing.T, status int) {
	t.Helper()
	setFaults(t, local.Faults{API: local.APIFault{Status: status, Remaining: 1, PathPrefix: "/api/2.0/postgres/credentials"}})
}
