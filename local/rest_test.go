package local_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/local"
)

const production = "/api/2.0/postgres/projects/my-project/branches/production"

func TestAPIAuthenticatesCallers(t *testing.T) {
	s := sharedServer(t)
	a := newAPI(t, s)
	const me = "/api/2.0/preview/scim/v2/Me"
	a.as("").refused("GET", me, nil, 401, "UNAUTHENTICATED", "Credential was not sent")
	body := a.as("dapi0000").refused("GET", me, nil, 401, "UNAUTHENTICATED", "Invalid access token")
	details, _ := body["details"].([]any)
	if len(details) != 2 || at(details[0], "@type") != "type.googleapis.com/google.rpc.ErrorInfo" ||
		at(details[1], "@type") != "type.googleapis.com/google.rpc.RequestInfo" || at(details[1], "request_id") == "" {
		t.Errorf("details: %v", details)
	}
	database := a.ok("POST", "/api/2.0/postgres/credentials", object{"endpoint": "projects/my-project/branches/production/endpoints/primary"})
	a.as(database["token"].(string)).refused("GET", me, nil, 401, "UNAUTHENTICATED", "Invalid access token")

	name, token := s.Outsider()
	outsider := a.as(token)
	if got := outsider.ok("GET", me, nil)["userName"]; got != name {
		t.Errorf("outsider is %v", got)
	}
	for _, path := range []string{"/api/2.0/database/instances/my-instance", production + "/endpoints", "/api/2.0/postgres/projects"} {
		outsider.refused("GET", path, nil, 403, "PERMISSION_DENIED", name+" does not have permission")
	}
	outsider.refused("POST", "/api/2.0/postgres/credentials", object{"endpoint": "x"}, 403, "PERMISSION_DENIED", "")
	outsider.refused("GET", "/local/v1/principals", nil, 403, "PERMISSION_DENIED", "")
	a.refused("GET", "/api/2.0/nothing", nil, 404, "ENDPOINT_NOT_FOUND", "No API found for 'GET /api/2.0/nothing'")
	a.refused("PUT", "/api/2.0/database/instances", nil, 404, "ENDPOINT_NOT_FOUND", "")
}

func TestOAuthDiscoveryAndClientCredentials(t *testing.T) {
	s := sharedServer(t)
	a := newAPI(t, s).as("")
	host := a.ok("GET", "/.well-known/databricks-config", nil)
	if host["oidc_endpoint"] != s.WorkspaceURL()+"/oidc" || host["host_type"] != "workspace" || host["workspace_id"] == "" {
		t.Errorf("host metadata: %v", host)
	}
	server := a.ok("GET", "/oidc/.well-known/oauth-authorization-server", nil)
	if keys := a.ok("GET", "/oidc/jwks.json", nil)["keys"].([]any); len(keys) != 1 || at(keys[0], "alg") != "RS256" {
		t.Errorf("keys: %v", keys)
	}
	id, secret := s.ServicePrincipal()
	for _, test := range []struct {
		name, id, secret string
		form             url.Values
		status           int
		code             string
	}{
		{"basic", id, secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"all-apis"}}, 200, ""},
		{"form", "", "", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}, 200, ""},
		{"wrong secret", id, "wrong", url.Values{"grant_type": {"client_credentials"}}, 401, "invalid_client"},
		{"no credentials", "", "", url.Values{"grant_type": {"client_credentials"}}, 401, "invalid_client"},
		{"a user", s.User(), s.Token(), url.Values{"grant_type": {"client_credentials"}}, 401, "invalid_client"},
		{"another grant", id, secret, url.Values{"grant_type": {"password"}}, 400, "unsupported_grant_type"},
	} {
		// A reader of unknown length makes the request chunked, as the SDK's is.
		req, err := http.NewRequest("POST", server["token_endpoint"].(string), io.MultiReader(strings.NewReader(test.form.Encode())))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if test.id != "" {
			req.SetBasicAuth(test.id, test.secret)
		}
		resp, err := a.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var reply object
		err = json.NewDecoder(resp.Body).Decode(&reply)
		resp.Body.Close()
		if err != nil || resp.StatusCode != test.status || test.code != "" && reply["error"] != test.code {
			t.Errorf("%s: got %d %v, %v", test.name, resp.StatusCode, reply, err)
		}
		if test.status == 200 && reply["expires_in"] != 3600.0 {
			t.Errorf("%s: %v", test.name, reply)
		}
	}
}

func TestHTTPAndHTTPSShareAPort(t *testing.T) {
	s := sharedServer(t)
	a := newAPI(t, s)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.RootCAs()}}
	t.Cleanup(transport.CloseIdleConnections)
	a.http = &http.Client{Transport: transport}
	plain := s.WorkspaceURL()
	for _, host := range []string{"127.0.0.1", "localhost"} {
		a.url = strings.Replace("https"+strings.TrimPrefix(plain, "http"), "127.0.0.1", host, 1)
		config := a.ok("GET", "/.well-known/databricks-config", nil)
		if config["oidc_endpoint"] != a.url+"/oidc" {
			t.Errorf("%s: discovery leads to %v", a.url, config["oidc_endpoint"])
		}
	}
}

func TestInstanceCallsFailAsOnTheService(t *testing.T) {
	a := newAPI(t, sharedServer(t))
	const instances = "/api/2.0/database/instances"
	a.refused("GET", instances+"/nope", nil, 404, "NOT_FOUND", "Database instance nope does not exist")
	a.refused("DELETE", instances+"/nope", nil, 404, "NOT_FOUND", "Database instance nope does not exist")
	a.refused("GET", instances+":findByUid?uid=nope", nil, 404, "NOT_FOUND", "Database instance nope does not exist")
	a.refused("GET", instances+":findByUid", nil, 400, "INVALID_PARAMETER_VALUE", "Field 'uid' is required")
	a.refused("POST", instances, object{"name": "my-instance"}, 409, "ALREADY_EXISTS", "already exists")
	a.refused("POST", instances, object{"name": "No_Good"}, 400, "INVALID_PARAMETER_VALUE", "must match pattern ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$, got 'No_Good'.")
	a.refused("POST", instances, object{}, 400, "INVALID_PARAMETER_VALUE", "Field 'name' is required")
	a.refused("POST", instances, object{"name": "x1", "capacity": "CU_3"}, 400, "INVALID_PARAMETER_VALUE", "CU_1, CU_2, CU_4, CU_8")
	a.refused("POST", instances, "not an object", 400, "MALFORMED_REQUEST", "Could not parse request object")
	a.refused("PATCH", instances+"/my-instance", object{}, 400, "INVALID_PARAMETER_VALUE", "Field 'update_mask' is required")
	a.refused("PATCH", instances+"/my-instance?update_mask=uid", object{}, 400, "INVALID_PARAMETER_VALUE", "Unknown field path in update_mask: 'uid'")
	a.refused("GET", instances+"?page_size=1000", nil, 400, "INVALID_PARAMETER_VALUE", "page_size")
	a.refused("GET", instances+"?page_token=x", nil, 400, "INVALID_PARAMETER_VALUE", "page_token")
	a.refused("POST", "/api/2.0/database/credentials", object{"request_id": "x"}, 400, "INVALID_PARAMETER_VALUE", "instance_names")
	a.refused("POST", "/api/2.0/database/catalogs", object{}, 501, "NOT_IMPLEMENTED", "catalogs")
	a.refused("GET", instances+"/my-instance/roles/nobody", nil, 404, "NOT_FOUND", `role not found; role_id:"nobody"`)
}

func TestProjectCallsFailAsOnTheService(t *testing.T) {
	a := newAPI(t, sharedServer(t))
	const projects = "/api/2.0/postgres/projects"
	a.refused("GET", projects+"/nope", nil, 404, "NOT_FOUND", "project id not found [TraceId: ")
	a.refused("GET", projects+"/nope/branches/production", nil, 404, "NOT_FOUND", "project id not found")
	a.refused("GET", projects+"/my-project/branches/nope", nil, 404, "NOT_FOUND", "branch id not found")
	a.refused("GET", production+"/endpoints/nope", nil, 404, "NOT_FOUND", "endpoint id not found")
	a.refused("GET", production+"/databases/nope", nil, 404, "NOT_FOUND", "database id not found")
	a.refused("GET", production+"/roles/nope", nil, 404, "NOT_FOUND", `role not found; role_id:"nope" [TraceId`)
	a.refused("GET", projects+"/my-project/operations/nope", nil, 404, "NOT_FOUND", "operation id not found")
	a.refused("POST", projects, object{}, 400, "INVALID_PARAMETER_VALUE", `Field 'project_id' is required, expected non-default value (not "")!`)
	a.refused("POST", projects+"?project_id=my-project", object{}, 409, "ALREADY_EXISTS", "project with such id already exists in the workspace")
	a.refused("POST", projects+"?project_id=Bad_ID", object{}, 400, "INVALID_PARAMETER_VALUE", "Field project_id must match pattern ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$, got 'Bad_ID'.")
	a.refused("POST", projects+"?project_id=p3", object{"spec": object{"pg_version": 9}}, 400, "INVALID_PARAMETER_VALUE", "pg_version")
	a.refused("POST", projects+"/my-project/branches?branch_id=production", object{}, 409, "ALREADY_EXISTS", "branch with such id already exists")
	a.refused("POST", projects+"/my-project/branches?branch_id=b2", object{"spec": object{"source_branch": "projects/my-project/branches/x"}}, 404, "NOT_FOUND", "branch id not found")
	readWrite := object{"spec": object{"endpoint_type": "ENDPOINT_TYPE_READ_WRITE"}}
	a.refused("POST", production+"/endpoints?endpoint_id=primary", readWrite, 409, "ALREADY_EXISTS", "endpoint with such id already exists")
	a.refused("POST", production+"/endpoints?endpoint_id=second", readWrite, 400, "BAD_REQUEST", "already has a read-write endpoint")
	a.refused("POST", production+"/endpoints?endpoint_id=second", object{}, 400, "INVALID_PARAMETER_VALUE", "endpoint_type")
	a.refused("PATCH", production+"/endpoints/primary?update_mask=spec.suspend_timeout_duration", object{}, 400, "INVALID_PARAMETER_VALUE", "Unknown field path in update_mask: 'spec.suspend_timeout_duration'")
	a.refused("PATCH", production+"/endpoints/primary?update_mask=spec.suspension", object{"spec": object{"suspend_timeout_duration": "5s"}}, 400, "INVALID_PARAMETER_VALUE", "between 60s and 604800s")
	a.refused("PATCH", production+"/endpoints/primary?update_mask=spec.suspension", object{"spec": object{"suspend_timeout_duration": "5m"}}, 400, "INVALID_PARAMETER_VALUE", "is not a duration")

	managed := a.refused("DELETE", production+"/endpoints/primary", nil, 400, "BAD_REQUEST", "Read-write endpoints cannot be deleted")
	details, _ := managed["details"].([]any)
	if len(details) != 2 || at(details[0], "metadata", "declarative_context") != "MANAGED_BY_PARENT" {
		t.Errorf("details: %v", details)
	}
	a.refused("DELETE", production, nil, 400, "BAD_REQUEST", "Root branches cannot be deleted independently")
	a.refused("POST", production+"/databases?database_id=Bad_ID", object{}, 400, "INVALID_PARAMETER_VALUE", "Field database_id must match pattern ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$, got 'Bad_ID'.")
	a.refused("POST", production+"/databases?database_id=d2", object{}, 400, "INVALID_PARAMETER_VALUE", "Field 'database.spec.role' is required")
	a.refused("POST", production+"/roles?role_id=someone", object{"spec": object{"postgres_role": "nobody@example.com", "identity_type": "USER"}}, 400, "INVALID_PARAMETER_VALUE", "does not exist in the workspace")
	a.refused("POST", production+"/roles?role_id=1bad", object{"spec": object{"postgres_role": "x"}}, 400, "INVALID_PARAMETER_VALUE", "Field role_id must match pattern")
	a.refused("GET", "/api/2.0/postgres/catalogs/x", nil, 501, "NOT_IMPLEMENTED", "catalogs")
}

func TestCredentialLifetimeIsAsRequested(t *testing.T) {
	a := newAPI(t, sharedServer(t))
	const credentials = "/api/2.0/postgres/credentials"
	const endpoint = "projects/my-project/branches/production/endpoints/primary"
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	for _, test := range []struct {
		request object
		want    time.Duration // zero: refused
	}{
		{object{}, time.Hour},
		{object{"ttl": "300s"}, 5 * time.Minute},
		{object{"ttl": "3600s"}, time.Hour},
		{object{"ttl": "600.5s"}, 601 * time.Second},
		{object{"ttl": "299s"}, 0},
		{object{"ttl": "3601s"}, 0},
		{object{"ttl": "-300s"}, 0},
		{object{"ttl": "5m"}, 0},
		{object{"ttl": 300}, 0},
		{object{"expire_time": in(10 * time.Minute)}, 10 * time.Minute},
		{object{"expire_time": in(5 * time.Minute)}, 5 * time.Minute},
		{object{"expire_time": in(2 * time.Hour)}, 0},
		{object{"expire_time": in(-time.Minute)}, 0},
		{object{"ttl": "300s", "expire_time": in(5 * time.Minute)}, 0},
	} {
		test.request["endpoint"] = endpoint
		resp, body, err := a.try("POST", credentials, test.request)
		if err != nil {
			t.Fatal(err)
		}
		if test.want == 0 {
			if resp.StatusCode != 400 {
				t.Errorf("%v: got %d %v, want 400", test.request, resp.StatusCode, body)
			}
			continue
		}
		if resp.StatusCode != 200 {
			t.Errorf("%v: got %d %v", test.request, resp.StatusCode, body)
			continue
		}
		expires, err := time.Parse(time.RFC3339, body["expire_time"].(string))
		if left := time.Until(expires); err != nil || left < test.want-10*time.Second || left > test.want+2*time.Second {
			t.Errorf("%v: lives for %v, want %v (%v)", test.request, left, test.want, err)
		}
		if exp := claimsOf(t, body["token"].(string))["exp"].(float64); int64(exp) != expires.Unix() {
			t.Errorf("%v: the token says %v, the answer %v", test.request, exp, expires.Unix())
		}
	}
	a.refused("POST", credentials, object{"endpoint": endpoint, "ttl": "60s"}, 400, "INVALID_PARAMETER_VALUE", "Field 'ttl' must be between 300s and 3600s from now, got 1m0s.")
	a.refused("POST", credentials, object{}, 400, "INVALID_PARAMETER_VALUE", "Field 'endpoint' is required")
	a.refused("POST", credentials, object{"endpoint": "projects/my-project/branches/production/endpoints/nope"}, 404, "NOT_FOUND", "endpoint id not found")
	a.refused("POST", credentials, object{"endpoint": "my-project"}, 400, "INVALID_PARAMETER_VALUE", "is not a path of the form")
	a.refused("POST", credentials, object{"endpoint": "projects/my-project"}, 400, "INVALID_PARAMETER_VALUE", "is not a path of the form")
	claims := []object{{"permission_set": "READ_ONLY", "resources": []object{{"table_name": "c.s.t"}}}}
	token := a.ok("POST", credentials, object{"endpoint": endpoint, "claims": claims})["token"].(string)
	if c := claimsOf(t, token)["lakebase_claims"]; c == nil {
		t.Error("the claims are not in the token")
	}
	claims[0]["permission_set"] = "ALL"
	a.refused("POST", credentials, object{"endpoint": endpoint, "claims": claims}, 400, "INVALID_PARAMETER_VALUE", "READ_ONLY")
	a.ok("POST", "/api/2.0/database/credentials", object{"claims": []object{{"permission_set": "READ_ONLY", "resources": []object{{"table_name": "t"}}}}})
}

// TestListsHavePages reads lists page by page.
func TestListsHavePages(t *testing.T) {
	a := newAPI(t, sharedServer(t))
	for i := range 3 {
		path := fmt.Sprintf("%s/endpoints?endpoint_id=reader-%d", production, i)
		a.wait("POST", path, object{"spec": object{"endpoint_type": "ENDPOINT_TYPE_READ_ONLY", "disabled": true}})
		defer a.wait("DELETE", fmt.Sprintf("%s/endpoints/reader-%d", production, i), nil)
	}
	walk := func(path, field string) (names []string, pages int) {
		for token := ""; ; {
			reply := a.ok("GET", path+"?page_size=2&page_token="+token, nil)
			pages++
			list, _ := reply[field].([]any)
			for _, item := range list {
				names = append(names, at(item, "name").(string))
			}
			if token, _ = reply["next_page_token"].(string); token == "" {
				return names, pages
			}
		}
	}
	names, pages := walk(production+"/endpoints", "endpoints")
	if len(names) != 4 || pages != 2 || len(slices.Compact(slices.Sorted(slices.Values(names)))) != 4 {
		t.Errorf("endpoints: %v on %d pages, want 4 on 2", names, pages)
	}
	names, pages = walk("/api/2.0/database/instances", "database_instances")
	if len(names) != 1 || pages != 1 {
		t.Errorf("instances: %v on %d pages", names, pages)
	}
}

func TestRolesAndDatabasesOfBranches(t *testing.T) {
	s := sharedServer(t)
	a := newAPI(t, s)
	const p = production
	app, _ := s.ServicePrincipal()

	role := a.wait("POST", p+"/roles?role_id=app-role", object{"spec": object{"postgres_role": app, "identity_type": "SERVICE_PRINCIPAL", "attributes": object{"createdb": true}}})
	if at(role, "status", "auth_method") != "LAKEBASE_OAUTH_V1" || at(role, "status", "attributes", "createdb") != true || at(role, "status", "role_id") != "app-role" {
		t.Errorf("role: %v", role)
	}
	a.refused("POST", p+"/roles?role_id=app-role", object{"spec": object{"postgres_role": "other"}}, 400, "BAD_REQUEST", "role with that name already exists")
	a.wait("POST", p+"/roles?role_id=plain", object{"spec": object{"postgres_role": "plain_role"}})
	if got := a.ok("GET", p+"/roles/plain", nil); at(got, "status", "auth_method") != "PG_PASSWORD_SCRAM_SHA_256" || at(got, "status", "identity_type") != "IDENTITY_TYPE_UNSPECIFIED" {
		t.Errorf("native role: %v", got)
	}
	changed := a.wait("PATCH", p+"/roles/plain?update_mask=spec.attributes.createrole,spec.membership_roles",
		object{"spec": object{"attributes": object{"createrole": true, "createdb": true}, "membership_roles": []string{"DATABRICKS_SUPERUSER"}}})
	if at(changed, "status", "attributes", "createrole") != true || at(changed, "status", "attributes", "createdb") != false || at(changed, "status", "membership_roles") == nil {
		t.Errorf("changed role: %v", changed)
	}

	const owner = "projects/my-project/branches/production/roles/app-role"
	db := a.wait("POST", p+"/databases?database_id=app-db", object{"spec": object{"postgres_database": "app_db", "role": owner}})
	if at(db, "status", "postgres_database") != "app_db" || at(db, "status", "role") != owner {
		t.Errorf("database: %v", db)
	}
	a.refused("POST", p+"/databases?database_id=app-db", object{"spec": object{"postgres_database": "x", "role": owner}}, 400, "BAD_REQUEST", "database with that name already exists")
	a.refused("DELETE", p+"/roles/app-role", nil, 400, "BAD_REQUEST", "some objects depend on it")
	a.wait("PATCH", p+"/databases/app-db?update_mask=spec.postgres_database", object{"spec": object{"postgres_database": "renamed"}})
	if got := a.ok("GET", p+"/databases/app-db", nil); at(got, "status", "postgres_database") != "renamed" {
		t.Errorf("renamed database: %v", got)
	}
	a.wait("DELETE", p+"/roles/app-role?reassign_owned_to=projects/my-project/branches/production/roles/plain", nil)
	if got := a.ok("GET", p+"/databases/app-db", nil); at(got, "status", "role") != "projects/my-project/branches/production/roles/plain" {
		t.Errorf("inherited database: %v", got)
	}
	a.wait("DELETE", p+"/databases/app-db", nil)
	a.wait("DELETE", p+"/roles/plain", nil)
	a.refused("GET", p+"/databases/app-db", nil, 404, "NOT_FOUND", "database id not found")
}

func TestRolesOfInstances(t *testing.T) {
	s := sharedServer(t)
	a := newAPI(t, s)
	const roles = "/api/2.0/database/instances/my-instance/roles"
	made := a.ok("POST", roles, object{"name": "data-team", "identity_type": "GROUP", "membership_role": "DATABRICKS_SUPERUSER", "attributes": object{"createrole": true}})
	if made["identity_type"] != "GROUP" || at(made, "effective_attributes", "createrole") != true {
		t.Errorf("created: %v", made)
	}
	a.ok("POST", roles, object{"name": "plain", "identity_type": "PG_ONLY"})
	a.refused("POST", roles, object{"name": "plain", "identity_type": "PG_ONLY"}, 409, "ALREADY_EXISTS", "role with that name already exists")
	list, _ := a.ok("GET", roles, nil)["database_instance_roles"].([]any)
	var names []string
	for _, r := range list {
		names = append(names, at(r, "name").(string)+" "+at(r, "identity_type").(string))
	}
	want := []string{"data-team GROUP", s.User() + " USER", "plain PG_ONLY"}
	if !slices.Equal(names, want) {
		t.Errorf("roles: %q, want %q", names, want)
	}
	if got := a.ok("GET", roles+"/data-team", nil); got["membership_role"] != "DATABRICKS_SUPERUSER" {
		t.Errorf("role: %v", got)
	}
	a.ok("DELETE", roles+"/data-team", nil)
	a.ok("DELETE", roles+"/plain", nil)
	a.refused("DELETE", roles+"/plain", nil, 404, "NOT_FOUND", "role not found")
	a.ok("DELETE", roles+"/plain?allow_missing=true", nil)
}

func TestStatusPageShowsEndpointsAndFaults(t *testing.T) {
	s := sharedServer(t)
	withFaults(t, s, local.Faults{API: local.APIFault{Status: 503, Probability: 0.5, PathPrefix: "/none"}})
	a := newAPI(t, s)
	resp, err := a.http.Get(s.WorkspaceURL() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp.StatusCode, err)
	}
	for _, want := range []string{"my-instance", "projects/my-project/branches/production/endpoints/primary", s.PostgresAddr(), `http-equiv="refresh"`, "api.probability=0.5", "api.path_prefix=/none"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	_, secret := s.ServicePrincipal()
	for _, hidden := range []string{s.Token(), secret} {
		if strings.Contains(string(page), hidden) {
			t.Error("the page shows a secret")
		}
	}
}

// A name that an attacker makes resolve to a loopback address does not let the
// attacker's page read the status page.
func TestStatusPageRefusesRebinding(t *testing.T) {
	s := sharedServer(t)
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:1": 200, "127.0.0.1": 200, "[::1]": 200, "[::1]:80": 200,
		"evil.example": 421, "evil.example:9090": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "192.0.2.1": 421,
	} {
		req := httptest.NewRequest("GET", s.WorkspaceURL()+"/", nil)
		req.RequestURI, req.Host = "", host
		resp, err := newAPI(t, s).http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want || strings.Contains(string(page), "my-instance") != (want == 200) {
			t.Errorf("Host %s: %d, %v", host, resp.StatusCode, err)
		}
	}
}

// The host of a request is not trusted: a page elsewhere may have sent a browser
// here.
func TestDiscoveryRepeatsLoopbackHostsOnly(t *testing.T) {
	s := sharedServer(t)
	req := httptest.NewRequest("GET", s.WorkspaceURL()+"/.well-known/databricks-config", nil)
	req.RequestURI, req.Host = "", "attacker.example.com"
	resp, err := newAPI(t, s).http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || strings.Contains(string(body), "attacker") {
		t.Errorf("got %s, %v", body, err)
	}
}
