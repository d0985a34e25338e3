package local_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// valueOf returns a variable, or "-" if there is none.
func valueOf(vars []local.EnvVar, name string) string {
	i := slices.IndexFunc(vars, func(v local.EnvVar) bool { return v.Name == name })
	if i < 0 {
		return "-"
	}
	return vars[i].Value
}

// TestAppMayConnectAndCreateOnly has a person create a schema and an app's identity
// fail in it with 42501, as it does once deployed.
func TestAppMayConnectAndCreateOnly(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Projects: []string{"web"}})
	const path = "projects/web/branches/production/endpoints/primary"
	person := clientFor(t, s, path)
	person.execute(t, s, "CREATE SCHEMA orders", "CREATE TABLE orders.line (n int)")

	vars, err := s.App(t.Context(), "shop", "web", "")
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.App(t.Context(), "shop", "web", "")
	if err != nil || !slices.Equal(vars, again) {
		t.Errorf("the second time: %v, %v", again, err)
	}
	for name, want := range map[string]string{
		"PGAPPNAME": "shop", "PGDATABASE": "databricks_postgres", "PGHOST": person.host, "PGSSLMODE": "require", "PGUSER": valueOf(vars, "DATABRICKS_CLIENT_ID"),
		"PGPASSWORD": "-", "DATABRICKS_TOKEN": "", "LAKEBASE_ENDPOINT": "", "LAKEBASE_INSTANCE_NAME": "", "DATABRICKS_AUTH_TYPE": "-",
	} {
		if got := valueOf(vars, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	app := person
	app.user = valueOf(vars, "PGUSER")
	if app.password, err = s.Mint(local.MintOptions{Subject: app.user, Target: "web"}); err != nil {
		t.Fatal(err)
	}
	conn, err := app.connect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for sql, code := range map[string]string{
		"SELECT * FROM orders.line": "42501", "CREATE TABLE orders.mine (n int)": "42501", "CREATE TABLE public.mine (n int)": "42501", "CREATE ROLE mine": "42501",
	} {
		var pg *pgconn.PgError
		if _, err := conn.Exec(t.Context(), sql); !errors.As(err, &pg) || pg.Code != code {
			t.Errorf("%s: got %v, want %s", sql, err, code)
		}
	}
	app.execute(t, s, "CREATE SCHEMA own", "CREATE TABLE own.line (n int)")
	w := sdkClient(t, s, &config.Config{ClientID: app.user, ClientSecret: valueOf(vars, "DATABRICKS_CLIENT_SECRET")})
	if me, err := w.CurrentUser.Me(t.Context()); err != nil || me.UserName != app.user || me.DisplayName != "shop" {
		t.Errorf("the app is %+v, %v", me, err)
	}
	if _, err := s.App(t.Context(), "ann@example.com", "web", ""); err == nil {
		t.Error("a user is an app")
	}
	if _, err := s.App(t.Context(), "shop", "web", "nowhere"); err == nil {
		t.Error("an app has a database that does not exist")
	}
}

// TestPrincipalsAreCreatedAndKept creates identities at the start, by call and by
// REST, which log in, and are there after a restart.
func TestPrincipalsAreCreatedAndKept(t *testing.T) {
	t.Parallel()
	o := local.Options{DataDir: testkit.OpenDir(t), Instances: []string{"i"}, Principals: []string{"loader", "ann@example.com"}}
	s, err := local.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"reports", "loader"} {
		if _, err := s.CreatePrincipal(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.CreatePrincipal("data-team"); err == nil {
		t.Error("a group is created again as a service principal")
	}
	a := newAPI(t, s)
	made := a.ok("POST", "/local/v1/principals", object{"name": "batch"})
	if made["kind"] != "SERVICE_PRINCIPAL" || made["secret"] == "" {
		t.Errorf("made %v", made)
	}
	for _, name := range []string{"", " ", "loader ", "a\nb"} {
		a.refused("POST", "/local/v1/principals", object{"name": name}, 400, "INVALID_PARAMETER_VALUE", "name of a principal")
	}
	before := s.Principals()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = start(t, o)
	after := s.Principals()
	if len(after) != len(before) || len(after) != 8 {
		t.Errorf("%d principals, and %d after a restart, want 8", len(before), len(after))
	}
	for _, name := range []string{"loader", "reports", "batch", "ann@example.com"} {
		vars, err := s.EnvAs(name, "i")
		if err != nil {
			t.Fatal(err)
		}
		w := sdkClient(t, s, &config.Config{Token: valueOrEmpty(vars, "DATABRICKS_TOKEN"), ClientID: valueOrEmpty(vars, "DATABRICKS_CLIENT_ID"), ClientSecret: valueOrEmpty(vars, "DATABRICKS_CLIENT_SECRET")})
		if me, err := w.CurrentUser.Me(t.Context()); err != nil || me.DisplayName != name {
			t.Errorf("%s is %+v, %v", name, me, err)
		}
	}
	if _, err := s.EnvAs("nobody", "i"); err == nil {
		t.Error("there are variables for a principal that does not exist")
	}
}

func valueOrEmpty(vars []local.EnvVar, name string) string {
	if v := valueOf(vars, name); v != "-" {
		return v
	}
	return ""
}
