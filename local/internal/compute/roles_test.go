//go:build unix

package compute

import (
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

func TestOwnerHasTheRightsOfTheService(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := startCompute(t)
	var wg sync.WaitGroup
	for range 4 { // concurrently and repeatedly
		wg.Go(func() {
			if err := c.CreateOwner(ctx, `o"dd@example.com`); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	conn := mustLogin(t, c, `o"dd@example.com`)
	for _, sql := range []string{
		"CREATE TABLE mine (x int)", "CREATE SCHEMA s", "CREATE ROLE made LOGIN PASSWORD 'x'", "CREATE DATABASE other",
		"GRANT databricks_superuser TO made", "CREATE EXTENSION IF NOT EXISTS databricks_auth", "ALTER DATABASE databricks_postgres SET work_mem = '5MB'",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if super, _ := oneValue(ctx, conn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"); super != "f" {
		t.Error("it is a superuser")
	}
	if err := c.CreateRole(ctx, Role{Name: "plain", OAuth: true}); err != nil {
		t.Fatal(err)
	}
	_, err := mustLogin(t, c, "plain").Exec(ctx, "CREATE TABLE theirs (x int)")
	wantCode(t, err, "42501")
	for _, name := range []string{"", postgres.Admin, "databricks_gateway", strings.Repeat("x", 64)} {
		if err := c.CreateOwner(ctx, name); err == nil {
			t.Errorf("a role %q was made", name)
		}
	}
}

func TestDatabricksCreateRoleChecksCallers(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := startCompute(t)
	if err := c.CreateOwner(ctx, "owner@example.com"); err != nil {
		t.Fatal(err)
	}
	owner := mustLogin(t, c, "owner@example.com")
	run := func(conn *pgx.Conn, sql string) error {
		_, err := conn.Exec(ctx, sql)
		return err
	}
	for _, sql := range []string{
		"CREATE EXTENSION IF NOT EXISTS databricks_auth",
		"SELECT databricks_create_role('new@example.com', 'USER')",
		"SELECT databricks_create_role('1b2c3d4e-0000-0000-0000-000000000000', 'SERVICE_PRINCIPAL')",
		"SELECT databricks_create_role('Data Team', 'GROUP')",
		"ALTER ROLE \"Data Team\" CREATEROLE",
	} {
		if err := run(owner, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for sql, code := range map[string]string{
		"SELECT databricks_create_role('new@example.com', 'USER')":          "42710",
		"SELECT databricks_create_role('cloud_admin', 'USER')":              "42710",
		"SELECT databricks_create_role('x', 'user')":                        "22023",
		"SELECT databricks_create_role('x', NULL)":                          "22023",
		"SELECT databricks_create_role('', 'USER')":                         "42602",
		"SELECT databricks_create_role(repeat('x', 64), 'USER')":            "42602",
		"SELECT databricks_create_role('pg_x', 'USER')":                     "42939",
		"SET ROLE databricks_superuser; SELECT databricks_create_role(1,2)": "42883",
	} {
		_, err := oneValue(ctx, owner, sql)
		if e := wantCode(t, err, code); e.Message == "" {
			t.Errorf("%s: no message", sql)
		}
	}
	run(owner, "RESET ROLE")

	// The new roles log in with tokens, and have nothing else.
	created := mustLogin(t, c, "new@example.com")
	wantCode(t, run(created, "SELECT databricks_create_role('y', 'USER')"), "42501")
	wantCode(t, run(created, "CREATE ROLE y"), "42501")
	if got := asAdmin(t, c, "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = 'Data Team'"); got != "databricks identity: GROUP" {
		t.Errorf("the type is not recorded: %q", got)
	}
	listed, err := oneValue(ctx, created, "SELECT string_agg(role_name || ' ' || identity_type, ', ' ORDER BY role_name COLLATE \"C\") FROM databricks_list_roles")
	if want := "1b2c3d4e-0000-0000-0000-000000000000 service_principal, Data Team group, new@example.com user, owner@example.com user"; err != nil || listed != want {
		t.Errorf("databricks_list_roles has %q, %v; want %q", listed, err, want)
	}
	// With CREATEROLE it is allowed, within the limits of Postgres.
	team := mustLogin(t, c, "Data Team")
	if err := run(team, "SELECT databricks_create_role('y', 'USER')"); err != nil {
		t.Error(err)
	}
	wantCode(t, run(team, "GRANT cloud_admin TO y"), "42501")
	wantCode(t, run(team, "ALTER ROLE y SUPERUSER"), "42501")

	// A session with a password has not authenticated as an identity.
	asAdmin(t, c, "CREATE ROLE native LOGIN CREATEROLE; GRANT databricks_superuser TO native")
	e := wantCode(t, run(owner, "SET SESSION AUTHORIZATION native"), "42501")
	if !strings.Contains(e.Message, "session authorization") {
		t.Error(e.Message)
	}
	admin, err := c.Admin(ctx, DefaultDatabase)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(ctx)
	if err := run(admin, "SET SESSION AUTHORIZATION native"); err != nil {
		t.Fatal(err)
	}
	if e := wantCode(t, run(admin, "SELECT databricks_create_role('z', 'USER')"), "42501"); !strings.Contains(e.Message, "OAuth") {
		t.Error(e.Message)
	}
}
