package interop

import (
	"strings"
	"sync"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/postgres"
	sdkversion "github.com/databricks/databricks-sdk-go/version"
)

// admitOnce is done by the first test that needs it.
var admitOnce sync.Once

// admitServicePrincipal gives the service principal its Postgres roles, as
// their owner has to: by SQL in the instance, through the REST API in the
// project. Being known to the workspace makes no role.
func admitServicePrincipal(t *testing.T) {
	t.Helper()
	admitOnce.Do(func() {
		id, _ := server.ServicePrincipal()
		conn := connect(t, addressOf(t, instance), credential(t, instance))
		for _, statement := range []string{
			"create extension if not exists databricks_auth",
			"select databricks_create_role('" + id + "', 'SERVICE_PRINCIPAL')",
		} {
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		branch, _, _ := strings.Cut(endpoint, "/endpoints/")
		ctx := brief(t)
		creating := must(asUser(t).Postgres.CreateRole(ctx, postgres.CreateRoleRequest{
			Parent: branch, RoleId: "app",
			Role: postgres.Role{Spec: &postgres.RoleRoleSpec{PostgresRole: id, IdentityType: postgres.RoleIdentityTypeServicePrincipal}},
		}))(t)
		role := must(creating.Wait(ctx))(t)
		if role.Name != branch+"/roles/app" || role.Status == nil || role.Status.PostgresRole != id || role.Status.AuthMethod != postgres.RoleAuthMethodLakebaseOauthV1 {
			t.Errorf("the new role reads %+v, status %+v", role, role.Status)
		}
	})
}

func TestGoSDKRoles(t *testing.T) {
	record(t, goSDK+" + pgx", sdkversion.Version, "databricks_create_role by SQL, CreateRole by REST; list roles")
	admitServicePrincipal(t)
	id, _ := server.ServicePrincipal()
	w := asUser(t)
	branch, _, _ := strings.Cut(endpoint, "/endpoints/")
	var inProject, inInstance []string
	for _, r := range must(w.Postgres.ListRolesAll(t.Context(), postgres.ListRolesRequest{Parent: branch, PageSize: 1}))(t) {
		inProject = append(inProject, r.Status.PostgresRole)
	}
	eachOnce(t, inProject, user, id)
	listed := must(w.Database.ListDatabaseInstanceRolesByInstanceName(t.Context(), instance))(t)
	for _, r := range listed.DatabaseInstanceRoles {
		inInstance = append(inInstance, r.Name)
	}
	eachOnce(t, inInstance, user, id)
}
