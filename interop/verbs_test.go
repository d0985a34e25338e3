package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/client"
	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	sdkversion "github.com/databricks/databricks-sdk-go/version"
)

// verb is a command of the Databricks CLI as the call that it makes.
type verb struct {
	command, method, path string
	body                  any
	want                  string // in the reply, or in the message of an error
	code                  string // of an error
}

type body = map[string]any

const (
	shopPath = "/api/2.0/postgres/projects/verbs"
	rootPath = shopPath + "/branches/production"
	instPath = "/api/2.0/database/instances"
)

// verbs are all commands of `databricks postgres` and `databricks database`, in the
// order of a project's and an instance's life.
var verbs = []verb{
	{"postgres create-project", "POST", "/api/2.0/postgres/projects?project_id=verbs", body{"spec": body{"display_name": "Verbs"}, "initial_endpoint_spec": body{"autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 4}}, `"enable_pg_native_login":false`, ""},
	{"postgres list-projects", "GET", "/api/2.0/postgres/projects", nil, `"name":"projects/verbs"`, ""},
	{"postgres get-project", "GET", shopPath, nil, `"display_name":"Verbs"`, ""},
	{"postgres update-project", "PATCH", shopPath + "?update_mask=spec.history_retention_duration", body{"spec": body{"history_retention_duration": "3024000s"}}, `"history_retention_duration":"3024000s"`, ""},
	{"postgres create-branch", "POST", shopPath + "/branches?branch_id=dev", body{"spec": body{"no_expiry": true}}, `"source_branch_lsn"`, ""},
	{"postgres create-branch", "POST", shopPath + "/branches?branch_id=no", body{"spec": body{}}, "Expiration must be specified when creating a branch", "BAD_REQUEST"},
	{"postgres list-branches", "GET", shopPath + "/branches", nil, `"name":"projects/verbs/branches/dev"`, ""},
	{"postgres get-branch", "GET", shopPath + "/branches/dev", nil, `"current_state":"READY"`, ""},
	{"postgres update-branch", "PATCH", shopPath + "/branches/dev?update_mask=spec.expiration", body{"spec": body{"ttl": "86400s"}}, `"expire_time"`, ""},
	{"postgres create-endpoint", "POST", shopPath + "/branches/dev/endpoints?endpoint_id=ro", body{"spec": body{"endpoint_type": "ENDPOINT_TYPE_READ_ONLY", "disabled": true}}, `"disabled":true`, ""},
	{"postgres list-endpoints", "GET", shopPath + "/branches/dev/endpoints", nil, `"read_write_pooled_host"`, ""},
	{"postgres get-endpoint", "GET", rootPath + "/endpoints/primary", nil, `"autoscaling_limit_max_cu":4`, ""},
	{"postgres update-endpoint", "PATCH", rootPath + "/endpoints/primary?update_mask=spec.suspension", body{"spec": body{"suspend_timeout_duration": "600s"}}, `"suspend_timeout_duration":"600s"`, ""},
	{"postgres delete-endpoint", "DELETE", shopPath + "/branches/dev/endpoints/ro", nil, "Empty", ""},
	{"postgres create-role", "POST", rootPath + "/roles?role_id=team", body{"spec": body{"postgres_role": "data-team", "identity_type": "GROUP"}}, `"auth_method":"LAKEBASE_OAUTH_V1"`, ""},
	{"postgres list-roles", "GET", rootPath + "/roles", nil, `"postgres_role":"data-team"`, ""},
	{"postgres get-role", "GET", rootPath + "/roles/team", nil, `"identity_type":"GROUP"`, ""},
	{"postgres update-role", "PATCH", rootPath + "/roles/team?update_mask=spec.attributes.createdb", body{"spec": body{"attributes": body{"createdb": true}}}, `"createdb":true`, ""},
	{"postgres create-database", "POST", rootPath + "/databases?database_id=shop-db", body{"spec": body{"postgres_database": "shop", "role": "projects/verbs/branches/production/roles/team"}}, `"postgres_database":"shop"`, ""},
	{"postgres create-database", "POST", rootPath + "/databases?database_id=shop-db&replace_existing=true", body{"spec": body{"postgres_database": "shop", "role": "projects/verbs/branches/production/roles/team"}}, `"database_id":"shop-db"`, ""},
	{"postgres list-databases", "GET", rootPath + "/databases", nil, `"name":"projects/verbs/branches/production/databases/databricks-postgres"`, ""},
	{"postgres get-database", "GET", rootPath + "/databases/shop-db", nil, `"postgres_database":"shop"`, ""},
	{"postgres update-database", "PATCH", rootPath + "/databases/shop-db?update_mask=spec.postgres_database", body{"spec": body{"postgres_database": "store"}}, `"postgres_database":"store"`, ""},
	{"postgres delete-database", "DELETE", rootPath + "/databases/shop-db", nil, "Empty", ""},
	{"postgres delete-role", "DELETE", rootPath + "/roles/team", nil, "Empty", ""},
	{"postgres generate-database-credential", "POST", "/api/2.0/postgres/credentials", body{"endpoint": "projects/verbs/branches/production/endpoints/primary", "ttl": "300s"}, `"expire_time"`, ""},
	{"permissions get", "GET", "/api/2.0/permissions/database-projects/verbs", nil, `"permission_level":"CAN_MANAGE"`, ""},
	{"permissions set", "PUT", "/api/2.0/permissions/database-projects/verbs", body{"access_control_list": []body{{"group_name": "data-team", "permission_level": "CAN_USE"}}}, `"permission_level":"CAN_USE"`, ""},
	{"permissions update", "PATCH", "/api/2.0/permissions/database-projects/verbs", body{"access_control_list": []body{{"user_name": user, "permission_level": "CAN_USE"}}}, `"group_name":"data-team"`, ""},
	{"permissions get-permission-levels", "GET", "/api/2.0/permissions/database-projects/verbs/permissionLevels", nil, "CAN_USE", ""},
	{"postgres list-catalogs", "GET", "/api/2.0/postgres/catalogs", nil, "not implemented", "NOT_IMPLEMENTED"},
	{"postgres list-synced-tables", "GET", "/api/2.0/postgres/synced_tables", nil, "not implemented", "NOT_IMPLEMENTED"},
	{"postgres get-data-api", "GET", rootPath + "/databases/databricks-postgres/data-api", nil, "the Data API is not implemented", "NOT_IMPLEMENTED"},
	{"postgres list-cdf-configs", "GET", rootPath + "/databases/databricks-postgres/cdf-configs", nil, "change data feeds are not implemented", "NOT_IMPLEMENTED"},
	{"postgres list-cdf-statuses", "GET", rootPath + "/databases/databricks-postgres/cdf-configs/c/cdf-statuses", nil, "change data feeds are not implemented", "NOT_IMPLEMENTED"},
	{"postgres list-snapshots", "GET", shopPath + "/snapshots", nil, "snapshots and backup schedules are not implemented", "NOT_IMPLEMENTED"},
	{"postgres delete-branch", "DELETE", shopPath + "/branches/dev", nil, "Empty", ""},
	{"postgres get-branch", "GET", shopPath + "/branches/dev", nil, `"current_state":"DELETED"`, ""},
	{"postgres undelete-branch", "POST", shopPath + "/branches/dev/undelete", body{}, `"current_state":"READY"`, ""},
	{"postgres delete-branch --purge", "DELETE", shopPath + "/branches/dev?purge=true", nil, "Empty", ""},
	{"postgres delete-project", "DELETE", shopPath, nil, "Empty", ""},
	{"postgres list-projects --show-deleted", "GET", "/api/2.0/postgres/projects?show_deleted=true", nil, `"delete_time"`, ""},
	{"postgres undelete-project", "POST", shopPath + "/undelete", body{}, `"project_id":"verbs"`, ""},
	{"postgres delete-project --purge", "DELETE", shopPath + "?purge=true", nil, "Empty", ""},
	{"postgres get-project", "GET", shopPath, nil, "project id not found", "NOT_FOUND"},

	{"database create-database-instance", "POST", instPath, body{"name": "verbs", "capacity": "CU_1"}, `"state":"STARTING"`, ""},
	{"database list-database-instances", "GET", instPath, nil, `"name":"verbs"`, ""},
	{"database get-database-instance", "GET", instPath + "/verbs", nil, `"read_write_dns"`, ""},
	{"postgres get-project", "GET", shopPath, nil, `"default_branch":"projects/verbs/branches/production"`, ""},
	{"database update-database-instance", "PATCH", instPath + "/verbs?update_mask=capacity", body{"capacity": "CU_2"}, `"effective_capacity":"CU_2"`, ""},
	{"database generate-database-credential", "POST", "/api/2.0/database/credentials", body{"instance_names": []string{"verbs"}, "request_id": "r"}, `"expiration_time"`, ""},
	{"database create-database-instance-role", "POST", instPath + "/verbs/roles", body{"name": "data-team", "identity_type": "GROUP"}, `"identity_type":"GROUP"`, ""},
	{"database list-database-instance-roles", "GET", instPath + "/verbs/roles", nil, `"name":"data-team"`, ""},
	{"database get-database-instance-role", "GET", instPath + "/verbs/roles/data-team", nil, `"instance_name":"verbs"`, ""},
	{"database delete-database-instance-role", "DELETE", instPath + "/verbs/roles/data-team", nil, "{}", ""},
	{"database list-database-catalogs", "GET", instPath + "/verbs/catalogs", nil, "not implemented", "NOT_IMPLEMENTED"},
	{"permissions get", "GET", "/api/2.0/permissions/database-instances/verbs", nil, "access_control_list", ""},
	{"database delete-database-instance", "DELETE", instPath + "/verbs?purge=true", nil, "{}", ""},
	{"database get-database-instance", "GET", instPath + "/verbs", nil, "does not exist", "NOT_FOUND"},
	{"current-user me", "GET", "/api/2.0/preview/scim/v2/Me?excludedAttributes=entitlements", nil, `"userName":"` + user + `"`, ""},
	{"current-user me", "GET", "/api/2.0/preview/scim/v2/Me", nil, `"entitlements"`, ""},
}

// TestEveryVerbOfTheCLI makes the calls of the Databricks CLI by the official SDK's
// own client, which the CLI uses too.
func TestEveryVerbOfTheCLI(t *testing.T) {
	t.Parallel()
	commands := map[string]bool{}
	for _, v := range verbs {
		commands[v.command] = true
	}
	record(t, goSDK+", as the CLI", sdkversion.Version, fmt.Sprintf("%d calls of %d commands of databricks postgres, database and permissions", len(verbs), len(commands)))
	c := must(client.New(&sdkconfig.Config{Host: server.WorkspaceURL(), Token: server.Token(), HTTPTimeoutSeconds: 20, RetryTimeoutSeconds: 20}))(t)
	ctx := brief(t)
	for _, v := range verbs {
		reply, err := v.call(ctx, t, c)
		var refused *apierr.APIError
		switch {
		case v.code != "" && (!errors.As(err, &refused) || refused.ErrorCode != v.code || !strings.Contains(refused.Message, v.want)):
			t.Errorf("databricks %s: got %s, %v; want %s %q", v.command, reply, err, v.code, v.want)
		case v.code == "" && (err != nil || !strings.Contains(reply, v.want)):
			t.Errorf("databricks %s: got %s, %v; want %q", v.command, reply, err, v.want)
		}
		if v.command == "database create-database-instance" {
			eventually(t, "the instance is available", func() bool {
				reply, err := verb{method: "GET", path: instPath + "/verbs"}.call(ctx, t, c)
				return err == nil && strings.Contains(reply, `"AVAILABLE"`)
			})
		}
	}
}

// call returns the reply, or the response of the operation that it begins.
func (v verb) call(ctx context.Context, t *testing.T, c *client.DatabricksClient) (string, error) {
	var reply json.RawMessage
	headers := map[string]string{"Accept": "application/json", "Content-Type": "application/json"}
	if err := c.Do(ctx, v.method, v.path, headers, nil, v.body, &reply); err != nil {
		return "", err
	}
	var op struct {
		Name     string
		Done     *bool
		Response json.RawMessage
		Error    *struct{ Message string }
	}
	if err := json.Unmarshal(reply, &op); err != nil || op.Done == nil {
		return string(reply), nil // no operation
	}
	eventually(t, op.Name, func() bool {
		if !*op.Done {
			if err := c.Do(ctx, http.MethodGet, "/api/2.0/postgres/"+op.Name, headers, nil, nil, &op); err != nil {
				t.Fatal(err)
			}
		}
		return *op.Done
	})
	if op.Error != nil {
		return "", errors.New(op.Error.Message)
	}
	return string(op.Response), nil
}
