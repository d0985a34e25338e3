package local_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// TestDeletionsCanBeUndone deletes a branch and a project, which keep their names,
// data, uids and hosts, and undeletes or purges them.
func TestDeletionsCanBeUndone(t *testing.T) {
	t.Parallel()
	o := local.Options{DataDir: testkit.OpenDir(t), Projects: []string{"p", "other"}}
	s, err := local.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(t, s)
	const projects, p = "/api/2.0/postgres/projects", "/api/2.0/postgres/projects/p"
	clientFor(t, s, "projects/p/branches/production/endpoints/primary").execute(t, s, "CREATE TABLE kept (n int)")
	branch := a.wait("POST", p+"/branches?branch_id=dev", object{"spec": object{"no_expiry": true}})
	uid := a.ok("GET", p, nil)["uid"]
	if lsn, _ := at(branch, "status", "source_branch_lsn").(string); !strings.Contains(lsn, "/") || !strings.HasPrefix(branch["uid"].(string), "br-") {
		t.Errorf("branch: %v", branch)
	}

	a.wait("DELETE", p+"/branches/dev", nil)
	deleted := a.ok("GET", p+"/branches/dev", nil)
	if at(deleted, "status", "current_state") != "DELETED" || deleted["delete_time"] == nil || deleted["purge_time"] == nil {
		t.Errorf("deleted branch: %v", deleted)
	}
	count := func(path, field string) int {
		list, _ := a.ok("GET", path, nil)[field].([]any)
		return len(list)
	}
	if live, all := count(p+"/branches", "branches"), count(p+"/branches?show_deleted=true", "branches"); live != 1 || all != 2 {
		t.Errorf("%d branches, %d with deleted ones; want 1, 2", live, all)
	}
	a.refused("GET", p+"/branches/dev/endpoints", nil, 404, "NOT_FOUND", "branch id not found")
	a.refused("DELETE", p+"/branches/dev", nil, 404, "NOT_FOUND", "branch id not found")
	a.refused("POST", p+"/branches?branch_id=dev", object{"spec": object{"no_expiry": true}}, 409, "ALREADY_EXISTS", "branch with such id already exists")
	a.wait("POST", p+"/branches/dev:undelete", object{})
	a.refused("POST", p+"/branches/dev/undelete", object{}, 400, "BAD_REQUEST", "is not deleted")
	clientFor(t, s, "projects/p/branches/dev/endpoints/primary").query(t, s, "SELECT count(*)::text FROM kept")

	a.wait("DELETE", p, nil)
	if got := a.ok("GET", p, nil); got["delete_time"] == nil || got["uid"] != uid {
		t.Errorf("deleted project: %v", got)
	}
	if live, all := count(projects, "projects"), count(projects+"?show_deleted=true", "projects"); live != 1 || all != 2 {
		t.Errorf("%d projects, %d with deleted ones; want 1, 2", live, all)
	}
	a.refused("POST", projects+"?project_id=p", object{}, 409, "ALREADY_EXISTS", "already exists")
	a.refused("GET", p+"/branches", nil, 404, "NOT_FOUND", "project id not found")
	a.refused("POST", "/api/2.0/postgres/credentials", object{"endpoint": "projects/p/branches/production/endpoints/primary"}, 404, "NOT_FOUND", "project id not found")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, o) // it is still there
	a = newAPI(t, s)
	a.refused("POST", p+":revive", object{}, 404, "ENDPOINT_NOT_FOUND", "revive")
	restored := a.wait("POST", p+":undelete", object{})
	if restored["uid"] != uid || restored["delete_time"] != nil {
		t.Errorf("restored: %v", restored)
	}
	clientFor(t, s, "projects/p/branches/production/endpoints/primary").query(t, s, "SELECT count(*)::text FROM kept")
	a.wait("DELETE", p+"/branches/dev?purge=true", nil)
	a.refused("GET", p+"/branches/dev", nil, 404, "NOT_FOUND", "branch id not found")
	a.wait("DELETE", p, nil)
	a.wait("DELETE", p+"?purge=true", nil)
	a.refused("GET", p, nil, 404, "NOT_FOUND", "project id not found")
	a.wait("POST", projects+"?project_id=p", object{})
}

// TestBranchesExpire checks the rules of an expiry, and moves the clock past one.
func TestBranchesExpire(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Projects: []string{"p"}})
	a := newAPI(t, s)
	const branches = "/api/2.0/postgres/projects/p/branches"
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	for _, test := range []struct {
		spec object
		want string
	}{
		{object{}, "Expiration must be specified when creating a branch"},
		{object{"ttl": "3600s", "no_expiry": true}, "exactly one of expire_time, ttl and no_expiry"},
		{object{"no_expiry": false}, "no_expiry must be true"},
		{object{"expire_time": in(-time.Hour)}, "must expire in the future"},
		{object{"ttl": "2678400s"}, "within 30 days"},
		{object{"ttl": "3600s", "is_protected": true}, "protected or default branch cannot expire"},
		{object{"no_expiry": true, "source_branch": "projects/other/branches/production"}, "must point to the branch from the same Project"},
	} {
		resp, body, err := a.try("POST", branches+"?branch_id=b", object{"spec": test.spec})
		if message, _ := body["message"].(string); err != nil || resp.StatusCode != 400 || !strings.Contains(message, test.want) {
			t.Errorf("%v: got %v, %v, want %q", test.spec, body, err, test.want)
		}
	}
	a.refused("PATCH", branches+"/production?update_mask=spec.expiration", object{"spec": object{"ttl": "3600s"}}, 400, "BAD_REQUEST", "default branch cannot expire")
	a.wait("POST", branches+"?branch_id=b", object{"spec": object{"ttl": "3600s"}})
	clientFor(t, s, "projects/p/branches/b/endpoints/primary").query(t, s, "SELECT 'not yet'")
	withFaults(t, s, local.Faults{Tokens: local.TokenFault{ClockSkew: local.Duration(2 * time.Hour)}})
	if got := a.ok("GET", branches+"/b", nil); at(got, "status", "current_state") != "DELETED" {
		t.Errorf("expired: %v", got)
	}
}

// TestProjectsAreCreatedAsRequested checks limits, versions and what is initial.
func TestProjectsAreCreatedAsRequested(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Projects: []string{"p"}, PGVersion: 18})
	a := newAPI(t, s)
	const projects = "/api/2.0/postgres/projects"
	for want, body := range map[string]object{
		"pg_version must be 18, got 17: this local Lakebase runs PostgreSQL": {"spec": object{"pg_version": 17}},
		"between 172800s and 3024000s":                                       {"spec": object{"history_retention_duration": "3024001s"}},
		"differ by at most 16":                                               {"initial_endpoint_spec": object{"autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 18}},
		"at most 64":                                                         {"initial_endpoint_spec": object{"autoscaling_limit_min_cu": 60, "autoscaling_limit_max_cu": 72}},
		"at least 0.5":                                                       {"initial_endpoint_spec": object{"autoscaling_limit_min_cu": 0.25, "autoscaling_limit_max_cu": 1}},
	} {
		a.refused("POST", projects+"?project_id=x", body, 400, "INVALID_PARAMETER_VALUE", want)
	}
	made := a.wait("POST", projects+"?project_id=x", object{
		"spec":                  object{"pg_version": 18, "history_retention_duration": "3024000s"},
		"initial_endpoint_spec": object{"autoscaling_limit_min_cu": 112, "autoscaling_limit_max_cu": 112, "no_suspension": true},
		"initial_branch_spec":   object{"is_protected": true},
	})
	if at(made, "status", "pg_version") != 18.0 || at(made, "status", "enable_pg_native_login") != false || made["spec"] != nil {
		t.Errorf("project: %v", made)
	}
	branch := a.ok("GET", projects+"/x/branches/production", nil)
	e := a.ok("GET", projects+"/x/branches/production/endpoints/primary", nil)
	if at(branch, "status", "is_protected") != true || at(e, "status", "autoscaling_limit_max_cu") != 112.0 || at(e, "status", "no_suspension") != true {
		t.Errorf("branch %v, endpoint %v", branch, e)
	}
	clientFor(t, s, "projects/x/branches/production/endpoints/primary").query(t, s, "SELECT 'used'")
	if used := a.ok("GET", projects+"/x/branches/production/endpoints/primary", nil); at(used, "status", "last_active_time") == nil {
		t.Errorf("endpoint after use: %v", used)
	}
	a.refused("DELETE", projects+"/x", nil, 400, "BAD_REQUEST", "cannot delete protected branch")
}

func TestExistingResourcesAreReplacedOnRequest(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Projects: []string{"p"}})
	a := newAPI(t, s)
	const p = "/api/2.0/postgres/projects/p/branches/production"
	role := object{"spec": object{"postgres_role": "plain", "attributes": object{"createdb": true}}}
	a.wait("POST", p+"/roles?role_id=plain", role)
	a.refused("POST", p+"/roles?role_id=plain", role, 400, "BAD_REQUEST", "already exists")
	replaced := a.wait("POST", p+"/roles?role_id=plain&replace_existing=true", object{"spec": object{"postgres_role": "plain"}})
	if at(replaced, "status", "attributes", "createdb") != false {
		t.Errorf("role: %v", replaced)
	}
	db := object{"spec": object{"postgres_database": "shop", "role": "projects/p/branches/production/roles/plain"}}
	a.wait("POST", p+"/databases?database_id=shop", db)
	db["spec"].(object)["role"] = "projects/p/branches/production/roles/dev-example-com"
	moved := a.wait("POST", p+"/databases?database_id=shop&replace_existing=true", db)
	if at(moved, "status", "role") != "projects/p/branches/production/roles/dev-example-com" {
		t.Errorf("database: %v", moved)
	}
	l := clientFor(t, s, "projects/p/branches/production/endpoints/primary")
	l.database = "shop"
	l.query(t, s, "SELECT 'the API makes databases that take tokens'")
}

func TestPermissionsAreGrantedAndListed(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Instances: []string{"i"}})
	a := newAPI(t, s)
	app, _ := s.ServicePrincipal()
	project := a.ok("GET", "/api/2.0/postgres/projects/i", nil)
	levels := func(acl object) map[string]any {
		found := map[string]any{}
		for _, entry := range acl["access_control_list"].([]any) {
			who := at(entry, "user_name")
			for _, field := range []string{"group_name", "service_principal_name"} {
				if name := at(entry, field); name != nil {
					who = name
				}
			}
			found[who.(string)] = at(at(entry, "all_permissions").([]any)[0], "permission_level")
		}
		return found
	}
	const byName = "/api/2.0/permissions/database-projects/i"
	byUID := "/api/2.0/permissions/database-projects/" + project["uid"].(string)
	a.ok("PATCH", byUID, object{"access_control_list": []object{{"service_principal_name": app, "permission_level": "CAN_USE"}}})
	a.ok("PATCH", byName, object{"access_control_list": []object{{"group_name": "data-team", "permission_level": "CAN_MANAGE"}}})
	got := levels(a.ok("GET", "/api/2.0/permissions/database-instances/i", nil))
	if got[app] != "CAN_USE" || got["data-team"] != "CAN_MANAGE" || got[s.User()] != "CAN_MANAGE" {
		t.Errorf("permissions: %v", got)
	}
	a.ok("PUT", byName, object{"access_control_list": []object{{"group_name": "data-team", "permission_level": "CAN_USE"}}})
	if got := levels(a.ok("GET", byName, nil)); got[app] != nil || got["data-team"] != "CAN_USE" || len(got) != 2 {
		t.Errorf("permissions: %v", got)
	}
	a.refused("PUT", byName, object{"access_control_list": []object{{"user_name": "nobody@example.com", "permission_level": "CAN_USE"}}}, 400, "INVALID_PARAMETER_VALUE", "does not exist")
	a.refused("PUT", byName, object{"access_control_list": []object{{"user_name": s.User(), "permission_level": "ALL"}}}, 400, "INVALID_PARAMETER_VALUE", "CAN_USE or CAN_MANAGE")
	a.refused("GET", "/api/2.0/permissions/database-projects/nope", nil, 404, "NOT_FOUND", "project id not found")
	if all, _ := a.ok("GET", byName+"/permissionLevels", nil)["permission_levels"].([]any); len(all) != 2 {
		t.Errorf("levels: %v", all)
	}
}

// TestUnbuiltCallsSaySo checks the sentence of what is not implemented, and that
// every reply names the workspace.
func TestUnbuiltCallsSaySo(t *testing.T) {
	a := newAPI(t, sharedServer(t))
	for path, what := range map[string]string{
		production + "/data-api":                                                 "the Data API is not implemented in the local Lakebase",
		production + "/databases/databricks-postgres/data-api":                   "the Data API is",
		production + "/databases/databricks-postgres/cdf-configs":                "change data feeds are",
		production + "/databases/databricks-postgres/cdf-configs/x/cdf-statuses": "change data feeds are",
		"/api/2.0/postgres/projects/my-project/snapshots":                        "snapshots and backup schedules are",
		production + "/backup-schedules":                                         "snapshots and backup schedules are",
	} {
		for _, method := range []string{"GET", "POST"} {
			a.refused(method, path, nil, 501, "NOT_IMPLEMENTED", what)
		}
	}
	workspace := a.ok("GET", "/.well-known/databricks-config", nil)["workspace_id"]
	for _, path := range []string{"/api/2.0/preview/scim/v2/Me", "/api/2.0/nothing", "/oidc/jwks.json"} {
		resp, _, err := a.try("GET", path, nil)
		if err != nil || resp.Header.Get("X-Databricks-Org-Id") != workspace {
			t.Errorf("%s: organisation %q, want %v (%v)", path, resp.Header.Get("X-Databricks-Org-Id"), workspace, err)
		}
	}
}

// TestLoginWithoutABrowser gets tokens by an authorization code, a refresh token
// and an exchange, as a command-line client does.
func TestLoginWithoutABrowser(t *testing.T) {
	s := sharedServer(t)
	a := newAPI(t, s)
	server := a.as("").ok("GET", "/oidc/.well-known/oauth-authorization-server", nil)
	a.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	const redirect, verifier = "http://localhost:8020", "a verifier that only this client knows, of 43 characters"
	sum := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {"databricks-cli"}, "redirect_uri": {redirect}, "state": {"mine"}, "scope": {"all-apis offline_access"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	authorize := func(q url.Values) *http.Response {
		resp, err := a.http.Get(server["authorization_endpoint"].(string) + "?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	back, err := authorize(query).Location()
	if err != nil || back.Host != "localhost:8020" || back.Query().Get("state") != "mine" {
		t.Fatalf("redirected to %v, %v", back, err)
	}
	exchange := func(form url.Values) (int, object) {
		resp, err := a.http.PostForm(server["token_endpoint"].(string), form)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var reply object
		if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, reply
	}
	code := url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
	for name, field := range map[string]string{"another verifier": "code_verifier", "another page": "redirect_uri"} {
		wrong := maps.Clone(code)
		wrong.Set(field, "http://localhost:1/")
		if status, reply := exchange(wrong); status != 400 || reply["error"] != "invalid_grant" {
			t.Errorf("%s: %d %v", name, status, reply)
		}
	}
	status, first := exchange(code)
	if status != 200 {
		t.Fatalf("code: %d %v", status, first)
	}
	if status, reply := exchange(code); status != 400 || reply["error"] != "invalid_grant" {
		t.Errorf("a code that has been used: %d %v", status, reply)
	}
	_, refreshed := exchange(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first["refresh_token"].(string)}})
	_, exchanged := exchange(url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {first["access_token"].(string)},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
	})
	for name, reply := range map[string]object{"code": first, "refresh": refreshed, "exchange": exchanged} {
		token, _ := reply["access_token"].(string)
		if me := a.as(token).ok("GET", "/api/2.0/preview/scim/v2/Me", nil); me["userName"] != s.User() {
			t.Errorf("%s: the token is of %v", name, me)
		}
	}
	// A workspace's token opens an instance, and no project.
	l := clientFor(t, s, "my-instance")
	l.password = first["access_token"].(string)
	l.query(t, s, "SELECT 'an instance takes it'")
	l = clientFor(t, s, primaryPath)
	l.password = first["access_token"].(string)
	l.wantRefused(t, s, "ERROR", "XX000", "invalid JWT token audience")

	for field, value := range map[string]string{"redirect_uri": "http://evil.example", "code_challenge_method": "plain", "response_type": "token", "login_hint": "nobody@example.com"} {
		wrong := url.Values{field: {value}}
		for name := range query {
			if name != field {
				wrong[name] = query[name]
			}
		}
		if resp := authorize(wrong); resp.StatusCode != 400 {
			t.Errorf("%s=%s: %d", field, value, resp.StatusCode)
		}
	}
}

// TestWorkspaceCanBeHTTPS has the official SDK use an https URL.
func TestWorkspaceCanBeHTTPS(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Instances: []string{"i"}, RESTTLS: true})
	if !strings.HasPrefix(s.WorkspaceURL(), "https://127.0.0.1:") {
		t.Error(s.WorkspaceURL())
	}
	vars, err := s.Env("")
	if err != nil || valueOf(vars, "SSL_CERT_FILE") != s.RootCertFile() || valueOf(vars, "NODE_EXTRA_CA_CERTS") != s.RootCertFile() {
		t.Errorf("environment: %v, %v", vars, err)
	}
	a := newAPI(t, s)
	a.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.RootCAs()}, DisableKeepAlives: true}
	if config := a.ok("GET", "/.well-known/databricks-config", nil); config["oidc_endpoint"] != s.WorkspaceURL()+"/oidc" {
		t.Errorf("discovery leads to %v", config)
	}
}

// TestCatalogueIsTheServices compares what every database made by the API has with
// public dumps of the service's catalogue.
func TestCatalogueIsTheServices(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Projects: []string{"p"}})
	if err := s.CreateDatabase(t.Context(), "p", "shop"); err != nil {
		t.Fatal(err)
	}
	l := clientFor(t, s, "projects/p/branches/production/endpoints/primary")
	for _, l.database = range []string{"databricks_postgres", "shop"} {
		l.execute(t, s, "CREATE SCHEMA s", "CREATE TABLE s.t (n serial)")
		for sql, want := range map[string]string{
			"SELECT string_agg(rolname, ' ' ORDER BY rolname COLLATE \"C\") FROM pg_roles WHERE rolname ~ '^(cloud|databricks|auth)' AND rolname !~ '[0-9]'": "authenticator cloud_admin databricks_control_plane databricks_gateway databricks_monitor databricks_replicator databricks_superuser",
			"SELECT string_agg(evtname, ' ' ORDER BY evtname COLLATE \"C\") FROM pg_event_trigger":                                                           "on_create_schema on_create_sequence on_create_table_or_view",
			"SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'databricks_create_role'":                                                           "cloud_admin",
			"SELECT has_function_privilege('public', 'databricks_create_role(text,text)', 'EXECUTE')::text":                                                  "true",
			"SELECT nspname::text FROM pg_namespace WHERE nspname = '__db_system'":                                                                           "__db_system",
			"SELECT concat(has_schema_privilege('databricks_reader_' || oid, 's', 'USAGE'), has_table_privilege('databricks_reader_' || oid, 's.t', 'SELECT'), has_table_privilege('databricks_reader_' || oid, 's.t', 'INSERT'), has_table_privilege('databricks_writer_' || oid, 's.t', 'INSERT'), has_sequence_privilege('databricks_writer_' || oid, 's.t_n_seq', 'USAGE')) FROM pg_database WHERE datname = current_database()": "ttftt",
		} {
			if got := l.query(t, s, sql); got != want {
				t.Errorf("%s, %s: got %q, want %q", l.database, sql, got, want)
			}
		}
	}
	l.execute(t, s, "SELECT databricks_create_role('ann@example.com', 'USER')", "CREATE DATABASE bare")
	if got := l.query(t, s, "SELECT admin_option::text FROM pg_auth_members WHERE roleid = '\"ann@example.com\"'::regrole AND member = quote_ident(current_user)::regrole"); got != "true" {
		t.Errorf("the caller has ADMIN: %s", got)
	}
	l.database = "bare"
	l.wantRefused(t, s, "ERROR", "28P01", "password authentication failed for user 'dev@example.com'")
	a := newAPI(t, s)
	a.wait("DELETE", "/api/2.0/postgres/projects/p/branches/production/databases/shop", nil)
	testkit.Eventually(t, "the database's roles are gone", func() bool {
		l.database = "databricks_postgres"
		return l.query(t, s, "SELECT count(*)::text FROM pg_roles WHERE rolname ~ '^databricks_(reader|writer)_[0-9]+$'") == "4"
	})
}

// TestReadOnlyEndpointsAndNativeLoginOnRequest drives what the commands do.
func TestReadOnlyEndpointsAndNativeLoginOnRequest(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Instances: []string{"i"}})
	a := newAPI(t, s)
	added := a.ok("POST", "/local/v1/targets/i:read-only", object{"id": "reader"})["endpoint"]
	if added != "projects/i/branches/production/endpoints/reader" {
		t.Fatalf("endpoint: %v", added)
	}
	l := clientFor(t, s, added.(string))
	if got := l.query(t, s, "SELECT pg_is_in_recovery()::text"); got != "true" {
		t.Errorf("in recovery: %s", got)
	}
	a.ok("POST", "/local/v1/targets/i:native-login", object{})
	if i := a.ok("GET", "/api/2.0/database/instances/i", nil); i["effective_enable_pg_native_login"] != true {
		t.Errorf("instance: %v", i)
	}
	a.ok("POST", "/local/v1/targets/i:native-login", object{"off": true})
	if i := a.ok("GET", "/api/2.0/database/instances/i", nil); i["effective_enable_pg_native_login"] != false {
		t.Errorf("instance: %v", i)
	}
}
