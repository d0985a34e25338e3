package roles_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/roles"
)

// TestAccess grants and revokes, and reads the role's privileges after each.
func TestAccess(t *testing.T) {
	t.Parallel()
	instance := newInstance(t)
	a, conn := open(t, instance), session(t, instance)
	create(t, a, "reader@example.com", roles.User)
	execute(t, conn, "CREATE SCHEMA sales", "CREATE TABLE sales.orders (id serial, n int)", "CREATE VIEW sales.v AS SELECT 1 AS one")
	can := func(privilege, table string) bool {
		return ask[bool](t, conn, "select has_schema_privilege('reader@example.com', 'sales', 'USAGE') and has_table_privilege('reader@example.com', $1, $2)", table, privilege)
	}
	future := 0
	apply := func(access roles.Access, revoke bool, creators ...string) []string {
		t.Helper()
		notes, err := a.Apply(t.Context(), roles.Plan{Role: "reader@example.com", Database: a.Database(), Schemas: []string{"sales"}, Access: access, Creators: creators, Revoke: revoke})
		if err != nil {
			t.Fatal(err)
		}
		return notes
	}
	newTable := func() string {
		future++
		name := "sales.later" + string(rune('a'+future))
		execute(t, conn, "CREATE TABLE "+name+" (n int)")
		return name
	}
	check := func(step string, want map[string]bool) {
		t.Helper()
		later := newTable()
		for privilege, allowed := range want {
			for _, table := range []string{"sales.orders", later} {
				if got := can(privilege, table); got != allowed {
					t.Errorf("%s: %s on %s is %v", step, privilege, table, got)
				}
			}
		}
	}
	check("at first", map[string]bool{"SELECT": false})
	apply(roles.Read, false)
	check("read", map[string]bool{"SELECT": true, "INSERT": false})
	apply(roles.Write, false)
	check("write", map[string]bool{"SELECT": true, "INSERT": true, "UPDATE": true, "DELETE": true, "TRUNCATE": false})
	if !ask[bool](t, conn, "select has_sequence_privilege('reader@example.com', 'sales.orders_id_seq', 'USAGE')") {
		t.Error("write: no next value of the sequence")
	}
	apply(roles.All, false)
	check("all", map[string]bool{"SELECT": true, "TRUNCATE": true})
	if !ask[bool](t, conn, "select has_schema_privilege('reader@example.com', 'sales', 'CREATE')") {
		t.Error("all: no CREATE on the schema")
	}
	apply(roles.Write, true)
	check("without write", map[string]bool{"SELECT": true, "INSERT": false, "UPDATE": false, "DELETE": false})
	apply(roles.All, true)
	check("without all", map[string]bool{"SELECT": false, "INSERT": false})
	if ask[bool](t, conn, "select has_schema_privilege('reader@example.com', 'sales', 'USAGE')") {
		t.Error("without all: the role may still use the schema")
	}

	execute(t, conn, "GRANT SELECT ON sales.orders TO PUBLIC", "GRANT USAGE ON SCHEMA sales TO PUBLIC")
	if notes := apply(roles.All, true); len(notes) != 1 || !strings.Contains(notes[0], "still has privileges on sales.orders, schema sales, by a grant to PUBLIC") {
		t.Errorf("notes %q", notes)
	}
	// Tables that others create are not covered, and a note says so.
	create(t, a, "maker@example.com", roles.User)
	execute(t, conn, `GRANT "maker@example.com" TO "dev@example.com"`, `GRANT ALL ON SCHEMA sales TO "maker@example.com"`,
		`SET ROLE "maker@example.com"`, "CREATE TABLE sales.made (n int)", "RESET ROLE", `GRANT SELECT ON sales.made TO "dev@example.com" WITH GRANT OPTION`)
	if notes := apply(roles.Read, false); !slices.ContainsFunc(notes, func(n string) bool {
		return strings.Contains(n, "tables that maker@example.com will create are not covered")
	}) {
		t.Errorf("notes %q", notes)
	}
	if notes := apply(roles.Read, false, "maker@example.com", "dev@example.com"); len(notes) != 0 {
		t.Errorf("notes %q", notes)
	}
	execute(t, conn, `SET ROLE "maker@example.com"`, "CREATE TABLE sales.made_later (n int)", "RESET ROLE")
	if !can("SELECT", "sales.made_later") {
		t.Error("what the named creator makes is not covered")
	}
}

// The schema public holds a view of the extension, which no role may grant.
func TestAccessToPublic(t *testing.T) {
	t.Parallel()
	a := open(t, newInstance(t))
	create(t, a, "team", roles.Group)
	for _, access := range []roles.Access{roles.Read, roles.Write, roles.All} {
		if _, err := a.Apply(t.Context(), roles.Plan{Role: "team", Database: a.Database(), Schemas: []string{"public"}, Access: access}); err != nil {
			t.Errorf("%s: %v", access, err)
		}
	}
}

// A plan takes effect as a whole or not at all, also where Postgres only warns.
func TestAccessRefusals(t *testing.T) {
	t.Parallel()
	instance := newInstance(t)
	owner, conn := open(t, instance), session(t, instance)
	id, login := principal()
	create(t, owner, id, roles.ServicePrincipal)
	create(t, owner, "Data-Team", roles.Group)
	if err := server.CreateDatabase(t.Context(), instance, "closed"); err != nil {
		t.Fatal(err)
	}
	execute(t, conn, "CREATE SCHEMA sales", "CREATE TABLE sales.orders (n int)", "CREATE TABLE sales.secrets (n int)",
		"GRANT USAGE ON SCHEMA sales TO "+quote(id)+" WITH GRANT OPTION", "GRANT SELECT ON sales.orders TO "+quote(id)+" WITH GRANT OPTION", "GRANT SELECT ON sales.secrets TO "+quote(id),
		"REVOKE CONNECT ON DATABASE closed FROM PUBLIC", "GRANT CONNECT ON DATABASE closed TO "+quote(id))
	plan := func(role, schema string) roles.Plan {
		return roles.Plan{Role: role, Database: "databricks_postgres", Schemas: []string{schema}, Access: roles.Read}
	}
	_, err := owner.Apply(t.Context(), plan("data-team", "sales"))
	wantProblem(t, err, "there is no role", `no role "data-team"`, `a role "Data-Team"; names are case-sensitive`)
	_, err = owner.Apply(t.Context(), plan("Data-Taem", "sales"))
	wantProblem(t, err, "there is no role", `did you mean "Data-Team"?`)
	_, err = owner.Apply(t.Context(), plan("new@example.com", "sales"))
	wantProblem(t, err, "there is no role", "lakebase roles create new@example.com")
	_, err = owner.Apply(t.Context(), plan("Data-Team", "Sales"))
	wantProblem(t, err, "has no schema", `no schema "Sales"`, "public, sales")
	_, err = owner.Apply(t.Context(), plan("public", "sales"))
	wantProblem(t, err, "the role of an identity has its name", "every role")
	_, err = owner.Show(t.Context(), "DATA-TEAM")
	wantProblem(t, err, "there is no role", "case-sensitive")

	t.Run("half of it", func(t *testing.T) {
		_, err := openAs(t, instance, login).Apply(t.Context(), plan("Data-Team", "sales"))
		wantProblem(t, err, "may not grant", "nothing was granted", "SELECT on table sales.secrets")
		if ask[bool](t, conn, "select has_table_privilege('Data-Team', 'sales.orders', 'SELECT')") {
			t.Error("the other half was granted")
		}
	})
	t.Run("CONNECT", func(t *testing.T) {
		p := plan("Data-Team", "public")
		p.Database = "closed"
		_, err := openAs(t, instance+"/closed", login).Apply(t.Context(), p)
		wantProblem(t, err, "may not grant", "CONNECT on database closed")
	})
	t.Run("nothing of it", func(t *testing.T) {
		execute(t, conn, "CREATE SCHEMA hidden", "CREATE TABLE hidden.t (n int)")
		_, err := openAs(t, instance, login).Apply(t.Context(), plan("Data-Team", "hidden"))
		wantProblem(t, err, "may not grant", "does not own", "permission denied")
	})
	t.Run("others' grants", func(t *testing.T) {
		execute(t, conn, `GRANT SELECT ON sales.orders TO "Data-Team"`)
		p := plan("Data-Team", "sales")
		p.Revoke = true
		_, err := openAs(t, instance, login).Apply(t.Context(), p)
		wantProblem(t, err, "nothing was revoked", "others granted Data-Team privileges on sales.orders")
	})
	t.Run("others' tables to come", func(t *testing.T) {
		p := plan("Data-Team", "sales")
		p.Creators = []string{"databricks_superuser"}
		execute(t, conn, "REVOKE SELECT ON sales.secrets FROM "+quote(id), "GRANT SELECT ON sales.secrets TO "+quote(id)+" WITH GRANT OPTION")
		_, err := openAs(t, instance, login).Apply(t.Context(), p)
		wantProblem(t, err, "may not grant", "databricks_superuser will create")
	})
}

func TestList(t *testing.T) {
	t.Parallel()
	instance := newInstance(t)
	a, conn := open(t, instance), session(t, instance)
	id, _ := principal()
	create(t, a, id, roles.ServicePrincipal)
	create(t, a, "team", roles.Group)
	execute(t, conn, "CREATE ROLE app LOGIN", "GRANT team TO app", "CREATE SCHEMA sales", "CREATE TABLE sales.a (n int)", "CREATE TABLE sales.b (n int)",
		"GRANT USAGE ON SCHEMA sales TO team", "GRANT SELECT, UPDATE ON sales.a TO team")
	byName := func(list []roles.Role) map[string]roles.Role {
		m := map[string]roles.Role{}
		for _, r := range list {
			m[r.Name] = r
		}
		return m
	}
	// Without the extension the workspace knows the kinds.
	for target, a := range map[string]*roles.Admin{instance: a, instance + "/bare": openBare(t, instance, nil)} {
		list, err := a.List(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		found := byName(list)
		for name, kind := range map[string]roles.Kind{"dev@example.com": roles.User, id: roles.ServicePrincipal, "team": roles.Group, "app": roles.Native} {
			if found[name].Kind != kind {
				t.Errorf("%s: %s is %+v, want %s", target, name, found[name], kind)
			}
		}
		if dev := found["dev@example.com"]; !dev.Superuser || !dev.CreateRole || !dev.Login {
			t.Errorf("%+v", dev)
		}
		if app := found["app"]; app.Superuser || !slices.Equal(app.MemberOf, []string{"team"}) {
			t.Errorf("%+v", app)
		}
		if _, ok := found["pg_monitor"]; ok {
			t.Error("the system's roles are there")
		}
	}
	list, err := a.List(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	found := byName(list)
	if found["pg_monitor"].Kind != roles.System || found["databricks_superuser"].Kind != roles.System {
		t.Error("the system's roles are not there")
	}
	want := roles.Grant{Schema: "sales", Usage: true, Tables: 2, Readable: 1, Writable: 1}
	if g := found["team"].Grants; len(g) != 1 || g[0] != want || g[0].Summary() != "sales: use, read some, write some" {
		t.Errorf("%+v", g)
	}
	if g := found["dev@example.com"].Grants; !slices.ContainsFunc(g, func(g roles.Grant) bool { return g.Owner && g.Summary() == "sales: owner, read all, write all" }) {
		t.Errorf("%+v", g)
	}
	if everyone := found[roles.Everyone]; len(everyone.Grants) == 0 || everyone.Login {
		t.Errorf("%+v", everyone)
	}
}

// TestExplainCreate is about texts that the local Lakebase does not send: the
// service's own for an unknown identity is not documented.
func TestExplainCreate(t *testing.T) {
	refused := func(code, message string) error {
		return &pgconn.PgError{Severity: "ERROR", Code: code, Message: message}
	}
	for _, test := range []struct {
		err     error
		token   bool
		similar string
		want    string
		hint    string
	}{
		{refused("XX000", `Databricks identity "ghost@example.com" does not exist`), true, "", "the workspace knows no", "email address"},
		{refused("22023", `could not resolve ghost@example.com`), true, "Ghost@example.com", "the workspace knows no", `"Ghost@example.com"`},
		{refused("22023", `unknown identity`), true, "", "the workspace knows no", "case-sensitive"},
		{refused("42501", `permission denied to create role`), true, "", "may not create roles", "CREATEROLE"},
		{refused("42501", `permission denied to create role`), false, "", "only by a session that logged in with a token", "static URL"},
		{refused("42501", `Native Postgres sessions cannot create Databricks roles`), true, "", "only by a session that logged in with a token", "static URL"},
		{refused("42883", `function databricks_create_role(text, text) does not exist`), true, "", "extension databricks_auth", "UPDATE"},
	} {
		err := roles.ExplainCreate(test.err, "ghost@example.com", roles.User, test.similar, test.token)
		wantProblem(t, err, test.want, test.hint)
	}
	for _, err := range []error{context.Canceled, refused("57P01", "terminating connection"), refused("42601", "syntax error")} {
		if got := roles.ExplainCreate(err, "x@example.com", roles.User, "", true); !errors.Is(got, err) || errors.As(got, new(*roles.Error)) {
			t.Errorf("%v became %v", err, got)
		}
	}
}
