package doctor_test

import (
	"fmt"
	"testing"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/local"
)

// TestDiagnosisOfWrongPasswords is about the one answer that Lakebase has for a
// missing role, a role of CREATE ROLE and a database without databricks_auth.
func TestDiagnosisOfWrongPasswords(t *testing.T) {
	for _, target := range []string{"my-instance", endpointPath} {
		t.Run(target, func(t *testing.T) {
			s := start(t, target, local.Options{})
			admin := session(t, "")
			principal := func() (string, map[string]string) {
				id, secret := s.ServicePrincipal()
				return id, map[string]string{"DATABRICKS_TOKEN": "", "DATABRICKS_AUTH_TYPE": "", "DATABRICKS_CLIENT_ID": id, "DATABRICKS_CLIENT_SECRET": secret}
			}
			execute(t, admin, "CREATE DATABASE bysql")
			id, without := principal()
			twice := local.Faults{Login: local.LoginFault{Kind: "password", Remaining: 2}} // each login tries another token
			unlisted := login("password")
			unlisted.API = local.APIFault{Status: 403, PathPrefix: "/api/2.0/database/instances/my-instance/roles"}
			if target == endpointPath {
				unlisted.API.PathPrefix = "/api/2.0/postgres/projects/my-project/branches/production/roles"
			}
			for _, d := range []diagnosis{
				{name: "database made by SQL", env: map[string]string{"LAKEBASE_DATABASE_NAME": "bysql"},
					words: []string{`the database "bysql" takes no tokens`, "lacks the extension databricks_auth"}, advice: []string{"CREATE EXTENSION databricks_auth"}},
				{name: "no database", faults: twice, env: map[string]string{"LAKEBASE_DATABASE_NAME": "gone"},
					words: []string{`no database "gone"`}, advice: []string{"unset LAKEBASE_DATABASE_NAME"}},
				{name: "no role", faults: login("password"), env: without,
					words: []string{fmt.Sprintf("no role %q", id)}, advice: []string{"lakebase roles create " + id + " --kind service-principal"}},
				{name: "roles may not be listed", faults: unlisted, env: without,
					words: []string{"does not log in with tokens", "CREATE ROLE"}, advice: []string{"lakebase roles create " + id}},
				{name: "role made by CREATE ROLE", faults: login("password"), env: without, arm: func(t *testing.T) { execute(t, admin, "CREATE ROLE "+quote(id)+" LOGIN") },
					words: []string{"was made by CREATE ROLE", "native password"}, advice: []string{"lakebase roles create " + id}},
				{name: "role of the identity", retry: true, faults: login("password"),
					words: []string{"the role's own identity"}, advice: []string{"try again in a minute"}},
			} {
				t.Run(d.name, func(t *testing.T) {
					d.check, d.kind, d.skipped = "login", lakebase.KindTokenRejected, afterLogin
					setFaults(t, s, d.faults)
					d.verify(t)
				})
			}
		})
	}
}
